use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use gabion_errors::BoxError;
use rustix::fs::Access;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    result_code,
    schema::{self, Identity, KNOWN},
};

/// A database was not opened; nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file holds something else.
    #[error(
        "{} is not an SQLite database: move it away to start afresh, or restore a backup",
        path.display()
    )]
    NotDatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database is another program's.
    #[error(
        "{} is the database of another program: move it away to start afresh, or name another file",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Its schema is newer than this program.
    #[error(
        "{} was written by a newer version (schema {found}, this program knows {known}): \
         use that version, or restore a backup of this one",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// Its pages contradict each other.
    #[error("{} is damaged: restore a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        source: BoxError,
    },
    /// The file cannot be made or written.
    #[error(
        "{} cannot be written: check that its folder exists, the owner and the mode of both, \
         and the free space",
        path.display()
    )]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: BoxError,
    },
    /// Another process kept it locked for five seconds.
    #[error("{} is locked by another process: stop that one, or try again", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// What was tried.
        source: BoxError,
    },
    /// Anything else.
    #[error("{} cannot be opened: the cause follows", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: BoxError,
    },
}

impl OpenError {
    fn from_sqlx(path: &Path, error: sqlx::Error) -> Self {
        let path = path.to_owned();
        let code = result_code::of(&error);
        let source = error.into();
        match code {
            Some(result_code::NOTADB) => Self::NotDatabase { path },
            Some(result_code::CORRUPT) => Self::Damaged { path, source },
            Some(result_code::READONLY | result_code::CANTOPEN | result_code::FULL) => {
                Self::NotWritable { path, source }
            }
            Some(result_code::BUSY | result_code::LOCKED) => Self::Locked { path, source },
            _ => Self::Other { path, source },
        }
    }
}

/// The connections of an open database.
pub(crate) struct Pools {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

/// Opens, identifies and migrates the database at `path`, which is absolute.
pub(crate) async fn open(path: &Path) -> Result<Pools, OpenError> {
    ensure_writable(path)
        .map_err(|error| OpenError::NotWritable { path: path.to_owned(), source: error.into() })?;
    let sqlx_error = |error| OpenError::from_sqlx(path, error);
    let mut first = look(path).await.map_err(sqlx_error)?;
    let pools = match prepare(path, &mut first).await {
        Ok(()) => connect(path).await.map_err(sqlx_error),
        Err(error) => Err(error),
    };
    // Awaited also after an error: the caller may go on to replace the file.
    let closed = first.close().await.map_err(sqlx_error);
    let pools = pools?;
    closed.map(|()| pools)
}

/// Connects without touching the file, so that a connection is there to be closed whatever the
/// file turns out to be.
pub(crate) async fn look(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
    options.pragma("trusted_schema", "off").connect().await
}

async fn prepare(path: &Path, first: &mut SqliteConnection) -> Result<(), OpenError> {
    let sqlx_error = |error| OpenError::from_sqlx(path, error);
    match schema::identify(first).await.map_err(sqlx_error)? {
        Identity::Foreign => Err(OpenError::Foreign { path: path.to_owned() }),
        Identity::Own(found) if found > KNOWN => {
            Err(OpenError::NewerSchema { path: path.to_owned(), found, known: KNOWN })
        }
        // Without a migration no write lock is needed, and a start does not wait for a writer.
        Identity::Own(KNOWN) => use_wal(first).await.map_err(sqlx_error),
        Identity::Own(_) | Identity::Empty => {
            use_wal(first).await.map_err(sqlx_error)?;
            schema::migrate(first).await.map_err(sqlx_error)
        }
    }
}

async fn connect(path: &Path) -> Result<Pools, sqlx::Error> {
    let options = options(path);
    let writer = pool(1).connect_with(options.clone()).await?;
    let readers = pool(READERS).connect_with(options.pragma("query_only", "on")).await?;
    Ok(Pools { writer, readers })
}

/// How every connection to a live database is made.
pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        // In WAL mode anything less may lose the last commits with the power.
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", "67108864")
        // A file that was tampered with must not run functions from its schema.
        .pragma("trusted_schema", "off")
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A file does not hang up.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Changes to the write-ahead log, where that is not so already.
async fn use_wal(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut tries = BUSY_TIMEOUT.as_millis() / WAL_RETRY.as_millis();
    loop {
        let mode: Result<String, _> =
            sqlx::query_scalar("pragma journal_mode = wal").fetch_one(&mut *conn).await;
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => {
                let reason = "the file system has no shared memory, which a write-ahead log needs";
                return Err(sqlx::Error::Io(io::Error::other(reason)));
            }
            // SQLite does not wait for this lock by itself: of two that change at the same time
            // one is sent away.
            Err(error) if tries > 0 && result_code::of(&error) == Some(result_code::BUSY) => {
                tries -= 1;
                tokio::time::sleep(WAL_RETRY).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Creates the file for its owner alone, or checks that it can be written.
///
/// An existing file is never opened here: closing any descriptor of it would drop the locks that
/// SQLite holds on it in this process.
fn ensure_writable(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => File::open(folder)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path)?.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK)?;
            // The log lies beside the file.
            Ok(rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
        }
        Err(error) => Err(error),
    }
}

/// Enough to overlap reads; each is a thread.
const READERS: u32 = 4;
/// How long SQLite waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait between two tries to change to the write-ahead log.
const WAL_RETRY: Duration = Duration::from_millis(10);
/// How long a caller waits for a connection: longer, so that the database's own reason is told.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;
    use crate::{
        Sql,
        scratch::{Scratch, add_user, users},
    };

