//! Settings that are accepted and do nothing yet.

use crate::server::{Home, Server};

const SETTINGS: [(&str, &str); 4] = [
    ("store.sql", "postgres://user:hunter2@db.example/gabion"),
    ("store.redis", "redis://:hunter2@cache.example"),
    ("monitor.webhook", "https://alerts.example/hook"),
    ("lifecycle.probation", "5s"),
];

/// The keys that the log warns of, in its order.
fn warned(server: &Server) -> Vec<String> {
    server.wait_for_log(&["\"message\":\"ready\""]);
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("not honoured"));
    let keys = lines.map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        assert_eq!(line["level"], "WARN", "{line}");
        line["key"].as_str().expect("a key").to_owned()
    });
    assert!(!log.contains("hunter2"), "{log}");
    keys.collect()
}

#[test]
fn each_has_one_warning_and_the_server_starts() {
    for (key, value) in SETTINGS {
        let home = Home::new();
        let server = home.start(&[&format!("{key}={value}")]);
        assert_eq!(warned(&server), [key]);
        server.admin();
    }
}

#[test]
fn all_together_have_one_warning_each() {
    let home = Home::new();
    let sets: Vec<String> = SETTINGS.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let server = home.start(&sets);
    assert_eq!(warned(&server), SETTINGS.map(|(key, _)| key));
}

#[test]
fn without_them_there_is_no_warning() {
    let home = Home::new();
    assert!(warned(&home.start(&[])).is_empty());
}

#[test]
fn a_check_tells_them_as_well() {
    let home = Home::new();
    let file = home.write("gabion.toml", "[store]\nredis = \"redis://:hunter2@cache.example\"\n");
    let told = home.run(&["config", "check", "--config", &file]).good();
    assert!(told.contains("store.redis") && !told.contains("hunter2"), "{told}");
}
