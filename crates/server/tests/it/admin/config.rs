use std::{fs, os::unix::fs::symlink};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    client::{Request, Response},
    server::{Home, Server, until},
};

pub(super) const KEY: &str = "limits.size.json_body";

pub(super) fn text(size: &str) -> String {
    format!("[limits.size]\njson_body = \"{size}\"\n")
}

/// A server with a configuration file, and the path of that.
fn begin(home: &Home, content: &str) -> (Server, String) {
    let file = home.write("gabion.toml", content);
    (home.start_as(&["serve", "--print-ready", "--config", &file], &[]), file)
}

/// What the server says that `key` is.
pub(super) fn value(server: &Server, admin: &str, key: &str) -> Value {
    let shown = server.get("/api/admin/config", admin).expect(200).json();
    let values = shown["values"].as_array().expect("values");
    let entry = values.iter().find(|entry| entry["key"] == key);
    entry.unwrap_or_else(|| panic!("{key} is not in {shown}"))["value"].clone()
}

fn reload(server: &Server, admin: &str) -> Response {
    server.send(&Request::post("/api/admin/config/reload").bearer(admin))
}

fn rollback(server: &Server, admin: &str, body: &Value) -> Value {
    server.post("/api/admin/config/rollback", admin, body).expect(200).json()
}

pub(super) fn until_it_is(server: &Server, admin: &str, key: &str, wanted: &str) {
    until(&format!("{key} is {wanted}"), || (value(server, admin, key) == wanted).then_some(()));
}

/// A file that is not watched: it lies in another folder, behind a link.
fn unwatched(home: &Home, content: &str) -> String {
    fs::create_dir(home.path("real")).expect("a folder");
    home.write("real/gabion.toml", content);
    symlink("real/gabion.toml", home.path("linked.toml")).expect("a link");
    home.path("linked.toml").display().to_string()
}

#[test]
fn a_reload_tells_what_has_changed_and_what_needs_a_restart() {
    let home = Home::new();
    let file = unwatched(&home, &text("32KiB"));
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &[]);
    let admin = server.admin();
    let first = reload(&server, &admin).expect(200).json();
    assert_eq!((&first["changed"], &first["needs_restart"]), (&json!([]), &json!([])));
    home.write("real/gabion.toml", format!("{}[cache]\nentries = 7\n", text("16KiB")));
    let second = reload(&server, &admin).expect(200).json();
    let mut changed: Vec<&str> =
        second["changed"].as_array().expect("keys").iter().filter_map(Value::as_str).collect();
    changed.sort_unstable();
    assert_eq!(changed, ["cache.entries", KEY]);
    assert_eq!(second["needs_restart"], json!(["cache.entries"]));
    assert!(second["version"].as_u64() > first["version"].as_u64());
    assert_eq!(value(&server, &admin, KEY), "16KiB");
    // It holds at once.
    let body = "x".repeat(20 * 1024);
    let request = Request::post("/api/auth/login").header("Content-Type", "application/json");
    server.send(&request.body(body)).problem("body-too-large");
}

#[test]
fn a_reload_with_mistakes_tells_them_and_changes_nothing() {
    let home = Home::new();
    let file = unwatched(&home, &text("32KiB"));
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &[]);
    let admin = server.admin();
    let wrong = "[limits.size]\njson_body = \"1KiB\"\nhead = \"x\"\n[cache]\nentriez = 7\n";
    home.write("real/gabion.toml", wrong);
    let before = server.get("/api/admin/config", &admin).json();
    let told = reload(&server, &admin);
    let faults = told.faults();
    assert_eq!(faults, ["/cache/entriez config", "/limits/size/head config"]);
    assert_eq!(server.get("/api/admin/config", &admin).json(), before);
    fs::remove_file(home.path("real/gabion.toml")).expect("it is there");
    assert_eq!(reload(&server, &admin).status, 422);
    assert_eq!(server.get("/api/admin/config", &admin).json(), before);
    // Neither does a signal, and the log says why.
    home.write("real/gabion.toml", wrong);
    server.signal(Signal::HUP);
    server.wait_for_log(&["mistake", "limits.size.head"]);
    assert_eq!(value(&server, &admin, KEY), "32KiB");
}

#[test]
fn a_hangup_reloads() {
    let home = Home::new();
    let file = unwatched(&home, &text("32KiB"));
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &[]);
    let admin = server.admin();
    home.write("real/gabion.toml", text("16KiB"));
    assert_eq!(value(&server, &admin, KEY), "32KiB");
    server.signal(Signal::HUP);
    until_it_is(&server, &admin, KEY, "16KiB");
}

#[test]
fn a_changed_file_is_taken_by_itself() {
    let home = Home::new();
    let (server, _) = begin(&home, &text("32KiB"));
    let admin = server.admin();
    home.write("gabion.toml", text("16KiB"));
    until_it_is(&server, &admin, KEY, "16KiB");
    // Replaced whole, as editors and tools do.
    let next = home.write("next.toml", text("8KiB"));
    fs::rename(next, home.path("gabion.toml")).expect("it is replaced");
    until_it_is(&server, &admin, KEY, "8KiB");
    // A mistake changes nothing and is told.
    home.write("gabion.toml", text("a lot"));
    server.wait_for_log(&["mistake", "a lot"]);
    assert_eq!(value(&server, &admin, KEY), "8KiB");
    home.write("gabion.toml", text("4KiB"));
    until_it_is(&server, &admin, KEY, "4KiB");
}

