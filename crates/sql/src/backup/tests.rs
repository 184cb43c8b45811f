use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection};

use super::*;
use crate::{
    AuditRecord, Sql, open,
    scratch::{Scratch, add_user},
};

pub(super) const NOW: UnixTime = UnixTime::from_secs(1_772_366_400);

pub(super) struct Shelf {
    pub(super) scratch: Scratch,
    pub(super) dir: PathBuf,
}

impl Shelf {
    /// A database with one user, and a folder for backups that is not there yet.
    pub(super) async fn new() -> Self {
        let scratch = Scratch::new().await;
        add_user(&scratch.sql, "ada").await;
        let dir = scratch.path("backups");
        Self { scratch, dir }
    }

    pub(super) fn sql(&self) -> &Sql {
        &self.scratch.sql
    }

    pub(super) async fn backup(&self, second: u64) -> Backup {
        let now = UnixTime::from_secs(NOW.as_secs() + second);
        create(self.sql(), &self.dir, "[server]\n", now).await.unwrap()
    }

    pub(super) fn file(&self, backup: &Backup, name: &str) -> PathBuf {
        self.dir.join(backup.id.as_str()).join(name)
    }
}

/// Makes the manifest promise the present bytes, as somebody with intent would.
pub(super) fn promise_again(folder: &Path) {
    let path = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let (bytes, sha256) = disk::fingerprint(&folder.join("data.sqlite3")).unwrap();
    for file in manifest["files"].as_array_mut().unwrap() {
        if file["name"] == "data.sqlite3" {
            *file = json!({ "name": "data.sqlite3", "bytes": bytes, "sha256": sha256 });
        }
    }
    fs::write(&path, manifest.to_string()).unwrap();
}

