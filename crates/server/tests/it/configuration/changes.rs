//! Changes while the server runs: how they are noticed, refused and told.

use std::{fs, os::unix::fs::symlink};

use rustix::process::Signal;
use serde_json::json;

use super::{KEY, reload, replace, text, value, versions, with_file};
use crate::{
    client::Request,
    server::{Home, until},
};

#[track_caller]
fn make_pipe(home: &Home, name: &str) {
    let made = std::process::Command::new("mkfifo").arg(home.path(name)).status();
    assert!(made.expect("mkfifo runs").success());
}

#[test]
fn a_swap_of_symlinks_as_in_kubernetes_is_seen() {
    let home = Home::new();
    // gabion.toml -> ..data/gabion.toml, ..data -> a folder with a time in its name.
    let volume = home.path("volume");
    for (folder, size) in
        [("..2026_01_01_00_00_00.1", "32KiB"), ("..2026_01_01_00_01_00.2", "16KiB")]
    {
        fs::create_dir_all(volume.join(folder)).expect("a folder");
        home.write(&format!("volume/{folder}/gabion.toml"), text(size));
    }
    symlink("..2026_01_01_00_00_00.1", volume.join("..data")).expect("a link");
    symlink("..data/gabion.toml", volume.join("gabion.toml")).expect("a link");
    let file = volume.join("gabion.toml").display().to_string();
    let server = with_file(&home, &file, &[]);
    let admin = server.admin();
    assert_eq!(value(&server, &admin, KEY), "32KiB");
    symlink("..2026_01_01_00_01_00.2", volume.join("..data_tmp")).expect("a link");
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("a rename");
    fs::remove_dir_all(volume.join("..2026_01_01_00_00_00.1")).expect("the old one goes");
    until("the new one holds", || (value(&server, &admin, KEY) == "16KiB").then_some(()));
}

#[test]
fn a_pipe_in_the_place_of_the_file_holds_up_neither_start_nor_reload_nor_end() {
    let home = Home::new();
    make_pipe(&home, "pipe.toml");
    let pipe = home.path("pipe.toml").display().to_string();
    for arguments in
        [["serve", "--config", &pipe].as_slice(), &["config", "check", "--config", &pipe]]
    {
        let told = home.run(arguments);
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(
            told.stderr.contains("pipe.toml: is a pipe or a device, accepts a file"),
            "{told:?}"
        );
    }
    // One that a value names is not waited for either.
    for key in ["auth.password.blocklist_file", "server.tls.cert_file", "store.sql_file"] {
        let (set, key_file) = (format!("{key}={pipe}"), home.write("key.pem", "x"));
        let key_file = format!("server.tls.key_file={key_file}");
        let mut arguments = vec!["config", "check", "--set", &set];
        if key.starts_with("server.tls") {
            arguments.extend(["--set", &key_file]);
        }
        let told = home.run(&arguments);
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(told.stderr.contains(key), "{told:?}");
    }
    let file = home.write("gabion.toml", text("32KiB"));
    let mut server = with_file(&home, &file, &[]);
    let admin = server.admin();
    fs::remove_file(&file).expect("it is there");
    make_pipe(&home, "gabion.toml");
    let refused = reload(&server, &admin);
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("gabion.toml: is a pipe or a device"), "{}", refused.text());
    server.signal(Signal::HUP);
    server.wait_for_log(&["is a pipe or a device"]);
    assert_eq!(value(&server, &admin, KEY), "32KiB");
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn every_attempt_is_counted_and_audited_whoever_made_it() {
    let home = Home::new();
    let file = home.write("gabion.toml", text("32KiB"));
    let server = with_file(&home, &file, &[]);
    let admin = server.admin();
    let counted = |outcome: &str| -> u64 {
        let line = format!("gabion_config_reloads_total{{outcome=\"{outcome}\"}} ");
        let metrics = server.metrics(&admin);
        let number = metrics.lines().find_map(|told| told.strip_prefix(&line)?.parse().ok());
        number.unwrap_or_else(|| panic!("{line} is not in {metrics}"))
    };
    assert_eq!((counted("taken"), counted("refused"), counted("failed")), (0, 0, 0));
    reload(&server, &admin).expect(200);
    home.write("gabion.toml", text("a lot"));
    server.wait_for_log(&["mistake", "a lot"]);
    home.write("gabion.toml", text("16KiB"));
    until("the file is taken", || (value(&server, &admin, KEY) == "16KiB").then_some(()));
    server.post("/api/admin/config/rollback", &admin, &json!({"version": 99})).problem("not-found");
    assert!(counted("taken") >= 2 && counted("refused") >= 2, "{}", server.metrics(&admin));
    assert_eq!(server.status(&admin)["config"]["version"], 2);
    for (action, actor, outcome) in [
        ("config.reload", "admin", "success"),
        ("config.reload", "file", "invalid-body"),
        ("config.reload", "file", "success"),
        ("config.rollback", "admin", "not-found"),
    ] {
        until(&format!("{action} of {actor} with {outcome} is in the audit"), || {
            let target = format!("/api/admin/audit?action={action}");
            let told = server.get(&target, &admin).expect(200).json();
            let events = told["events"].as_array().expect("events").clone();
            let found = |it: &serde_json::Value| it["actor"] == actor && it["outcome"] == outcome;
            events.iter().any(found).then_some(())
        });
    }
}

