use std::{fmt, path::Path, sync::Arc};

use gabion_auth::StoreError;
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::{
    OpenError,
    open::{self, Pools},
};

/// An open database: accounts, sessions and audit. Clones share its connections.
///
/// Writes go through one connection and are on disk when their future is ready; reads go through
/// others and see every write that was acknowledged before, by any process. A future that is
/// dropped half-way leaves no half transaction.
#[derive(Clone)]
pub struct Sql {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    path: Arc<Path>,
}

impl Sql {
    /// Opens the database at `path`, and creates (mode 0600) or migrates it where needed.
    ///
    /// Several processes may have it open.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; a database that is not ours, or of a newer version, is left as it is.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        // A relative name could be read as a URI or as `:memory:`.
        let path = std::path::absolute(path)
            .map_err(|error| OpenError::Other { path: path.to_owned(), source: error.into() })?;
        let Pools { writer, readers } = open::open(&path).await?;
        Ok(Self { writer, readers, path: path.into() })
    }

    /// The file, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads one page, for a health probe.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let row: Result<Option<i64>, _> = sqlx::query_scalar("select 1 from accounts limit 1")
            .fetch_optional(&self.readers)
            .await;
        row.map(|_| ()).map_err(store_error)
    }

    /// Closes every connection of every clone, and waits for those in use.
    ///
    /// Afterwards every call fails, and the file may be replaced.
    pub async fn close(&self) {
        // The writer last: whoever closes last folds the log into the file.
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that holds the write lock from the start, so that what it reads stays true.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        match self.writer.begin_with(BEGIN).await {
            // SQLite ends a transaction by itself when the disk is full or fails, and sqlx goes on
            // counting it. Only another connection can begin one again.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await?.close().await?;
                self.writer.begin_with(BEGIN).await
            }
            begun => begun,
        }
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sql").field("path", &self.path).finish_non_exhaustive()
    }
}

pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    StoreError(error.into())
}

const BEGIN: &str = "begin immediate";