#[test]
fn a_changed_file_is_taken_though_something_else_in_its_folder_never_rests() {
    let home = Home::new();
    let (server, _) = begin(&home, &text("32KiB"));
    let admin = server.admin();
    home.write("gabion.toml", text("16KiB"));
    until("16KiB hold while a neighbour is written", || {
        home.write("neighbour.log", "a line");
        (value(&server, &admin, KEY) == "16KiB").then_some(())
    });
}

#[test]
fn a_reload_resets_neither_limits_nor_sessions_nor_caches() {
    let home = Home::new();
    let file = unwatched(&home, &text("32KiB"));
    let sets = ["limits.rate.login.quota=1/h", "limits.rate.login.burst=2", "demo.enabled=true"];
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &sets);
    let admin = server.admin();
    let other = server.admin();
    server.try_login("admin", "x").problem("rate-limited");
    let cached = server.get("/api/demo/cached/a", &admin).expect(200).json();
    home.write("real/gabion.toml", text("16KiB"));
    assert_eq!(reload(&server, &admin).expect(200).json()["changed"], json!([KEY]));
    server.try_login("admin", "x").problem("rate-limited");
    assert!(server.accepts(&other));
    assert_eq!(server.get("/api/demo/cached/a", &admin).expect(200).json(), cached);
}

#[test]
fn a_rollback_returns_to_the_version_before_and_back() {
    let home = Home::new();
    let (server, _) = begin(&home, &text("32KiB"));
    let admin = server.admin();
    home.write("gabion.toml", text("16KiB"));
    until_it_is(&server, &admin, KEY, "16KiB");
    assert_eq!(rollback(&server, &admin, &json!({}))["changed"], json!([KEY]));
    assert_eq!(value(&server, &admin, KEY), "32KiB");
    let versions = home.run(&["config", "history", "--json"]).json();
    let numbers: Vec<u64> = versions
        .as_array()
        .expect("versions")
        .iter()
        .filter_map(|v| v["number"].as_u64())
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
    rollback(&server, &admin, &json!({"version": 2}));
    assert_eq!(value(&server, &admin, KEY), "16KiB");
}

#[test]
fn a_rollback_holds_across_a_restart_until_the_file_changes() {
    let home = Home::new();
    let (server, file) = begin(&home, &text("32KiB"));
    let admin = server.admin();
    home.write("gabion.toml", text("16KiB"));
    until_it_is(&server, &admin, KEY, "16KiB");
    rollback(&server, &admin, &json!({}));
    reload(&server, &admin).expect(200);
    assert_eq!(value(&server, &admin, KEY), "32KiB");
    server.stop();

    let serve = ["serve", "--print-ready", "--config", &file];
    let server = home.start_as(&serve, &[]);
    assert_eq!(value(&server, &admin, KEY), "32KiB");
    home.write("gabion.toml", text("8KiB"));
    until_it_is(&server, &admin, KEY, "8KiB");
    // The file was edited since: what it says now holds, also if it said the same before.
    home.write("gabion.toml", text("16KiB"));
    until_it_is(&server, &admin, KEY, "16KiB");
    server.stop();
    let server = home.start_as(&serve, &[]);
    assert_eq!(value(&server, &admin, KEY), "16KiB");
}

#[test]
fn a_change_of_the_file_while_stopped_ends_a_rollback_for_good() {
    let home = Home::new();
    let (server, file) = begin(&home, &text("32KiB"));
    let admin = server.admin();
    home.write("gabion.toml", text("16KiB"));
    until_it_is(&server, &admin, KEY, "16KiB");
    rollback(&server, &admin, &json!({}));
    server.stop();
    let serve = ["serve", "--print-ready", "--config", &file];
    home.write("gabion.toml", text("8KiB"));
    let server = home.start_as(&serve, &[]);
    assert_eq!(value(&server, &admin, KEY), "8KiB");
    server.stop();
    home.write("gabion.toml", text("16KiB"));
    let server = home.start_as(&serve, &[]);
    assert_eq!(value(&server, &admin, KEY), "16KiB");
}

#[test]
fn a_reload_changes_how_long_values_are_cached() {
    let home = Home::new();
    let file = unwatched(&home, "[cache]\nttl = \"1h\"\n");
    let server =
        home.start_as(&["serve", "--print-ready", "--config", &file], &["demo.enabled=true"]);
    let admin = server.admin();
    let loaded_at = |key: &str| -> Value {
        let target = format!("/api/demo/cached/{key}");
        server.get(&target, &admin).expect(200).json()["loaded_at"].clone()
    };
    let long = loaded_at("long");
    home.write("real/gabion.toml", "[cache]\nttl = \"1ms\"\n");
    assert_eq!(reload(&server, &admin).expect(200).json()["changed"], json!(["cache.ttl"]));
    let short = loaded_at("short");
    until("a value is loaded anew", || (loaded_at("short") != short).then_some(()));
    // What was loaded before keeps its time.
    assert_eq!(loaded_at("long"), long);
}

#[test]
fn a_type_that_is_no_json_is_refused_without_a_body_too() {
    let home = Home::new();
    let (server, _) = begin(&home, &text("32KiB"));
    let admin = server.admin();
    let request = || Request::post("/api/admin/config/reload").bearer(&admin);
    let wrong = request().header("Content-Type", "text/plain");
    server.send(&wrong).problem("unsupported-media-type");
    server.send(&request().header("Content-Type", "application/json")).expect(200);
}