#[test]
fn hosts_and_proxies_change_at_once() {
    let home = Home::new();
    let hosts = |other: &str| format!("[server]\nallowed_hosts = ['localhost', '{other}']\n");
    let file = home.write("gabion.toml", hosts("one.example"));
    let server = with_file(&home, &file, &["limits.time.request=30s"]);
    let admin = server.admin();
    let as_host = |host: &str| {
        let mut client = server.client();
        client.raw(format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        client.read(false).expect("an answer").status
    };
    // Too late, says somebody whose word counts only once it is a trusted proxy's.
    let late = || {
        server.send(&Request::get("/api/auth/verify").bearer(&admin).header("X-Deadline-Ms", "0"))
    };
    assert_eq!((as_host("one.example"), as_host("two.example")), (200, 421));
    assert_eq!(late().status, 200);
    replace(&home, "gabion.toml", hosts("two.example") + "trusted_proxies = ['127.0.0.1']\n");
    assert_eq!(reload(&server, &admin).expect(200).json()["needs_restart"], json!([]));
    assert_eq!((as_host("one.example"), as_host("two.example")), (421, 200));
    late().problem("deadline-exceeded");
    // Who is behind the proxy is believed now.
    let body = json!({"username": "admin", "password": "wrong"});
    let login = Request::post("/api/auth/login").header("X-Forwarded-For", "192.0.2.77");
    assert_eq!(server.send(&login.json(&body)).status, 401);
    server.wait_for_log(&["192.0.2.77"]);
    replace(&home, "gabion.toml", hosts("two.example"));
    reload(&server, &admin).expect(200);
    assert_eq!(late().status, 200);
}

#[test]
fn a_part_that_cannot_follow_refuses_the_change_before_anything_has_changed() {
    let home = Home::new();
    let on = "trusted_proxies = ['127.0.0.1']\nproxy_protocol = true\n";
    let file = home.write("gabion.toml", format!("{}[server]\n{on}", text("32KiB")));
    let server = with_file(&home, &file, &[]);
    // Good for the next start, but this process asks for proxies to its end.
    replace(&home, "gabion.toml", text("16KiB"));
    let run = |arguments: &[&str]| home.run(&[arguments, &["--config", &file]].concat());
    server.signal(Signal::HUP);
    server.wait_for_log(&["server.trusted_proxies", "until a restart has turned that off"]);
    let shown = run(&["config", "show"]).good();
    assert!(shown.contains("limits.size.json_body = \"32KiB\""), "{shown}");
    assert_eq!(versions(&home).len(), 1);
    let on = "trusted_proxies = ['127.0.0.1']\n";
    replace(&home, "gabion.toml", format!("{}[server]\n{on}", text("16KiB")));
    until("what can be followed is taken", || {
        let shown = run(&["config", "show"]).good();
        shown.contains("limits.size.json_body = \"16KiB\"").then_some(())
    });
}