pub(super) async fn run(path: &Path, sql: &'static str) {
    let options = open::options(path).create_if_missing(true);
    let mut conn = options.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

pub(super) fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_backup_is_listed_with_what_it_holds() {
    let shelf = Shelf::new().await;
    let made = shelf.backup(0).await;
    assert_eq!(made.created_at, NOW);
    assert_eq!(made.tables["accounts"], 1);
    assert_eq!(made.tables["sessions"], 0);
    assert!(!made.damaged);
    let config = fs::read_to_string(shelf.file(&made, "config.toml")).unwrap();
    assert_eq!(config, "[server]\n");
    assert_eq!(list(&shelf.dir).await.unwrap(), [made]);
}

#[tokio::test]
async fn nobody_else_can_read_a_backup() {
    let shelf = Shelf::new().await;
    let made = shelf.backup(0).await;
    let folder = shelf.dir.join(made.id.as_str());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
}

#[tokio::test]
async fn a_good_backup_verifies() {
    let shelf = Shelf::new().await;
    let made = shelf.backup(0).await;
    let verified = verify(&shelf.dir, &made.id).await.unwrap();
    assert_eq!((verified.rows, verified.bytes), (1, made.bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_while_others_write_holds_whole_transactions() {
    let shelf = Shelf::new().await;
    let sql = shelf.sql().clone();
    let writer = tokio::spawn(async move {
        loop {
            sql.append_audit(&[AuditRecord::default(), AuditRecord::default()]).await.unwrap();
        }
    });
    let mut counts = Vec::new();
    // Until two differ: then the writer was at work between them.
    while counts.len() < 2 || (counts.len() < 100 && counts.first() == counts.last()) {
        counts.push(shelf.backup(counts.len() as u64).await.tables["audit"]);
    }
    assert_ne!(counts.first(), counts.last(), "nothing was written");
    assert!(counts.iter().all(|records| records % 2 == 0), "{counts:?}");
    writer.abort();
}

#[tokio::test]
async fn a_changed_row_count_is_found_where_the_hash_was_made_to_fit() {
    let shelf = Shelf::new().await;
    let made = shelf.backup(0).await;
    run(&shelf.file(&made, "data.sqlite3"), "delete from accounts").await;
    promise_again(&shelf.dir.join(made.id.as_str()));
    let error = verify(&shelf.dir, &made.id).await.unwrap_err();
    assert!(error.to_string().contains("other tables or rows"), "{error}");
}

#[tokio::test]
async fn a_broken_page_is_found_where_the_hash_was_made_to_fit() {
    let shelf = Shelf::new().await;
    let made = shelf.backup(0).await;
    let path = shelf.file(&made, "data.sqlite3");
    let mut bytes = fs::read(&path).unwrap();
    let page = page_of(&path, "sessions_by_username").await;
    bytes[(page - 1) * 4096..page * 4096].fill(0);
    fs::write(&path, bytes).unwrap();
    promise_again(&shelf.dir.join(made.id.as_str()));
    let error = verify(&shelf.dir, &made.id).await.unwrap_err();
    assert!(error.to_string().contains("integrity check"), "{error}");
}

/// Where an index begins; counting rows does not touch it.
async fn page_of(path: &Path, index: &str) -> usize {
    let mut conn = open::options(path).connect().await.unwrap();
    let page: i64 = sqlx::query_scalar("select rootpage from sqlite_schema where name = $1")
        .bind(index)
        .fetch_one(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    usize::try_from(page).unwrap()
}

#[tokio::test]
async fn a_backup_that_is_not_there_is_not_found() {
    let shelf = Shelf::new().await;
    let id: BackupId = "20260301T120000Z-0000".parse().unwrap();
    let error = verify(&shelf.dir, &id).await.unwrap_err();
    assert!(matches!(error, BackupError::NotFound(_)), "{error:?}");
}

#[tokio::test]
async fn a_backup_under_another_name_is_refused() {
    let shelf = Shelf::new().await;
    let made = shelf.backup(0).await;
    let other: BackupId = "20250101T000000Z-ffff".parse().unwrap();
    fs::rename(shelf.dir.join(made.id.as_str()), shelf.dir.join(other.as_str())).unwrap();
    let error = verify(&shelf.dir, &other).await.unwrap_err();
    assert!(matches!(error, BackupError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn what_was_left_half_made_is_not_listed_and_goes_with_the_next() {
    let shelf = Shelf::new().await;
    let leftover = shelf.dir.join(".partial-20260301T115959Z-0000");
    fs::create_dir_all(&leftover).unwrap();
    fs::write(leftover.join("data.sqlite3"), "half").unwrap();
    assert_eq!(list(&shelf.dir).await.unwrap(), []);
    shelf.backup(0).await;
    assert!(!leftover.exists());
}

#[tokio::test]
async fn a_failed_backup_leaves_nothing() {
    let shelf = Shelf::new().await;
    shelf.sql().close().await;
    fs::remove_file(shelf.sql().path()).unwrap();
    create(shelf.sql(), &shelf.dir, "", NOW).await.unwrap_err();
    assert_eq!(fs::read_dir(&shelf.dir).unwrap().count(), 0);
}

#[tokio::test]
async fn two_backups_at_the_same_time_are_refused() {
    let shelf = Shelf::new().await;
    fs::create_dir(&shelf.dir).unwrap();
    let _lock = shelf::lock(&shelf.dir).unwrap();
    let error = create(shelf.sql(), &shelf.dir, "", NOW).await.unwrap_err();
    assert!(matches!(error, BackupError::Busy), "{error:?}");
}

#[tokio::test]
async fn a_damaged_backup_no_longer_counts_until_it_verifies_again() {
    let shelf = Shelf::new().await;
    shelf.backup(0).await;
    let newest = shelf.backup(60).await;
    assert_eq!(newest_verified(&shelf.dir).await, Some(newest.created_at));

    let data = shelf.file(&newest, "data.sqlite3");
    let good = fs::read(&data).unwrap();
    flip_a_bit(&data);
    verify(&shelf.dir, &newest.id).await.unwrap_err();
    assert_eq!(newest_verified(&shelf.dir).await, Some(NOW));

    fs::write(&data, good).unwrap();
    verify(&shelf.dir, &newest.id).await.unwrap();
    assert_eq!(newest_verified(&shelf.dir).await, Some(newest.created_at));
}

#[tokio::test]
async fn without_a_folder_there_are_no_backups() {
    let shelf = Shelf::new().await;
    assert_eq!(list(&shelf.dir).await.unwrap(), []);
    assert_eq!(retain(&shelf.dir, 1).await.unwrap(), []);
    assert_eq!(newest_verified(&shelf.dir).await, None);
}

#[tokio::test]
async fn retention_keeps_the_newest_good_ones() {
    let shelf = Shelf::new().await;
    let oldest = shelf.backup(0).await;
    let old = shelf.backup(60).await;
    let damaged = shelf.backup(120).await;
    let newest = shelf.backup(180).await;
    fs::write(shelf.file(&damaged, "data.sqlite3"), "short").unwrap();

    assert_eq!(retain(&shelf.dir, 2).await.unwrap(), [oldest.id]);
    assert_eq!(retain(&shelf.dir, 0).await.unwrap(), [damaged.id, old.id]);
    assert_eq!(list(&shelf.dir).await.unwrap(), [newest]);
}

#[test]
fn the_defaults_are_daily_and_a_week() {
    let config = BackupConfig::default();
    assert_eq!((config.every.as_secs(), config.keep, config.dir.as_str()), (86_400, 7, ""));
}
