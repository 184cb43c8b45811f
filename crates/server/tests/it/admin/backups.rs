use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    client::Request,
    server::{Home, PASSWORD, Server, finish},
};

fn create(server: &Server, admin: &str) -> String {
    let made = server.send(&Request::post("/api/admin/backups").bearer(admin)).expect(201).json();
    made["id"].as_str().expect("an id").to_owned()
}

fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|backup| backup["id"].as_str().expect("an id").to_owned()).collect()
}

/// Changes one byte in the middle of the largest file below `folder`.
fn damage(folder: &Path) {
    let files = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let size = |file: &std::path::PathBuf| fs::metadata(file).map_or(0, |file| file.len());
    let file = files.max_by_key(size).expect("a file");
    let mut bytes = fs::read(&file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&file, bytes).expect("a file");
}

#[test]
fn backups_are_made_listed_verified_and_kept_in_number() {
    let home = Home::new();
    let server = home.start(&["backup.keep=2"]);
    let admin = server.admin();
    let made = [(); 3].map(|()| create(&server, &admin));
    let list = server.get("/api/admin/backups", &admin).expect(200).json();
    let mut kept = ids(&list["backups"]);
    kept.sort_unstable();
    let mut newest = made[1..].to_vec();
    newest.sort_unstable();
    assert_eq!(kept.len(), 2, "{list}");
    // Names of one second are in no order, so only their number is sure.
    assert!(kept.iter().all(|id| made.contains(id)), "{list}");
    for id in &kept {
        let path = format!("/api/admin/backups/{id}/verify");
        let verified = server.send(&Request::post(path).bearer(&admin)).expect(200).json();
        assert_eq!(verified["id"], id.as_str());
    }
    let metrics = server.metrics(&admin);
    assert!(metrics.contains("gabion_backup_verified_age_seconds"), "{metrics}");
}

#[test]
fn a_disk_that_takes_no_backup_is_told_as_such() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    // Where the folder should be.
    home.write("data/backups", "");
    let told = server.send(&Request::post("/api/admin/backups").bearer(&admin));
    told.problem("dependency-unavailable");
    server.get("/api/admin/backups", &admin).problem("dependency-unavailable");
    fs::remove_file(home.data("backups")).expect("a file");
    create(&server, &admin);
}

#[test]
fn a_damaged_backup_does_not_verify() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let id = create(&server, &admin);
    damage(&home.data("backups").join(&id));
    let path = format!("/api/admin/backups/{id}/verify");
    server.send(&Request::post(path).bearer(&admin)).problem("conflict");
    assert_eq!(home.run(&["backup", "verify", &id]).code, Some(1));
}

#[test]
fn a_restore_brings_the_data_back_and_keeps_what_it_replaces() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    server.add(&admin, "before", &["user"]);
    let ended = server.login("before", PASSWORD);
    let id = create(&server, &admin);
    server.add(&admin, "after", &["user"]);
    server.send(&Request::post("/api/auth/logout").bearer(&ended.access)).expect(204);
    // Not under a running server.
    let refused = home.run(&["backup", "restore", &id]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("running"), "{refused:?}");
    server.login("after", PASSWORD);
    server.stop();

    let told = home.run(&["backup", "restore", &id, "--json"]).json();
    let replaced = Path::new(told["replaced"].as_str().expect("a folder"));
    assert!(replaced.join("gabion.sqlite3").is_file(), "{told}");
    let server = home.start(&[]);
    server.login("before", PASSWORD);
    server.try_login("after", PASSWORD).problem("invalid-credentials");
    // A logout holds, whatever came after it.
    assert!(!server.accepts(&ended.access));
    server.refresh(&ended.refresh).problem("unauthenticated");
    assert!(server.accepts(&admin));
    server.stop();

    // What was replaced is whole: in its place again, it is as it was.
    let database = home.data("gabion.sqlite3");
    fs::copy(replaced.join("gabion.sqlite3"), &database).expect("it can be copied");
    let server = home.start(&[]);
    server.login("after", PASSWORD);
}

#[test]
fn a_damaged_or_foreign_backup_is_not_restored_and_the_data_stays() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let (damaged, good) = (create(&server, &admin), create(&server, &admin));
    server.add(&admin, "after", &["user"]);
    server.stop();
    damage(&home.data("backups").join(&damaged));
    let foreign = "20200101T000000Z-0000";
    fs::create_dir(home.data("backups").join(foreign)).expect("a folder");
    let database = home.data("gabion.sqlite3");
    let before = fs::read(&database).expect("the database");
    for id in [damaged.as_str(), foreign, "20200101T000000Z-ffff"] {
        let refused = home.run(&["backup", "restore", id]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(fs::read(&database).expect("the database") == before, "{id} changed the data");
    }
    let server = home.start(&[]);
    server.login("after", PASSWORD);
    server.stop();
    home.run(&["backup", "restore", &good]).good();
}

#[test]
fn a_restore_heals_a_database_that_is_damaged() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    server.add(&admin, "ann", &["user"]);
    let id = create(&server, &admin);
    server.stop();
    fs::write(home.data("gabion.sqlite3"), "no database any more ".repeat(1000)).expect("a file");
    home.run(&["backup", "restore", &id]).good();
    home.start(&[]).login("ann", PASSWORD);
}

