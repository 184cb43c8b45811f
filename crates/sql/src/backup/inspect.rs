use std::path::Path;

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions,
};

use super::{BackupError, BackupId, manifest::Contents};
use crate::schema::{self, Identity, KNOWN};

/// Tells what is in the database file of backup `id`; refuses what is not ours or newer.
pub(super) async fn contents(path: &Path, id: &BackupId) -> Result<Contents, BackupError> {
    let mut conn = open(path).await.map_err(BackupError::reading(id))?;
    let contents = read_contents(&mut conn, id).await;
    close(conn).await;
    contents
}

/// As [`contents`], after a check of every page, index and reference.
pub(super) async fn checked_contents(path: &Path, id: &BackupId) -> Result<Contents, BackupError> {
    let mut conn = open(path).await.map_err(BackupError::reading(id))?;
    // Whose it is comes first: what is foreign is not called damaged.
    let contents = match read_contents(&mut conn, id).await {
        Ok(contents) => check(&mut conn, id).await.map(|()| contents),
        Err(error) => Err(error),
    };
    close(conn).await;
    contents
}

/// Immutable: only the bytes of the file count, no log or journal that lies beside it.
async fn open(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(true)
        .pragma("trusted_schema", "off")
        .pragma("cell_size_check", "on")
        .connect()
        .await
}

async fn close(conn: SqliteConnection) {
    // Nothing was written; an error would change nothing.
    let _ = conn.close().await;
}

async fn read_contents(
    conn: &mut SqliteConnection,
    id: &BackupId,
) -> Result<Contents, BackupError> {
    let reading = BackupError::reading(id);
    let schema_version = match schema::identify(conn).await.map_err(&reading)? {
        Identity::Empty | Identity::Foreign => return Err(BackupError::Foreign(id.clone())),
        Identity::Own(found) if found > KNOWN => {
            return Err(BackupError::Newer { id: id.clone(), found, known: KNOWN });
        }
        Identity::Own(found) => found,
    };
    let names: Vec<String> = sqlx::query_scalar(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape '\\'",
    )
    .fetch_all(&mut *conn)
    .await
    .map_err(&reading)?;
    let mut contents = Contents { schema_version, tables: Default::default() };
    for name in names {
        // A table's name cannot be bound; quoted like this it is nothing but a name.
        let quoted = name.replace('"', "\"\"");
        let rows: u64 =
            sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from \"{quoted}\"")))
                .fetch_one(&mut *conn)
                .await
                .map_err(&reading)?;
        contents.tables.insert(name, rows);
    }
    Ok(contents)
}

async fn check(conn: &mut SqliteConnection, id: &BackupId) -> Result<(), BackupError> {
    let damaged = |reason: String| Err(BackupError::Damaged { id: id.clone(), reason });
    let findings: Vec<String> = sqlx::query_scalar("pragma integrity_check(1)")
        .fetch_all(&mut *conn)
        .await
        .map_err(BackupError::reading(id))?;
    if findings != ["ok"] {
        return damaged(format!("integrity check: {}", findings.join("; ")));
    }
    let dangling = sqlx::query("pragma foreign_key_check")
        .fetch_optional(conn)
        .await
        .map_err(BackupError::reading(id))?;
    if dangling.is_some() {
        return damaged("a row refers to one that is not there".into());
    }
    Ok(())
}
