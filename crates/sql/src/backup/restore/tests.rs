use super::*;
use crate::{
    Sql,
    backup::{
        Backup,
        tests::{NOW, Shelf, flip_a_bit, promise_again, run},
    },
    scratch::{add_user, users},
};

/// A backup that holds `ada`, beside a database that holds `ada` and `bob` and is closed.
async fn backup_and_later_data() -> (Shelf, Backup) {
    let shelf = Shelf::new().await;
    let made = shelf.backup(0).await;
    add_user(shelf.sql(), "bob").await;
    shelf.sql().close().await;
    (shelf, made)
}

async fn users_in(path: &Path) -> Vec<String> {
    let sql = Sql::open(path).await.unwrap();
    let users = users(&sql).await;
    sql.close().await;
    users
}

/// The database's folder must hold the old data and nothing that a restore left.
async fn assert_untouched(shelf: &Shelf) {
    assert_eq!(users_in(shelf.sql().path()).await, ["ada", "bob"]);
    let mut names: Vec<_> = fs::read_dir(shelf.scratch.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["backups", "data.sqlite3"]);
}

async fn refusal(shelf: &Shelf, made: &Backup) -> BackupError {
    restore(&shelf.dir, &made.id, shelf.sql().path(), NOW).await.unwrap_err()
}

#[tokio::test]
async fn a_restore_brings_the_old_data_and_keeps_the_replaced() {
    let (shelf, made) = backup_and_later_data().await;
    let restored = restore(&shelf.dir, &made.id, shelf.sql().path(), NOW).await.unwrap();
    assert_eq!(users_in(shelf.sql().path()).await, ["ada"]);
    assert_eq!(users_in(&restored.replaced.join("data.sqlite3")).await, ["ada", "bob"]);
}

#[tokio::test]
async fn a_restore_goes_into_an_empty_place() {
    let (shelf, made) = backup_and_later_data().await;
    let path = shelf.scratch.path("other.sqlite3");
    let restored = restore(&shelf.dir, &made.id, &path, NOW).await.unwrap();
    assert_eq!(users_in(&path).await, ["ada"]);
    assert_eq!(fs::read_dir(restored.replaced).unwrap().count(), 0);
}

#[tokio::test]
async fn a_truncated_backup_is_refused() {
    let (shelf, made) = backup_and_later_data().await;
    let data = shelf.file(&made, "data.sqlite3");
    let bytes = fs::read(&data).unwrap();
    fs::write(&data, &bytes[..bytes.len() - 1]).unwrap();
    let error = refusal(&shelf, &made).await;
    assert!(matches!(error, BackupError::Damaged { .. }), "{error:?}");
    assert_untouched(&shelf).await;
}

#[tokio::test]
async fn a_backup_with_a_flipped_bit_is_refused() {
    for name in ["data.sqlite3", "config.toml"] {
        let (shelf, made) = backup_and_later_data().await;
        flip_a_bit(&shelf.file(&made, name));
        let error = refusal(&shelf, &made).await;
        assert!(matches!(error, BackupError::Damaged { .. }), "{error:?}");
        assert_untouched(&shelf).await;
    }
}

#[tokio::test]
async fn a_foreign_database_is_refused() {
    let (shelf, made) = backup_and_later_data().await;
    let data = shelf.file(&made, "data.sqlite3");
    fs::remove_file(&data).unwrap();
    run(&data, "create table theirs (x)").await;
    promise_again(&shelf.dir.join(made.id.as_str()));
    let error = refusal(&shelf, &made).await;
    assert!(matches!(error, BackupError::Foreign(_)), "{error:?}");
    assert_untouched(&shelf).await;
}

#[tokio::test]
async fn a_newer_backup_is_refused() {
    let (shelf, made) = backup_and_later_data().await;
    run(&shelf.file(&made, "data.sqlite3"), "pragma user_version = 999").await;
    promise_again(&shelf.dir.join(made.id.as_str()));
    let error = refusal(&shelf, &made).await;
    assert!(matches!(error, BackupError::Newer { found: 999, .. }), "{error:?}");
    assert_untouched(&shelf).await;
}

#[tokio::test]
async fn a_folder_without_our_manifest_is_refused() {
    for manifest in [None, Some("{}"), Some("not JSON")] {
        let (shelf, made) = backup_and_later_data().await;
        let path = shelf.file(&made, "manifest.json");
        match manifest {
            None => fs::remove_file(path).unwrap(),
            Some(text) => fs::write(path, text).unwrap(),
        }
        let error = refusal(&shelf, &made).await;
        assert!(matches!(error, BackupError::Damaged { .. }), "{error:?}");
        assert_untouched(&shelf).await;
    }
}

#[tokio::test]
async fn a_database_in_use_is_not_replaced() {
    let (shelf, made) = backup_and_later_data().await;
    let sql = Sql::open(shelf.sql().path()).await.unwrap();
    add_user(&sql, "eve").await;
    let error = refusal(&shelf, &made).await;
    assert!(matches!(error, BackupError::InUse { .. }), "{error:?}");
    add_user(&sql, "fay").await;
    assert_eq!(users(&sql).await, ["ada", "bob", "eve", "fay"]);
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_replaced_and_kept() {
    let (shelf, made) = backup_and_later_data().await;
    let path = shelf.sql().path();
    fs::write(path, "garbage ".repeat(1000)).unwrap();
    fs::write(beside(path, "-wal"), "garbage").unwrap();
    let restored = restore(&shelf.dir, &made.id, path, NOW).await.unwrap();
    assert!(!beside(path, "-wal").exists());
    assert_eq!(users_in(path).await, ["ada"]);
    let kept = fs::read(restored.replaced.join("data.sqlite3")).unwrap();
    assert!(kept.starts_with(b"garbage"));
}

#[tokio::test]
async fn a_crash_between_any_two_steps_leaves_the_old_or_the_new_database() {
    for steps in 0..=4 {
        let (shelf, made) = backup_and_later_data().await;
        let killed = shelf.sql().path();
        // The old database as a killed server leaves it: with a log that holds a commit.
        let sql = Sql::open(killed).await.unwrap();
        add_user(&sql, "eve").await;
        let place = shelf.scratch.path("place");
        fs::create_dir(&place).unwrap();
        for name in ["data.sqlite3", "data.sqlite3-wal"] {
            fs::copy(shelf.scratch.path(name), place.join(name)).unwrap();
        }
        let database = place.join("data.sqlite3");
        let copy = place.join("copy");

        if steps > 0 {
            let source = shelf.dir.join(made.id.as_str());
            copy_verified(&source, &made.id, &copy).await.unwrap();
        }
        if steps > 1 {
            fold_log(&database).await.unwrap();
        }
        if steps > 2 {
            set_aside(&database, NOW).unwrap();
        }
        if steps > 3 {
            put_in_place(&copy, &database).unwrap();
        }
        let expected: &[&str] = if steps > 3 { &["ada"] } else { &["ada", "bob", "eve"] };
        assert_eq!(users_in(&database).await, expected, "after {steps} steps");
    }
}