    async fn run(path: &Path, sql: &'static str) {
        let mut conn = options(path).connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_new_database_is_its_owners_alone() {
        let scratch = Scratch::new().await;
        add_user(&scratch.sql, "ada").await;
        for name in ["data.sqlite3", "data.sqlite3-wal", "data.sqlite3-shm"] {
            let mode = fs::metadata(scratch.path(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn commits_reach_the_disk_and_references_hold() {
        let scratch = Scratch::new().await;
        for pool in [&scratch.sql.writer, &scratch.sql.readers] {
            for (pragma, value) in [("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)]
            {
                let statement = sqlx::AssertSqlSafe(format!("pragma {pragma}"));
                let found: i64 = sqlx::query_scalar(statement).fetch_one(pool).await.unwrap();
                assert_eq!(found, value, "{pragma}");
            }
            let mode: String =
                sqlx::query_scalar("pragma journal_mode").fetch_one(pool).await.unwrap();
            assert_eq!(mode, "wal");
        }
    }

    #[tokio::test]
    async fn data_is_kept_from_one_start_to_the_next() {
        let scratch = Scratch::new().await;
        add_user(&scratch.sql, "ada").await;
        scratch.sql.close().await;
        let sql = Sql::open(scratch.sql.path()).await.unwrap();
        assert_eq!(users(&sql).await, ["ada"]);
    }

    #[tokio::test]
    async fn a_closed_database_does_not_answer() {
        let scratch = Scratch::new().await;
        scratch.sql.ping().await.unwrap();
        scratch.sql.clone().close().await;
        assert!(scratch.sql.ping().await.is_err());
        assert!(!scratch.path("data.sqlite3-wal").exists(), "the log was not folded in");
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused_and_names_the_way_out() {
        let scratch = Scratch::new().await;
        scratch.sql.close().await;
        run(scratch.sql.path(), "pragma user_version = 999").await;
        let error = Sql::open(scratch.sql.path()).await.unwrap_err();
        assert!(
            matches!(error, OpenError::NewerSchema { found: 999, known: KNOWN, .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("restore a backup"), "{error}");
    }

    #[tokio::test]
    async fn a_text_file_is_refused_and_stays_as_it_is() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("notes.txt");
        let text = "not a database, but long enough to hold a header\n".repeat(50);
        fs::write(&path, &text).unwrap();
        let error = Sql::open(&path).await.unwrap_err();
        assert!(matches!(error, OpenError::NotDatabase { .. }), "{error:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[tokio::test]
    async fn the_database_of_another_program_is_refused_and_stays_as_it_is() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("theirs.sqlite3");
        File::create(&path).unwrap();
        run(&path, "create table theirs (x)").await;
        let before = fs::read(&path).unwrap();
        let error = Sql::open(&path).await.unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_written_is_told_as_such() {
        let folder = TempDir::new().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing/data.sqlite3")] {
            let error = Sql::open(&path).await.unwrap_err();
            assert!(matches!(error, OpenError::NotWritable { .. }), "{error:?}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[tokio::test]
    async fn a_crash_right_after_the_file_was_made_does_not_hinder_the_next_start() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("data.sqlite3");
        File::create(&path).unwrap();
        Sql::open(&path).await.unwrap();
    }

    #[tokio::test]
    async fn two_first_starts_at_the_same_time_both_succeed() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("data.sqlite3");
        let (one, two) = tokio::join!(Sql::open(&path), Sql::open(&path));
        add_user(&one.unwrap(), "ada").await;
        assert_eq!(users(&two.unwrap()).await, ["ada"]);
    }
}
