//! What commands tell of the configuration, to people and to scripts.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use serde_json::{Value, json};

use super::{reload, replace, with_file};
use crate::server::{Finished, Home, finish};

#[test]
fn what_waits_for_a_restart_is_told_until_there_is_one() {
    let home = Home::new();
    let file = home.write("gabion.toml", "");
    let new = home.write("new.toml", "[cache]\nentries = 7\n");
    let server = with_file(&home, &file, &[]);
    let admin = server.admin();
    let run = |arguments: &[&str]| home.run(&[arguments, &["--config", &file]].concat());
    let waits = |told: &Value| told["needs_restart"].clone();
    let both = |wanted: &Value| {
        assert_eq!(waits(&server.get("/api/admin/config", &admin).expect(200).json()), *wanted);
        assert_eq!(waits(&server.status(&admin)["config"]), *wanted);
    };
    both(&json!([]));
    // Also when nothing has changed since.
    for _ in 0..2 {
        assert_eq!(
            waits(&run(&["config", "apply", &new, "--json"]).json()),
            json!(["cache.entries"])
        );
    }
    both(&json!(["cache.entries"]));
    let shown = run(&["config", "show"]).good();
    let line = shown.lines().find(|line| line.starts_with("cache.entries = 7")).expect("the line");
    assert!(line.ends_with(", needs a restart"), "{line}");
    assert_eq!(shown.matches("needs a restart").count(), 1, "{shown}");
    let shown = run(&["config", "show", "--json"]).json();
    let marked = shown.as_array().expect("values").iter().filter(|it| it["needs_restart"] == true);
    assert_eq!(marked.map(|it| &it["key"]).collect::<Vec<_>>(), ["cache.entries"]);
    assert!(run(&["status"]).good().contains("only after a restart: cache.entries"));
    // The process has had this value all along.
    assert_eq!(waits(&run(&["config", "rollback", "--json"]).json()), json!([]));
    both(&json!([]));
    assert!(!run(&["status"]).good().contains("restart:"));
    replace(&home, "gabion.toml", "[cache]\nentries = 8\n");
    assert_eq!(waits(&reload(&server, &admin).expect(200).json()), json!(["cache.entries"]));
}

#[test]
fn a_variable_that_is_no_text_is_a_mistake() {
    let home = Home::new();
    let mut command = home.bare(&["config", "check"]);
    command.env("GABION_LOG__LEVEL", OsStr::from_bytes(b"info\xff"));
    command.env(OsStr::from_bytes(b"GABION_LOG__\xff"), "x");
    // A path may be anything, and is read.
    let file = OsString::from(home.write("gabion.toml", ""));
    command.env("GABION_CONFIG", file);
    command.env("OTHER", OsStr::from_bytes(b"\xff"));
    let Finished { code, stderr, .. } = finish(command, "");
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("2 mistakes"), "{stderr}");
    assert!(stderr.contains("environment GABION_LOG__LEVEL: log.level: is not UTF-8"), "{stderr}");
}

#[test]
fn a_mistake_drives_no_terminal_and_fills_none() {
    let home = Home::new();
    let long = "x".repeat(900_000);
    let text = format!("[log]\nlevel = \"\u{202e}\u{9b}2J{long}\"\n\"\u{202e}\u{feff}\" = 1\n");
    let file = home.write("gabion.toml", text);
    let told = finish(home.bare(&["config", "check", "--config", &file]), "");
    assert_eq!(told.code, Some(2));
    let odd = |c: char| matches!(c, '\u{202e}' | '\u{9b}' | '\u{feff}' | '\u{1b}');
    assert!(told.stderr.contains("\\u202e") && !told.stderr.contains(odd), "{:?}", told.stderr);
    assert!(told.stderr.len() < 2000, "{}", told.stderr.len());
    let told = finish(home.bare(&["config", "check", "--json", "--config", &file]), "");
    assert!(!told.stdout.contains(odd));
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert!(told["findings"][0]["value"].as_str().expect("a value").contains('\u{202e}'));
}

#[test]
fn what_is_refused_is_json_for_scripts() {
    let home = Home::new();
    let wrong = home.write("wrong.toml", "[log]\nlevel = 'loud'\n");
    let refused = |arguments: &[&str]| -> Value {
        let told = home.run(&[arguments, &["--json"]].concat());
        assert_eq!((told.code == Some(0), told.stderr.as_str()), (false, ""), "{told:?}");
        serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"))
    };
    let look = |told: &Value| {
        assert_eq!(told["error"], "the configuration has a mistake");
        assert_eq!(
            (&told["mistakes"], &told["findings"][0]["key"]),
            (&json!(1), &json!("log.level"))
        );
        assert_eq!(told["findings"][0]["origin"]["line"], 2);
    };
    look(&refused(&["config", "apply", &wrong]));
    look(&refused(&["config", "check", "--config", &wrong]));
    assert_eq!(refused(&["config", "rollback", "99"])["error"], "there is no such version");
    let _server = home.start(&[]);
    look(&refused(&["config", "apply", &wrong]));
    let told = refused(&["config", "rollback", "99"]);
    assert_eq!(told["error"], "there is no such version");
    assert_eq!(told["problem"]["status"], 404);
    assert!(refused(&["config", "apply", "/nonexistent"])["error"].is_string());
}

#[test]
fn a_list_that_is_not_there_is_told_without_numbers_of_the_system() {
    let home = Home::new();
    for key in ["auth.password.blocklist_file", "server.tls.cert_file"] {
        let mut command = home.bare(&["config", "check", "--set", &format!("{key}=/nonexistent")]);
        command.args(["--set", "server.tls.key_file=/nonexistent"]);
        let told = finish(command, "");
        let line = told.stderr.lines().find(|line| line.contains(key)).expect("the mistake");
        assert!(line.contains("cannot be read: No such file or directory, accepts"), "{line}");
    }
}
