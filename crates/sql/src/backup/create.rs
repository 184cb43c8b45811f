use std::{fs, io, path::Path};

use gabion_clock::UnixTime;
use sqlx::{ConnectOptions, Connection};

use super::{
    Backup, BackupError, BackupId,
    disk::{self, absolute, blocking},
    inspect,
    manifest::{CONFIG, DATA, Manifest},
    shelf::{self, PARTIAL},
    verify,
};
use crate::{Sql, open};

/// Makes a backup of `sql` in `dir`, and verifies it.
///
/// It holds one moment; writers go on meanwhile. `config_text` is kept with it as it is, may be
/// empty. The folder `dir` is made where it is missing.
///
/// # Errors
///
/// Whatever fails, there is no backup then; at most a folder that the next one removes.
/// [`BackupError::Busy`] when another one is being made.
pub async fn create(
    sql: &Sql,
    dir: &Path,
    config_text: &str,
    now: UnixTime,
) -> Result<Backup, BackupError> {
    let dir = absolute(dir)?;
    let id = BackupId::new(now);
    let partial = dir.join(format!("{PARTIAL}{id}"));
    let _lock = {
        let (dir, partial) = (dir.clone(), partial.clone());
        blocking(move || {
            disk::create_folders(&dir)?;
            let lock = shelf::lock(&dir)?;
            shelf::sweep(&dir)?;
            disk::create_folder(&partial)?;
            Ok(lock)
        })
        .await?
    };
    match build(sql, &partial, &id, config_text, now).await {
        Ok(manifest) => {
            blocking(move || {
                let folder = dir.join(id.as_str());
                fs::rename(&partial, &folder).map_err(BackupError::io(&folder))?;
                disk::sync(&dir)?;
                Ok(manifest.backup(&folder, id))
            })
            .await
        }
        Err(error) => {
            let removed = blocking(move || shelf::remove(&partial)).await;
            if let Err(error) = removed {
                tracing::warn!(%error, "a failed backup was not removed");
            }
            Err(error)
        }
    }
}

async fn build(
    sql: &Sql,
    partial: &Path,
    id: &BackupId,
    config_text: &str,
    now: UnixTime,
) -> Result<Manifest, BackupError> {
    let data = partial.join(DATA);
    snapshot(sql, &data).await?;
    {
        let (partial, data, config_text) =
            (partial.to_owned(), data.clone(), config_text.to_owned());
        blocking(move || {
            disk::sync(&data)?;
            disk::write_new(&partial.join(CONFIG), config_text.as_bytes())
        })
        .await?;
    }
    let contents = inspect::contents(&data, id).await?;
    {
        let (partial, id) = (partial.to_owned(), id.clone());
        blocking(move || {
            Manifest::write(&partial, &id, contents, now)?;
            disk::sync(&partial)
        })
        .await?;
    }
    verify::check(partial, id).await
}

/// Writes one moment of the database to `target`.
async fn snapshot(sql: &Sql, target: &Path) -> Result<(), BackupError> {
    // SQLite takes an empty file, and would make one that everybody can read.
    disk::write_new(target, b"")?;
    let Some(name) = target.to_str() else {
        return Err(BackupError::io(target)(io::Error::other("the path is not UTF-8")));
    };
    // A connection of its own: the readers are not kept waiting.
    let mut conn = open::options(sql.path()).connect().await.map_err(BackupError::database)?;
    let written = sqlx::query("vacuum into $1").bind(name).execute(&mut conn).await;
    let closed = conn.close().await;
    written.map_err(BackupError::database)?;
    closed.map_err(BackupError::database)
}
