use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use gabion_clock::UnixTime;
use rustix::{fs::FlockOperation, io::Errno};

use super::{
    Backup, BackupError, BackupId,
    disk::{self, blocking},
    manifest::Manifest,
};

/// The backups in `dir`, newest first; none when there is no such folder.
///
/// What is not a backup is passed over; a backup without a readable manifest is, with a warning in
/// the log.
///
/// # Errors
///
/// When the folder cannot be read.
pub async fn list(dir: &Path) -> Result<Vec<Backup>, BackupError> {
    let dir = dir.to_owned();
    blocking(move || read(&dir)).await
}

/// Removes old backups from `dir`, so that the newest `keep` good ones stay; returns the removed.
///
/// Damaged ones do not count. The newest good one always stays.
///
/// # Errors
///
/// When a backup cannot be removed; [`BackupError::Busy`] while another one is being made.
pub async fn retain(dir: &Path, keep: u32) -> Result<Vec<BackupId>, BackupError> {
    let dir = dir.to_owned();
    blocking(move || {
        if !dir.exists() {
            return Ok(Vec::new());
        }
        let _lock = lock(&dir)?;
        let mut left = keep.max(1);
        let mut removed = Vec::new();
        for backup in read(&dir)? {
            if left > 0 {
                left -= u32::from(!backup.damaged);
                continue;
            }
            // Under a name that does not count: half a backup must not look like one.
            let path = dir.join(backup.id.as_str());
            let partial = dir.join(format!("{PARTIAL}{}", backup.id));
            fs::rename(&path, &partial).map_err(BackupError::io(&path))?;
            remove(&partial)?;
            removed.push(backup.id);
        }
        disk::sync(&dir)?;
        Ok(removed)
    })
    .await
}

/// The moment of the newest backup in `dir` that was verified and not found damaged since.
///
/// Its age is the metric `gabion_backup_verified_age_seconds`. `None` when there is none, or the
/// folder cannot be read: either way there is nothing to rely on.
pub async fn newest_verified(dir: &Path) -> Option<UnixTime> {
    let backups = list(dir).await.ok()?;
    // Each was verified before it got its name.
    backups.iter().find(|backup| !backup.damaged).map(|backup| backup.created_at)
}

/// Held while backups are made or removed; ends with the file, also when the process is killed.
pub(super) fn lock(dir: &Path) -> Result<File, BackupError> {
    let file = File::open(dir).map_err(BackupError::io(dir))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(BackupError::Busy),
        Err(error) => Err(BackupError::io(dir)(error.into())),
    }
}

/// Removes what an interrupted backup left; the caller holds the [`lock`].
pub(super) fn sweep(dir: &Path) -> Result<(), BackupError> {
    for (name, path) in entries(dir)? {
        if name.starts_with(PARTIAL) {
            remove(&path)?;
        }
    }
    Ok(())
}

pub(super) fn remove(folder: &Path) -> Result<(), BackupError> {
    fs::remove_dir_all(folder).map_err(BackupError::io(folder))
}

fn read(dir: &Path) -> Result<Vec<Backup>, BackupError> {
    let mut backups = Vec::new();
    for (name, path) in entries(dir)? {
        let Ok(id) = name.parse::<BackupId>() else {
            continue;
        };
        match Manifest::read(&path, &id) {
            Ok(manifest) => backups.push(manifest.backup(&path, id)),
            Err(error) => tracing::warn!(%error, "a backup is not listed"),
        }
    }
    backups.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    Ok(backups)
}

/// Name and path of everything in the folder; nothing when there is no such folder.
fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BackupError::io(dir)(error)),
    };
    let named = entries.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
    });
    named.collect::<io::Result<_>>().map_err(BackupError::io(dir))
}

/// Begins the name of what is not a backup yet, or no more.
pub(super) const PARTIAL: &str = ".partial-";
