//! Whose a database is, which version its tables have, and how they get to ours.

use sqlx::{Connection, SqliteConnection};

/// Each brings the schema from its index to the next version, and says so in `user_version`.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_accounts_sessions_audit.sql"),
    include_str!("../migrations/0002_api_keys.sql"),
    include_str!("../migrations/0003_login_failures.sql"),
];

/// The version that this program writes; an index of `MIGRATIONS` fits any integer.
pub(crate) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// The four letters "Gabi" in the file's header; `file(1)` shows them.
const APPLICATION_ID: i64 = 0x4761_6269;

/// What a database says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nothing was ever written to it.
    Empty,
    /// Ours, of this version.
    Own(u32),
    /// Another program's.
    Foreign,
}

/// Reads only, so that a foreign database stays as it is.
pub(crate) async fn identify(conn: &mut SqliteConnection) -> Result<Identity, sqlx::Error> {
    // One moment: another process may be writing the first schema.
    let mut moment = conn.begin().await?;
    let application: i64 =
        sqlx::query_scalar("pragma application_id").fetch_one(&mut *moment).await?;
    let version: i64 = sqlx::query_scalar("pragma user_version").fetch_one(&mut *moment).await?;
    let objects: i64 =
        sqlx::query_scalar("select count(*) from sqlite_schema").fetch_one(&mut *moment).await?;
    moment.rollback().await?;
    if application == APPLICATION_ID {
        return Ok(u32::try_from(version).map_or(Identity::Foreign, Identity::Own));
    }
    let untouched = (application, version, objects) == (0, 0, 0);
    Ok(if untouched { Identity::Empty } else { Identity::Foreign })
}

/// Brings the schema to [`KNOWN`], all steps or none.
pub(crate) async fn migrate(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    // Looked up under the write lock: another process may be doing the same.
    let mut transaction = conn.begin_with("begin immediate").await?;
    let found: u32 = sqlx::query_scalar("pragma user_version").fetch_one(&mut *transaction).await?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn memory() -> SqliteConnection {
        SqliteConnection::connect("sqlite::memory:").await.unwrap()
    }

    #[tokio::test]
    async fn an_empty_database_becomes_ours_of_the_known_version() {
        let mut conn = memory().await;
        assert_eq!(identify(&mut conn).await.unwrap(), Identity::Empty);
        migrate(&mut conn).await.unwrap();
        assert_eq!(identify(&mut conn).await.unwrap(), Identity::Own(KNOWN));
    }

    #[tokio::test]
    async fn migrating_twice_changes_nothing() {
        let mut conn = memory().await;
        migrate(&mut conn).await.unwrap();
        migrate(&mut conn).await.unwrap();
        assert_eq!(identify(&mut conn).await.unwrap(), Identity::Own(KNOWN));
    }

    #[tokio::test]
    async fn what_an_earlier_version_wrote_is_still_there() {
        let mut conn = memory().await;
        sqlx::raw_sql(MIGRATIONS[0]).execute(&mut conn).await.unwrap();
        let written = "insert into audit (at, action, outcome) values (7, 'login', 'success')";
        sqlx::raw_sql(written).execute(&mut conn).await.unwrap();
        assert_eq!(identify(&mut conn).await.unwrap(), Identity::Own(1));
        migrate(&mut conn).await.unwrap();
        assert_eq!(identify(&mut conn).await.unwrap(), Identity::Own(KNOWN));
        let kept: (i64, Option<String>) =
            sqlx::query_as("select at, actor from audit").fetch_one(&mut conn).await.unwrap();
        assert_eq!(kept, (7, None));
    }

    #[tokio::test]
    async fn a_database_with_tables_of_others_is_foreign() {
        let mut conn = memory().await;
        sqlx::raw_sql("create table theirs (x)").execute(&mut conn).await.unwrap();
        assert_eq!(identify(&mut conn).await.unwrap(), Identity::Foreign);
    }
}
