//! Starts that cannot work, and commands that need no server.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
};

use serde_json::Value;

use crate::server::{Finished, Home, finish};

/// Starts a server that cannot work, and returns what it says.
#[track_caller]
fn refused(home: &Home, sets: &[&str], code: i32) -> String {
    refused_as(home, &["serve", "--print-ready"], sets, code)
}

#[track_caller]
fn refused_as(home: &Home, arguments: &[&str], sets: &[&str], code: i32) -> String {
    let Finished { code: own, stdout, stderr } = finish(home.command(arguments, sets), "");
    assert_eq!(own, Some(code), "{stderr}");
    assert_eq!(stdout, "", "{stderr}");
    let told = stderr.strip_prefix("gabion: ").unwrap_or_else(|| panic!("{stderr}"));
    assert!(!told.contains("panicked") && !told.contains("gabion: "), "{stderr}");
    told.to_owned()
}

/// What it says in a message of one line.
#[track_caller]
fn refused_in_a_line(home: &Home, sets: &[&str], code: i32) -> String {
    let told = refused(home, sets, code);
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

#[track_caller]
fn has(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let home = Home::new();
    let set = format!("server.listen={address}");
    has(&refused_in_a_line(&home, &[&set], 1), &[&address, "in use"]);
    // Nothing was begun that the next start would have to know.
    assert!(!home.data("gabion.sqlite3").exists());
}

#[test]
fn a_config_that_cannot_be_read_is_named() {
    let home = Home::new();
    fs::create_dir(home.path("folder.toml")).expect("a folder");
    home.write("binary.toml", b"a = \"\xff\"");
    home.write("broken.toml", "[server]\nlisten = [\n");
    for (file, place) in [
        ("missing.toml", "missing.toml"),
        ("folder.toml", "folder.toml"),
        ("binary.toml", "binary.toml:1"),
        ("broken.toml", "broken.toml:"),
    ] {
        let path = home.path(file).display().to_string();
        let told = refused_as(&home, &["serve", "--config", &path], &[], 2);
        has(&told, &["the configuration has a mistake", place]);
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let home = Home::new();
    let file = home.write("gabion.toml", "[limits.size]\nbodi = \"1MiB\"\n");
    let told = refused_as(&home, &["serve", "--config", &file], &[], 2);
    has(&told, &["gabion.toml:2", "limits.size.bodi", "limits.size.body"]);
    let told = refused(&home, &["limit.size.body=1MiB"], 2);
    has(&told, &["--set", "limit.size.body", "limits.size.body"]);
    let mut command = home.command(&["config", "check"], &[]);
    command.env("GABION_LIMITS__SIZE__BODI", "1MiB");
    let told = finish(command, "");
    assert_eq!(told.code, Some(2));
    has(&told.stderr, &["GABION_LIMITS__SIZE__BODI", "limits.size.body"]);
}

#[test]
fn a_wrong_type_is_refused_with_what_is_accepted() {
    let home = Home::new();
    let file = home.write("gabion.toml", "[limits.size]\njson_depth = \"deep\"\n");
    let told = refused_as(&home, &["serve", "--config", &file], &[], 2);
    has(&told, &["gabion.toml:2", "limits.size.json_depth", "deep", "1 to 128"]);
}

#[test]
fn ten_mistakes_are_told_at_once() {
    let home = Home::new();
    let file = home.write(
        "gabion.toml",
        "[server]\ntls = 5\nhttp2 = \"yes\"\n[auth]\naccess_ttl = \"soon\"\nissue = \"x\"\n\
         [auth.password]\nmin_strength = 9\n[cache]\nentries = -1\n[budgets]\ncpu = 7.5\n\
         [log]\nlevel = \"loud\"\n",
    );
    let sets = ["limits.size.head=huge", "demo.enabled=maybe"];
    for arguments in
        [["serve", "--config", &file].as_slice(), &["config", "check", "--config", &file]]
    {
        let told = refused_as(&home, arguments, &sets, 2);
        let mut lines = told.lines();
        assert_eq!(lines.next(), Some("the configuration has 10 mistakes"), "{told}");
        let findings: Vec<&str> = lines.collect();
        assert_eq!(findings.len(), 10, "{told}");
        for (part, place) in [
            ("server.tls", ":2:"),
            ("server.http2 = \"yes\"", ":3:"),
            ("auth.access_ttl = \"soon\"", ":5:"),
            ("auth.issue", ":6:"),
            ("auth.password.min_strength = 9", ":8:"),
            ("cache.entries = -1", ":10:"),
            ("budgets.cpu = 7.5", ":12:"),
            ("log.level = \"loud\"", ":14:"),
            ("limits.size.head = \"huge\"", "--set"),
            ("demo.enabled = \"maybe\"", "--set"),
        ] {
            let found = findings.iter().find(|finding| finding.contains(part));
            let found = found.unwrap_or_else(|| panic!("{part} is not in {told}"));
            assert!(found.contains(place), "{found}");
            assert!(
                ["accepts", "did you mean", "with keys as"].iter().any(|way| found.contains(way)),
                "{found}"
            );
        }
    }
}

#[test]
fn a_weak_first_password_is_refused() {
    let home = Home::new();
    for (password, reason) in [("short", "15"), ("aaaaaaaaaaaaaaaaaaaaaaaa", "guess"), ("", "15")] {
        let file = home.write("weak", password);
        let set = format!("auth.bootstrap.password_file={file}");
        let told = refused_in_a_line(&home, &[&set], 2);
        has(&told, &["auth.bootstrap", reason]);
        assert!(password.is_empty() || !told.contains(password), "{told}");
    }
    let missing = format!("auth.bootstrap.password_file={}", home.path("none").display());
    has(&refused_in_a_line(&home, &[&missing], 2), &["auth.bootstrap.password_file", "none"]);
    // The failed starts have left nothing that keeps a good one from working.
    home.start(&[]).login("admin", crate::server::PASSWORD);
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let home = Home::new();
    let below_a_file = home.path("password").join("data").display().to_string();
    for folder in [below_a_file.as_str(), "/proc/gabion"] {
        let set = format!("server.data_dir={folder}");
        has(&refused_in_a_line(&home, &[&set], 1), &[folder, "server.data_dir"]);
    }
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let home = Home::new();
    home.start(&[]).stop();
    for key in ["keys/ring.jwks", "keys/refresh.jwk"] {
        let key = home.data(key);
        fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("a mode");
        let told = refused_in_a_line(&home, &[], 2);
        has(&told, &[&key.display().to_string(), "chmod 600"]);
        fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("a mode");
    }
    home.start(&[]);
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_kept() {
    let home = Home::new();
    home.start(&[]).stop();
    let file = home.data("gabion.sqlite3");
    let good = fs::read(&file).expect("the database");
    let mut newer = good.clone();
    // The user version in the file's header, which counts our schemas.
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&file, &newer).expect("the database");
    let told = refused_in_a_line(&home, &[], 1);
    has(&told, &["gabion.sqlite3", "newer", "99"]);
    assert!(fs::read(&file).expect("the database") == newer, "it was changed");
    fs::write(&file, &good).expect("the database");
    home.start(&[]).login("admin", crate::server::PASSWORD);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_kept() {
    let home = Home::new();
    fs::create_dir(home.path("data")).expect("a folder");
    fs::set_permissions(home.path("data"), Permissions::from_mode(0o700)).expect("a mode");
    let text = "not a database, but long enough to be asked. ".repeat(200);
    fs::write(home.data("gabion.sqlite3"), &text).expect("a file");
    has(&refused_in_a_line(&home, &[], 1), &["gabion.sqlite3", "not an SQLite database"]);
    assert_eq!(fs::read_to_string(home.data("gabion.sqlite3")).expect("a file"), text);
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let home = Home::new();
    let server = home.start(&[]);
    has(&refused_in_a_line(&home, &[], 1), &["another process", "data"]);
    server.login("admin", crate::server::PASSWORD);
}

#[test]
fn the_version_names_version_and_commit() {
    let home = Home::new();
    let told = finish(home.bare(&["--version"]), "").good();
    let version = told.trim().strip_prefix("gabion ").expect("the name comes first");
    assert!(version.starts_with(env!("CARGO_PKG_VERSION")), "{told}");
    assert!(version.contains('(') && version.ends_with(')'), "{told}");
}

#[test]
fn every_command_has_help_with_an_example() {
    let home = Home::new();
    for command in [
        "",
        "serve",
        "config check",
        "config show",
        "config reference",
        "config apply",
        "config confirm",
        "config history",
        "config rollback",
        "user add",
        "user passwd",
        "user disable",
        "user enable",
        "user list",
        "key list",
        "key rotate",
        "key retire",
        "backup create",
        "backup list",
        "backup verify",
        "backup restore",
        "backup drill",
        "restart",
        "status",
        "openapi",
    ] {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let told = finish(home.bare(&arguments), "").good();
        assert!(told.contains("Example"), "{command}: {told}");
        for option in ["--config", "--set"] {
            assert!(told.contains(option), "{command} does not take {option}");
        }
    }
    let told = finish(home.bare(&["--help"]), "").good();
    has(&told, &["GABION_CONFIG", "GABION_SECTION__KEY"]);
}

#[test]
fn bad_usage_is_told_with_exit_code_2() {
    let home = Home::new();
    for arguments in [
        ["frobnicate"].as_slice(),
        &["--frobnicate"],
        &["user", "add"],
        &["user", "add", "ann", "--role", "root"],
        &["backup", "verify"],
        &["config", "rollback", "first"],
    ] {
        let told = finish(home.bare(arguments), "");
        assert_eq!(told.code, Some(2), "{arguments:?} {told:?}");
        assert!(told.stdout.is_empty() && !told.stderr.is_empty(), "{told:?}");
    }
    assert_eq!(home.run(&["backup", "verify", "../../etc"]).code, Some(2));
}

#[test]
fn what_is_not_available_yet_says_so_and_changes_nothing() {
    let home = Home::new();
    let told = home.run(&["backup", "drill"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("not available yet"), "{told:?}");
    assert!(!home.path("data").exists());
}

#[test]
fn commands_for_a_running_server_say_that_there_is_none() {
    let home = Home::new();
    for command in ["restart", "status"] {
        let told = home.run(&[command]);
        assert_eq!(told.code, Some(1), "{told:?}");
        assert!(told.stderr.contains("no server is running"), "{told:?}");
    }
}

#[test]
fn the_reference_is_a_good_configuration_and_changes_nothing() {
    let home = Home::new();
    let reference = finish(home.bare(&["config", "reference"]), "").good();
    let file = home.write("reference.toml", &reference);
    let told = finish(home.bare(&["config", "check", "--config", &file]), "").good();
    assert!(told.contains("good"), "{told}");
    assert_eq!(values(&home, &["--config", &file]), values(&home, &[]));
}

#[test]
fn the_contracts_configuration_has_every_key_at_its_default() {
    let home = Home::new();
    let file = home.write("contract.toml", include_str!("contract.toml"));
    let defaults = values(&home, &[]);
    assert_eq!(values(&home, &["--config", &file]), defaults);
    let named = include_str!("contract.toml").lines().filter(|line| line.contains('='));
    assert_eq!(named.count(), defaults.len(), "a key is not in the contract: {defaults:#?}");
}

/// Every key with its value.
fn values(home: &Home, arguments: &[&str]) -> BTreeMap<String, Value> {
    let entries = shown(home.bare(&[&["config", "show", "--json"], arguments].concat()));
    entries.into_iter().map(|(key, entry)| (key, entry["value"].clone())).collect()
}

/// Every key with what is shown of it.
fn shown(command: std::process::Command) -> BTreeMap<String, Value> {
    let entries = finish(command, "").json();
    let entries = entries.as_array().expect("entries").iter();
    entries.map(|entry| (entry["key"].as_str().expect("a key").to_owned(), entry.clone())).collect()
}

#[test]
fn each_value_is_shown_with_its_origin_and_secrets_are_hidden() {
    let home = Home::new();
    let file = home.write(
        "gabion.toml",
        "[limits.size]\nbody = \"1MiB\"\nhead = \"2KiB\"\njson_depth = 7\n\
         [store]\nsql = \"postgres://user:hunter2@db/gabion\"\n",
    );
    let command = || {
        let arguments = ["config", "show", "--config", &file, "--set", "limits.size.json_depth=9"];
        let mut command = home.bare(&arguments);
        command.env("GABION_LIMITS__SIZE__HEAD", "3KiB");
        command.env("GABION_LIMITS__SIZE__JSON_DEPTH", "8");
        command
    };
    let entries = shown({
        let mut command = command();
        command.arg("--json");
        command
    });
    for (key, value, origin) in [
        ("limits.size.body", "1MiB", "gabion.toml:2"),
        ("limits.size.head", "3KiB", "GABION_LIMITS__SIZE__HEAD"),
        ("limits.size.json_depth", "9", "--set"),
        ("limits.size.headers", "100", "default"),
    ] {
        let entry = &entries[key];
        let shown =
            entry["value"].as_str().map_or_else(|| entry["value"].to_string(), str::to_owned);
        assert_eq!(shown, value, "{entry}");
        assert!(entry["origin"].as_str().is_some_and(|own| own.contains(origin)), "{entry}");
    }
    assert_eq!(entries["store.sql"]["value"], "***");
    let text = finish(command(), "").good();
    assert!(text.contains("***") && !text.contains("hunter2"), "{text}");
    assert!(text.contains("limits.size.head = "), "{text}");
}

#[test]
fn a_secret_may_come_from_a_file_of_its_own() {
    let home = Home::new();
    let secret = home.write("secret", "redis://:hunter2@cache\n");
    let file = home.write("gabion.toml", format!("[store]\nredis_file = \"{secret}\"\n"));
    finish(home.bare(&["config", "check", "--config", &file]), "").good();
    let entries = shown(home.bare(&["config", "show", "--json", "--config", &file]));
    assert_eq!(entries["store.redis"]["value"], "***");
}

#[test]
fn the_file_in_the_working_folder_and_the_one_in_the_environment_are_read() {
    let home = Home::new();
    home.write("gabion.toml", "[limits.size]\nbody = \"1MiB\"\n");
    home.write("other.toml", "[limits.size]\nbody = \"2MiB\"\n");
    assert_eq!(values(&home, &[])["limits.size.body"], "1MiB");
    let mut command = home.bare(&["config", "show", "--json"]);
    command.env("GABION_CONFIG", home.path("other.toml"));
    assert_eq!(shown(command)["limits.size.body"]["value"], "2MiB");
    let named = home.path("gabion.toml").display().to_string();
    let mut command = home.bare(&["config", "show", "--json", "--config", &named]);
    command.env("GABION_CONFIG", home.path("other.toml"));
    assert_eq!(shown(command)["limits.size.body"]["value"], "1MiB");
}

#[test]
fn the_api_document_is_printed_as_it_is_served() {
    let home = Home::new();
    let printed = home.run(&["openapi"]).json();
    let server = home.start(&[]);
    let served = server.send(&crate::client::Request::get("/api/openapi.json")).expect(200).json();
    assert_eq!(printed, served);
    assert!(printed["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
}

#[test]
fn the_ready_line_is_printed_without_the_word_serve_too() {
    let home = Home::new();
    home.start_as(&["--print-ready"], &[]).login("admin", crate::server::PASSWORD);
    let told = finish(home.bare(&["--print-ready", "status"]), "");
    assert_eq!(told.code, Some(2), "{told:?}");
}

#[test]
fn a_check_warns_of_what_is_unwise() {
    let home = Home::new();
    let file = home.write("gabion.toml", "[auth]\naccess_ttl = \"30d\"\n");
    let told = finish(home.bare(&["config", "check", "--config", &file]), "").good();
    assert!(told.contains("warning: auth.access_ttl is unwise"), "{told}");
    let told = finish(home.bare(&["config", "check", "--config", &file, "--json"]), "").json();
    assert_eq!(told["unwise"][0]["key"], "auth.access_ttl");
    assert_eq!(told["unwise"].as_array().map(Vec::len), Some(1), "{told}");
}

#[test]
fn what_is_unwise_has_one_warning_at_the_start() {
    let home = Home::new();
    let server = home.start(&["auth.access_ttl=30d", "auth.password.min_length=1"]);
    server.wait_for_log(&["\"message\":\"ready\""]);
    let log = server.log();
    for key in ["auth.access_ttl", "auth.password.min_length"] {
        let lines = log.lines().filter(|line| line.contains("unwise") && line.contains(key));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].contains("WARN") && lines[0].contains("reason"), "{}", lines[0]);
    }
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{error}: {path:?}")).permissions().mode()
}

#[test]
fn a_data_folder_that_is_made_is_private() {
    let home = Home::new();
    let _server = home.start(&[]);
    assert_eq!(mode(&home.path("data")) & 0o7777, 0o700);
}

#[test]
fn an_existing_data_folder_keeps_its_mode_and_what_is_in_it_is_private() {
    let home = Home::new();
    fs::create_dir(home.path("data")).expect("a folder");
    fs::set_permissions(home.path("data"), Permissions::from_mode(0o755)).expect("a mode");
    let server = home.start(&[]);
    home.run(&["backup", "create"]).good();
    assert_eq!(mode(&home.path("data")) & 0o7777, 0o755);
    let entries = fs::read_dir(home.path("data")).expect("a folder").flatten();
    let open: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| mode(path) & 0o077 != 0).collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(home.data("control.sock").exists());
    drop(server);
}

#[test]
fn a_data_folder_that_others_can_write_to_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let folder = home.path("data");
    fs::create_dir(&folder).expect("a folder");
    for wanted in [0o1777, 0o775, 0o702] {
        fs::set_permissions(&folder, Permissions::from_mode(wanted)).expect("a mode");
        let told = refused_in_a_line(&home, &[], 2);
        let path = folder.display().to_string();
        has(&told, &[&path, "others can write", "server.data_dir", "chmod 700"]);
        let told = finish(home.command(&["user", "add", "ann"], &[]), crate::server::PASSWORD);
        assert_eq!(told.code, Some(2), "{told:?}");
        assert_eq!(mode(&folder) & 0o7777, wanted);
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0);
    }
}

#[test]
fn commands_that_only_read_create_nothing() {
    let (home, existing) = (Home::new(), Home::new());
    fs::create_dir(existing.path("data")).expect("a folder");
    fs::set_permissions(existing.path("data"), Permissions::from_mode(0o755)).expect("a mode");
    for arguments in [
        ["user", "list"].as_slice(),
        &["config", "check"],
        &["config", "show"],
        &["config", "history"],
        &["config", "rollback"],
        &["key", "list"],
        &["backup", "list"],
        &["backup", "verify", "20200101T000000Z-0000"],
        &["backup", "restore", "20200101T000000Z-0000"],
        &["status"],
        &["openapi"],
    ] {
        home.run(arguments);
        assert!(!home.path("data").exists(), "{arguments:?} made the data folder");
        existing.run(arguments);
        let entries = fs::read_dir(existing.path("data")).expect("a folder");
        assert_eq!(entries.count(), 0, "{arguments:?} put something into the data folder");
        assert_eq!(mode(&existing.path("data")) & 0o7777, 0o755);
    }
    assert_eq!(home.run(&["user", "list", "--json"]).json(), serde_json::json!([]));
}

#[test]
fn values_that_do_not_fit_each_other_are_told_with_all_other_mistakes() {
    let home = Home::new();
    let file = home.write(
        "gabion.toml",
        "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"10.0.0.0/99\", \"nonsense\"]\n\
         allowed_hosts = [\"a b\"]\nadmin_listen = \"nowhere\"\n\
         [auth.password]\nmin_length = 300\nblocklist_file = \"/none\"\n[cache]\nentries = -1\n",
    );
    let told = refused_as(&home, &["config", "check", "--config", &file], &[], 2);
    let findings: Vec<&str> = told.lines().skip(1).collect();
    for (part, place) in [
        ("server.trusted_proxies = \"10.0.0.0/99\"", ":2:"),
        ("server.trusted_proxies = \"nonsense\"", ":2:"),
        ("server.allowed_hosts = \"a b\"", ":3:"),
        ("server.admin_listen = \"nowhere\"", ":4:"),
        ("auth.password.min_length = 300", ":6:"),
        ("auth.password.blocklist_file = \"/none\"", ":7:"),
        ("cache.entries = -1", ":9:"),
    ] {
        let found = findings.iter().find(|finding| finding.contains(part));
        let found = found.unwrap_or_else(|| panic!("{part} is not in {told}"));
        assert!(found.contains(place) && found.contains("accepts"), "{found}");
    }
    assert_eq!(findings.len(), 7, "{told}");
}

#[test]
fn a_session_cannot_end_before_its_tokens() {
    let home = Home::new();
    let told = refused(&home, &["auth.refresh_ttl=2s"], 2);
    has(&told, &["auth.refresh_ttl", "auth.access_ttl", "3600s"]);
    let told = refused(&home, &["auth.access_ttl=40d"], 2);
    has(&told, &["auth.access_ttl", "auth.refresh_ttl"]);
}

#[test]
fn the_two_addresses_must_differ() {
    let home = Home::new();
    for (listen, admin) in [
        ("127.0.0.1:18080", "127.0.0.1:18080"),
        ("0.0.0.0:18080", "127.0.0.1:18080"),
        ("[::1]:18080", "[::]:18080"),
    ] {
        let sets = [format!("server.listen={listen}"), format!("server.admin_listen={admin}")];
        let told = refused(&home, &[&sets[0], &sets[1]], 2);
        has(&told, &["server.admin_listen", admin, "server.listen", "accepts"]);
    }
    home.start(&["server.admin_listen=127.0.0.1:0"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named_without_a_line() {
    let home = Home::new();
    let told = refused_as(&home, &["serve", "--config", "missing.toml"], &[], 2);
    has(&told, &["missing.toml: cannot be read"]);
}

#[test]
fn variables_that_are_no_keys_are_listed_by_help() {
    let told = finish(Home::new().bare(&["--help"]), "").good();
    has(&told, &["GABION_CONFIG", "GABION_HANDOVER", "NOTIFY_SOCKET"]);
}
