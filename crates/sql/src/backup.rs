//! Backups that are proved to restore.
//!
//! A backup that was never read back is a hope. Here one counts only once its database was opened,
//! its pages and references checked, and its rows compared with what the manifest promises;
//! [`restore`] checks the same again, on the very copy that it puts into place. It differs from
//! copying the file: that misses what still lies in the log, and tears while others write.
//!
//! A backup is a folder, named by its time:
//!
//! ```text
//! backups/20260301T120000Z-1a2b/
//!     data.sqlite3     one consistent moment, compacted
//!     config.toml      the configuration of that moment, may be empty
//!     manifest.json    time, schema, size and SHA-256 of both, rows of each table
//! ```
//!
//! It is built as `.partial-…`, which nothing here reads, written through to the disk, checked, and
//! only then renamed. All files are readable by their owner alone: they hold password hashes.
//!
//! ```
//! use gabion_clock::{Clock, SystemClock};
//! use gabion_sql::{Sql, backup};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (data, backups) = (folder.path().join("data.sqlite3"), folder.path().join("backups"));
//! let now = SystemClock::new().unix();
//! let sql = Sql::open(&data).await?;
//! let made = backup::create(&sql, &backups, "", now).await?;
//! backup::retain(&backups, 7).await?;
//!
//! // Only the owner of the database restores, and not while it is open.
//! sql.close().await;
//! let restored = backup::restore(&backups, &made.id, &data, now).await?;
//! println!("the replaced data is in {}", restored.replaced.display());
//! let sql = Sql::open(&data).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A restore also brings back sessions that were live at the time of the backup. To keep those
//! ended that have ended since, read [`ended_since`](gabion_auth::RevocationStore::ended_since)
//! before closing, and end them again after opening.

mod config;
mod create;
mod disk;
mod error;
mod id;
mod inspect;
mod manifest;
mod restore;
mod shelf;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeMap;

use gabion_clock::UnixTime;

pub use self::{
    config::BackupConfig,
    create::create,
    error::BackupError,
    id::BackupId,
    restore::{Restored, restore},
    shelf::{list, newest_verified, retain},
    verify::{Verified, verify},
};

/// A backup as its manifest tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its name.
    pub id: BackupId,
    /// The moment it holds.
    pub created_at: UnixTime,
    /// The schema of its database.
    pub schema_version: u32,
    /// The size of its files together.
    pub bytes: u64,
    /// How many rows each table has.
    pub tables: BTreeMap<String, u64>,
    /// Whether the last [`verify`] found it damaged, or its files have other sizes than promised.
    pub damaged: bool,
}
