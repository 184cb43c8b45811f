use std::path::Path;

use super::{
    BackupError, BackupId,
    disk::{absolute, blocking},
    inspect,
    manifest::{self, DATA, Manifest},
};

/// What a verification proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Of which backup.
    pub id: BackupId,
    /// The schema of its database.
    pub schema_version: u32,
    /// The size of its files together.
    pub bytes: u64,
    /// How many rows were counted.
    pub rows: u64,
}

/// Proves that backup `id` in `dir` can be restored: hashes, pages, references, rows.
///
/// What it finds is noted in the backup's folder, so that a damaged one is shown as such and no
/// longer counts.
///
/// # Errors
///
/// [`BackupError::NotFound`], [`Damaged`](BackupError::Damaged), [`Foreign`](BackupError::Foreign)
/// and [`Newer`](BackupError::Newer) tell about the backup; others say that it is not known.
pub async fn verify(dir: &Path, id: &BackupId) -> Result<Verified, BackupError> {
    let folder = absolute(dir)?.join(id.as_str());
    let checked = check(&folder, id).await;
    match &checked {
        Ok(_) => manifest::remember(&folder, None),
        Err(error @ (BackupError::Damaged { .. } | BackupError::Foreign(_))) => {
            manifest::remember(&folder, Some(&error.to_string()));
        }
        Err(_) => {}
    }
    let manifest = checked?;
    Ok(Verified {
        id: id.clone(),
        schema_version: manifest.contents.schema_version,
        bytes: manifest.bytes(),
        rows: manifest.contents.tables.values().sum(),
    })
}

/// Checks the backup `id` in `folder`.
pub(super) async fn check(folder: &Path, id: &BackupId) -> Result<Manifest, BackupError> {
    let manifest = {
        let (folder, id) = (folder.to_owned(), id.clone());
        blocking(move || {
            let manifest = Manifest::read(&folder, &id)?;
            manifest.check_files(&folder, &id)?;
            Ok(manifest)
        })
        .await?
    };
    check_database(&folder.join(DATA), id, &manifest).await?;
    Ok(manifest)
}

/// Checks a database file against the manifest of backup `id`.
pub(super) async fn check_database(
    path: &Path,
    id: &BackupId,
    manifest: &Manifest,
) -> Result<(), BackupError> {
    if inspect::checked_contents(path, id).await? != manifest.contents {
        let reason = "the database has other tables or rows than promised".into();
        return Err(BackupError::Damaged { id: id.clone(), reason });
    }
    Ok(())
}
