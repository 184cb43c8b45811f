//! Secrets of the configuration: well placed, and in the wrong places.

use std::{fs, process::Command};

use rustix::process::Signal;
use serde_json::json;

use crate::{
    client::Request,
    server::{Finished, Home, finish, until},
    tls::Authority,
};

const CANARY: &str = "c4nary-5e7d-of-the-config";

#[track_caller]
fn is_not_in(what: &str, text: &str) {
    assert!(!text.contains(CANARY), "in {what}: {text}");
}

#[track_caller]
fn says_nothing(command: Command) -> Finished {
    let what = format!("{:?}", command.get_args().collect::<Vec<_>>());
    let told = finish(command, "");
    is_not_in(&what, &told.stdout);
    is_not_in(&what, &told.stderr);
    told
}

fn settings() -> [(&'static str, String); 3] {
    [
        ("store.sql", format!("postgres://gabion:{CANARY}@db.example/gabion")),
        ("store.redis", format!("redis://:{CANARY}@cache.example")),
        ("monitor.webhook", format!("https://alerts.example/hook?token={CANARY}")),
    ]
}

#[test]
fn a_secret_of_the_configuration_is_shown_to_nobody() {
    let [sql, redis, webhook] = settings().map(|(_, value)| value);
    let file = format!(
        "[log]\nlevel = \"trace\"\n[store]\nsql = \"{sql}\"\nredis = \"{redis}\"\n\
         [monitor]\nwebhook = \"{webhook}\"\n"
    );
    for place in ["file", "environment", "flags", "files"] {
        let home = Home::new();
        let configured = |arguments: &[&str]| {
            let mut command = home.command(arguments, &[]);
            match place {
                "file" => {
                    command.args(["--config", &home.write("secret.toml", &file)]);
                }
                "environment" => {
                    command.env("GABION_LOG__LEVEL", "trace");
                    for (key, value) in settings() {
                        let name = key.to_uppercase().replace('.', "__");
                        command.env(format!("GABION_{name}"), value);
                    }
                }
                "flags" => {
                    command.args(["--set", "log.level=trace"]);
                    for (key, value) in settings() {
                        command.args(["--set", &format!("{key}={value}")]);
                    }
                }
                _ => {
                    command.args(["--set", "log.level=trace"]);
                    for (key, value) in settings() {
                        let path = home.write(key, value);
                        command.args(["--set", &format!("{key}_file={path}")]);
                    }
                }
            }
            command
        };
        for arguments in [
            &["config", "show"][..],
            &["config", "show", "--json"],
            &["config", "check"],
            &["config", "check", "--json"],
            &["config", "history"],
        ] {
            assert_eq!(says_nothing(configured(arguments)).code, Some(0), "{place} {arguments:?}");
        }
        let command = configured(&["serve", "--print-ready"]);
        let mut server = crate::server::Server::start(command, &home.path("")).expect("it starts");
        let admin = server.admin();
        for target in
            ["/api/admin/config", "/api/admin/status", "/api/metrics", "/api/openapi.json"]
        {
            is_not_in(target, &server.get(target, &admin).expect(200).text());
        }
        let changed = file.replace("cache.example", "other.example");
        home.write("secret.toml", changed);
        let answer = server.post("/api/admin/config/reload", &admin, &json!({}));
        is_not_in("the answer to a reload", &answer.text());
        is_not_in("the history", &server.get("/api/admin/config/history", &admin).text());
        server.send(&Request::post("/api/admin/backups").bearer(&admin)).expect(201);
        is_not_in("the backups", &server.get("/api/admin/backups", &admin).text());
        server.signal(Signal::TERM);
        server.ended();
        let ended = || Some(server.log()).filter(|log| log.contains("drained"));
        let log = until("the log ends", ended);
        assert!(log.contains("store.redis"), "it has been told what is not honoured");
        is_not_in(&format!("the log, {place}"), &log);
    }
}

#[test]
fn a_refused_configuration_does_not_tell_a_secret() {
    for (at, file) in [
        format!("[store]\nsql = [\"{CANARY}\"]\n"),
        format!("[store]\nsql = {{ password = \"{CANARY}\" }}\n"),
        format!("[store]\nsql = \"postgres://u:{CANARY}@h/d\nredis = \"\"\n"),
        format!("[store]\nsql = \"postgres://u:{CANARY}@h/d\" x\n"),
        format!("[store]\nsql = postgres://u:{CANARY}@h/d\n"),
        format!("[store]\nsql = \"{CANARY}\"\nsql = \"{CANARY}\"\n"),
        format!("[store]\nsqll = \"postgres://u:{CANARY}@h/d\"\n"),
        format!("[store]\nsql = \"\\q{CANARY}\"\n"),
        format!("[store]\nsql = \"{CANARY}\"\nsql_file = \"/x\"\n"),
        format!("store = \"{CANARY}\"\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let home = Home::new();
        let path = home.write("bad.toml", &file);
        for arguments in [&["config", "check"][..], &["config", "check", "--json"], &["serve"]] {
            let mut command = home.command(arguments, &["log.level=trace"]);
            command.args(["--config", &path]);
            assert_eq!(says_nothing(command).code, Some(2), "{at} {arguments:?}");
        }
        // The same in a server that is running.
        home.write("gabion.toml", "");
        let server = home.start(&["log.level=trace"]);
        let admin = server.admin();
        home.write("gabion.toml", &file);
        let answer = server.post("/api/admin/config/reload", &admin, &json!({})).expect(422);
        is_not_in("the answer", &answer.text());
        server.stop_and(|log| is_not_in("the log", log));
    }
    for (name, value) in [
        ("GABION_STORE__SQLL", format!("postgres://u:{CANARY}@h/d")),
        ("GABION_STORE__SQL__PASSWORD", CANARY.to_owned()),
        ("GABION_STORE", CANARY.to_owned()),
    ] {
        let home = Home::new();
        let mut command = home.command(&["config", "check"], &[]);
        command.env(name, &value);
        says_nothing(command);
        let mut command = home.command(&["config", "check"], &[]);
        let key = name["GABION_".len()..].to_lowercase().replace("__", ".");
        command.args(["--set", &format!("{key}={value}")]);
        assert_eq!(says_nothing(command).code, Some(2), "{key}");
    }
}

#[test]
fn a_secret_file_that_is_refused_is_not_shown() {
    let big = format!("{CANARY}{}", "x".repeat(70 << 10));
    let odd = [CANARY.as_bytes(), b"\xff\xfe"].concat();
    for (key, content) in [
        ("store.sql_file", big.as_bytes()),
        ("store.redis_file", odd.as_slice()),
        ("auth.bootstrap.password_file", odd.as_slice()),
        ("auth.password.pepper_file", &CANARY.as_bytes()[..10]),
    ] {
        let home = Home::new();
        let path = home.write("odd", content);
        let command = home.command(&["serve"], &["log.level=trace", &format!("{key}={path}")]);
        let told = finish(command, "");
        assert!(matches!(told.code, Some(1..=9)), "{key}: {told:?}");
        assert!(!format!("{told:?}").contains(&CANARY[..10]), "{key}: {told:?}");
    }
}

#[test]
fn the_key_of_tls_is_told_nobody() {
    let (home, ca) = (Home::new(), Authority::new());
    let sets = ca.settings(&home, "localhost");
    let pem = fs::read_to_string(home.path("key.pem")).expect("a key");
    let lines: Vec<&str> = pem.lines().filter(|line| !line.contains("-----")).collect();
    assert!(lines.iter().any(|line| line.len() > 40), "{lines:?}");
    let mut server = home.start(&[&sets[..], &["log.level=trace"]].concat());
    let admin = server.over_tls(&ca).login();
    let mut answers = String::new();
    for target in ["/api/admin/config", "/api/admin/status", "/api/metrics"] {
        answers.push_str(&server.over_tls(&ca).text(target, &admin));
    }
    // A key that is none, with the right one in it.
    home.write("key.pem", pem.replace("-----BEGIN", "-----BEGIM"));
    server.signal(Signal::HUP);
    server.wait_for_log(&["ERROR"]);
    server.signal(Signal::TERM);
    server.ended();
    let log = until("the log ends", || Some(server.log()).filter(|log| log.contains("drained")));
    for line in lines.iter().filter(|line| line.len() > 8) {
        assert!(!answers.contains(line) && !log.contains(line), "{log}");
    }
}