#[test]
fn commands_make_list_and_verify_backups_with_and_without_a_server() {
    let home = Home::new();
    let server = home.start(&[]);
    let first = home.run(&["backup", "create", "--json"]).json();
    let first = first["id"].as_str().expect("an id").to_owned();
    let told = home.run(&["backup", "verify", &first]).good();
    assert!(told.contains("good"), "{told}");
    server.stop();
    let second = home.run(&["backup", "create", "--json"]).json();
    let second = second["id"].as_str().expect("an id").to_owned();
    home.run(&["backup", "verify", &second]).good();
    let mut listed = ids(&home.run(&["backup", "list", "--json"]).json());
    listed.sort_unstable();
    let mut made = vec![first.clone(), second];
    made.sort_unstable();
    assert_eq!(listed, made);
    assert!(home.run(&["backup", "list"]).good().contains(&first));
}

#[test]
fn a_restore_under_a_running_server_says_what_to_do_first() {
    let home = Home::new();
    let server = home.start(&[]);
    let id = create(&server, &server.admin());
    let refused = home.run(&["backup", "restore", &id]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("stop it, restore, and start it again"), "{refused:?}");
}

/// The value of `limits.size.json_body` that the next start would take.
fn json_body(home: &Home) -> Value {
    let shown = home.run(&["config", "show", "--json"]).json();
    let mut entries = shown.as_array().expect("entries").iter();
    let entry = entries.find(|entry| entry["key"] == "limits.size.json_body");
    entry.expect("the key")["value"].clone()
}

fn size(size: &str) -> String {
    format!("[limits.size]\njson_body = \"{size}\"\n")
}

#[test]
fn a_restore_brings_the_configuration_back_and_tells_the_way_back() {
    let home = Home::new();
    home.write("gabion.toml", size("32KiB"));
    let server = home.start(&[]);
    let id = create(&server, &server.admin());
    server.stop();
    home.write("gabion.toml", size("16KiB"));
    let told = home.run(&["backup", "restore", &id]).good();
    assert!(told.contains("gabion config rollback"), "{told}");
    assert_eq!(json_body(&home), "32KiB");
    // As the running server tells it, and then without one.
    let server = home.start(&[]);
    assert_eq!(json_body(&home), "32KiB");
    server.stop();
    home.run(&["config", "rollback"]).good();
    assert_eq!(json_body(&home), "16KiB");
}

#[test]
fn a_restore_of_the_data_alone_leaves_the_configuration() {
    let home = Home::new();
    home.write("gabion.toml", size("32KiB"));
    let server = home.start(&[]);
    let admin = server.admin();
    let id = create(&server, &admin);
    server.add(&admin, "after", &["user"]);
    server.stop();
    home.write("gabion.toml", size("16KiB"));
    let told = home.run(&["backup", "restore", &id, "--data-only", "--json"]).json();
    assert_eq!(told["config"], Value::Null);
    assert_eq!(json_body(&home), "16KiB");
    home.start(&[]).try_login("after", PASSWORD).problem("invalid-credentials");
}

#[test]
fn a_restore_of_the_same_configuration_pins_nothing() {
    let home = Home::new();
    home.write("gabion.toml", size("32KiB"));
    let server = home.start(&[]);
    let id = create(&server, &server.admin());
    server.stop();
    let told = home.run(&["backup", "restore", &id, "--json"]).json();
    assert_eq!(told["config"], Value::Null);
    let history = home.run(&["config", "history", "--json"]).json();
    assert_eq!(history.as_array().map(Vec::len), Some(1), "{history}");
}

#[test]
fn a_backup_whose_configuration_is_refused_today_is_not_restored_whole() {
    let home = Home::new();
    home.write("gabion.toml", "[auth.password]\nmin_length = 20\n");
    let server = home.start(&[]);
    let admin = server.admin();
    let id = create(&server, &admin);
    server.add(&admin, "after", &["user"]);
    server.stop();
    home.write("gabion.toml", "[auth.password]\nmin_length = 16\n");
    // What the backup's file says does not fit the environment of today.
    let restore = |arguments: &[&str]| {
        let mut command = home.command(&[&["backup", "restore", &id], arguments].concat(), &[]);
        command.env("GABION_AUTH__PASSWORD__MAX_LENGTH", "18");
        finish(command, "")
    };
    let refused = restore(&[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for part in ["auth.password.min_length = 20", "--data-only"] {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    let server = home.start(&[]);
    server.login("after", PASSWORD);
    server.stop();
    restore(&["--data-only"]).good();
}

#[test]
fn a_backup_without_a_server_holds_the_configuration_in_effect() {
    let home = Home::new();
    home.write("gabion.toml", size("32KiB"));
    let id = home.run(&["backup", "create", "--json"]).json();
    let id = id["id"].as_str().expect("an id");
    let kept = home.data("backups").join(id).join("config.toml");
    assert_eq!(fs::read_to_string(kept).expect("the text"), size("32KiB"));
}
