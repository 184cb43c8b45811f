//! A database in a folder of its own, for tests.

use std::{fs, path::PathBuf};

use gabion_auth::{Account, Roles, UserStore, Username};
use gabion_clock::UnixTime;
use tempfile::TempDir;

use crate::Sql;

pub(crate) struct Scratch {
    pub(crate) sql: Sql,
    pub(crate) folder: TempDir,
}

impl Scratch {
    pub(crate) async fn new() -> Self {
        Self::at(TempDir::new().unwrap()).await
    }

    /// The database as a process would find it that starts after this one was killed now.
    pub(crate) async fn as_after_a_kill(&self) -> Self {
        let folder = TempDir::new().unwrap();
        // The shared memory does not outlive its last process.
        for name in ["data.sqlite3", "data.sqlite3-wal"] {
            fs::copy(self.folder.path().join(name), folder.path().join(name)).unwrap();
        }
        Self::at(folder).await
    }

    async fn at(folder: TempDir) -> Self {
        let sql = Sql::open(&folder.path().join("data.sqlite3")).await.unwrap();
        Self { sql, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub(crate) async fn add_user(sql: &Sql, name: &str) {
    let account = Account {
        username: Username::parse(name).unwrap(),
        password_hash: "$argon2id$".into(),
        roles: Roles::new(["user"]),
        enabled: true,
        created_at: UnixTime::from_secs(1),
    };
    sql.insert(&account).await.unwrap();
}

pub(crate) async fn users(sql: &Sql) -> Vec<String> {
    sql.list().await.unwrap().iter().map(|account| account.username.to_string()).collect()
}
