use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gabion_clock::UnixTime;
use sqlx::Connection;

use super::{
    BackupError, BackupId,
    disk::{self, absolute, beside, blocking},
    manifest::{DATA, Manifest},
    verify::{check_database, verify},
};
use crate::{open, result_code};

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The folder beside the database that keeps what was in its place; empty when nothing was.
    pub replaced: PathBuf,
}

/// Puts backup `id` of `dir` in the place of the database at `database_path`, which nobody may
/// have open; [close](crate::Sql::close) it first.
///
/// The backup is verified, copied beside the database, and the copy verified too. What it replaces
/// stays in a folder `replaced-…` beside it and can be opened there. A crash at any moment leaves
/// the old or the new database in place, whole.
///
/// # Errors
///
/// Those of [`verify`], and [`BackupError::InUse`] when the database is open
/// somewhere; the old database is then in its place.
///
/// # Cancel safety
///
/// A future that is dropped may have replaced the database, or be about to.
pub async fn restore(
    dir: &Path,
    id: &BackupId,
    database_path: &Path,
    now: UnixTime,
) -> Result<Restored, BackupError> {
    verify(dir, id).await?;
    let source = absolute(dir)?.join(id.as_str());
    let database = absolute(database_path)?;
    let copy = beside(&database, &format!(".restore-{id}"));

    let prepared = match copy_verified(&source, id, &copy).await {
        Ok(()) => fold_log(&database).await,
        Err(error) => Err(error),
    };
    blocking(move || {
        let done = prepared.and_then(|()| {
            let replaced = set_aside(&database, now)?;
            put_in_place(&copy, &database)?;
            Ok(Restored { replaced })
        });
        if done.is_err() {
            // Renamed or never made: either way nothing is left to remove.
            let _ = fs::remove_file(&copy);
        }
        done
    })
    .await
}

/// Copies the database of the backup in `source` to `copy`, and proves the copy.
async fn copy_verified(source: &Path, id: &BackupId, copy: &Path) -> Result<(), BackupError> {
    let manifest = {
        let (source, id, copy) = (source.to_owned(), id.clone(), copy.to_owned());
        blocking(move || {
            // Of a restore that was interrupted.
            remove_if_there(&copy)?;
            let manifest = Manifest::read(&source, &id)?;
            disk::copy_new(&source.join(DATA), &copy)?;
            if !manifest.is_data(&copy)? {
                return Err(BackupError::Damaged { id, reason: "its copy has other bytes".into() });
            }
            Ok(manifest)
        })
        .await?
    };
    check_database(copy, id, &manifest).await
}

/// Brings everything that was committed into the one file, and so proves that nobody has it open.
///
/// Afterwards the file is whole without its log, and the log can go before the file is replaced.
async fn fold_log(database: &Path) -> Result<(), BackupError> {
    if !database.exists() {
        return Ok(());
    }
    let mut conn = open::look(database).await.map_err(BackupError::database)?;
    // Leaving the WAL mode checkpoints, and works for the only connection alone.
    let mode: Result<String, _> =
        sqlx::query_scalar("pragma journal_mode = delete").fetch_one(&mut conn).await;
    // Awaited whatever came: a connection that closes later would remove the new one's log.
    let closed = conn.close().await;
    match mode.and_then(|mode| closed.map(|()| mode)) {
        Ok(mode) if mode == "delete" => Ok(()),
        Ok(_) => Err(BackupError::InUse { path: database.to_owned() }),
        Err(error) => match result_code::of(&error) {
            Some(result_code::BUSY | result_code::LOCKED) => {
                Err(BackupError::InUse { path: database.to_owned() })
            }
            // It cannot be opened: often why there is a restore. It is set aside as it is.
            Some(result_code::NOTADB | result_code::CORRUPT) => Ok(()),
            _ => Err(BackupError::database(error)),
        },
    }
}

/// Keeps the database and what belongs to it in a new folder beside it; the file itself also stays
/// in place, so that a start after a crash here does not find an empty place and begin anew.
fn set_aside(database: &Path, now: UnixTime) -> Result<PathBuf, BackupError> {
    let folder = database.parent().unwrap_or(Path::new("/"));
    let replaced = folder.join(format!("replaced-{}", BackupId::new(now)));
    disk::create_folder(&replaced)?;
    let name = Path::new(database.file_name().unwrap_or_default());
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let (from, to) = (beside(database, suffix), beside(&replaced.join(name), suffix));
        if from.exists() && fs::hard_link(&from, &to).is_err() {
            // Not every file system has links.
            disk::copy_new(&from, &to)?;
        }
    }
    disk::sync(&replaced)?;
    disk::sync(folder)?;
    Ok(replaced)
}

fn put_in_place(copy: &Path, database: &Path) -> Result<(), BackupError> {
    let folder = database.parent().unwrap_or(Path::new("/"));
    // Only a database that could not be folded still has these; SQLite would play them into the
    // new one.
    for suffix in ["-wal", "-shm", "-journal"] {
        remove_if_there(&beside(database, suffix))?;
    }
    disk::sync(folder)?;
    fs::rename(copy, database).map_err(BackupError::io(database))?;
    disk::sync(folder)
}

fn remove_if_there(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BackupError::io(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
