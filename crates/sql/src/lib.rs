//! Users, sessions and audit on SQLite, with migrations and backups that are proved to restore.
//!
//! It protects against what embedded databases usually do to a service: a logout that was
//! acknowledged and is gone after `kill -9`, a refresh token that two requests spend at the same
//! time, a database of a newer version half understood, and backups that do not restore.
//!
//! [`Sql`] keeps what [`gabion_auth`] needs ([`UserStore`](gabion_auth::UserStore),
//! [`SessionStore`](gabion_auth::SessionStore), [`RevocationStore`](gabion_auth::RevocationStore))
//! and the [audit](Sql::audit). It is not an ORM and not a pool for the tables of your service.
//!
//! ```
//! use gabion_auth::{Account, Roles, UserStore, Username};
//! use gabion_clock::{Clock, SystemClock};
//! use gabion_sql::Sql;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("data.sqlite3");
//! let sql = Sql::open(&path).await?;
//! let account = Account {
//!     username: Username::parse("ada")?,
//!     password_hash: String::from("$argon2id$…"),
//!     roles: Roles::new(["admin"]),
//!     enabled: true,
//!     created_at: SystemClock::new().unix(),
//! };
//! sql.insert(&account).await?;
//! assert!(sql.find(&account.username).await?.unwrap().roles.contains("admin"));
//! # Ok(())
//! # }
//! ```
//!
//! Backups with a configuration of your own (see [`backup`]):
//!
//! ```
//! use gabion_clock::{Clock, SystemClock};
//! use gabion_sql::{Sql, backup::{self, BackupConfig}};
//! use std::path::Path;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (path, dir) = (folder.path().join("data.sqlite3"), folder.path().display().to_string());
//! let config = BackupConfig { dir, keep: 30, ..BackupConfig::default() };
//! let sql = Sql::open(&path).await?;
//! let made = backup::create(&sql, Path::new(&config.dir), "", SystemClock::new().unix()).await?;
//! assert_eq!(made.tables["accounts"], 0);
//! assert!(backup::retain(Path::new(&config.dir), config.keep).await?.is_empty());
//! # Ok(())
//! # }
//! ```

mod api_keys;
mod audit;
pub mod backup;
mod column;
mod failures;
mod open;
mod result_code;
mod schema;
#[cfg(test)]
mod scratch;
mod sessions;
mod sql;
mod users;

pub use self::{
    audit::{AuditQuery, AuditRecord},
    open::OpenError,
    sql::Sql,
};
