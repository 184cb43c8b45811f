use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use gabion_errors::{BoxError, Problem, ToProblem, types};

use super::BackupId;
use crate::result_code;

/// A backup was not made, not verified or not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The text has not the form of an id.
    #[error("not the id of a backup, as 20260301T120000Z-1a2b")]
    InvalidId,
    /// There is none of this name.
    #[error("there is no backup {0}; list them to see which there are")]
    NotFound(BackupId),
    /// It is not what its manifest promises.
    #[error("backup {id} is damaged, use another one: {reason}")]
    Damaged {
        /// Which backup.
        id: BackupId,
        /// What was found.
        reason: String,
    },
    /// Its database is not one of ours.
    #[error("backup {0} holds the database of another program")]
    Foreign(BackupId),
    /// Its schema is newer than this program.
    #[error(
        "backup {id} was written by a newer version (schema {found}, this program knows {known}): \
         restore it with that version"
    )]
    Newer {
        /// Which backup.
        id: BackupId,
        /// Its schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// Another process or task makes or removes backups in the same folder.
    #[error("another backup is being made or removed in this folder; try again when it is done")]
    Busy,
    /// The database to be replaced is open somewhere.
    #[error("{} is in use: stop what uses it first", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder failed.
    #[error("{} failed: check its owner, its mode and the free space", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] BoxError),
}

impl BackupError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn database(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }

    /// An error while the database of backup `id` was read.
    pub(super) fn reading(id: &BackupId) -> impl Fn(sqlx::Error) -> Self {
        |error| match result_code::of(&error) {
            Some(result_code::NOTADB | result_code::CORRUPT) => {
                Self::Damaged { id: id.clone(), reason: error.to_string() }
            }
            _ => Self::database(error),
        }
    }
}

impl ToProblem for BackupError {
    fn to_problem(&self) -> Problem {
        let conflict = |detail: &'static str| Problem::new(&types::CONFLICT).detail(detail);
        match self {
            Self::InvalidId | Self::NotFound(_) => {
                Problem::new(&types::NOT_FOUND).detail("there is no such backup")
            }
            Self::Damaged { .. } => conflict("the backup is damaged, use another one"),
            Self::Foreign(_) => conflict("the backup holds the data of another program"),
            Self::Newer { .. } => conflict("the backup was written by a newer version"),
            Self::Busy => conflict("another backup is being made or removed, try again later"),
            Self::InUse { .. } => conflict("the data is in use"),
            // A full disk, no more open files: the way out is outside of the program.
            Self::Io { .. } | Self::Database(_) => Problem::new(&types::DEPENDENCY_UNAVAILABLE)
                .detail("the disk or the database did not do its part; the log has the cause")
                .retry_after(Duration::from_secs(10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_the_kind_but_neither_path_nor_cause() {
        let id: BackupId = "20260301T120000Z-1a2b".parse().unwrap();
        let damaged = BackupError::Damaged { id: id.clone(), reason: "page 7".into() };
        let io = BackupError::io(Path::new("/secret/place"))(io::ErrorKind::StorageFull.into());
        let full = BackupError::Database("page 7 of secret".into());
        for (error, status) in
            [(damaged, 409), (BackupError::NotFound(id), 404), (io, 503), (full, 503)]
        {
            let problem = error.to_problem();
            assert_eq!(problem.status(), status);
            assert!(!problem.detail_text().contains("page 7"));
            assert!(!problem.detail_text().contains("secret"));
        }
    }
}
