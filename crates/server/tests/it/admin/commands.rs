use serde_json::{Value, json};

use crate::{
    client::Request,
    server::{Finished, Home, PASSWORD, Server, finish, until},
};

const OTHER: &str = "another granite otter 78";

fn with_input(home: &Home, arguments: &[&str], input: &str) -> Finished {
    finish(home.command(arguments, &[]), input)
}

/// The accounts as the command lists them: name, roles, whether enabled.
fn users(home: &Home) -> Vec<(String, Value, Value)> {
    let list = home.run(&["user", "list", "--json"]).json();
    let list = list.as_array().expect("accounts").iter();
    list.map(|user| {
        let name = user["username"].as_str().expect("a name").to_owned();
        (name, user["roles"].clone(), user["enabled"].clone())
    })
    .collect()
}

#[test]
fn commands_on_accounts_hold_at_once_in_the_running_server() {
    let home = Home::new();
    let server = home.start(&[]);
    let told =
        with_input(&home, &["user", "add", "ann", "--role", "monitor"], &format!("{PASSWORD}\n"));
    assert!(told.good().contains("ann"));
    let ann = server.login("ann", PASSWORD);
    server.get("/api/metrics", &ann.access).expect(200);
    with_input(&home, &["user", "passwd", "ann"], OTHER).good();
    assert!(!server.accepts(&ann.access));
    let ann = server.login("ann", OTHER);
    home.run(&["user", "disable", "ann"]).good();
    assert!(!server.accepts(&ann.access));
    server.try_login("ann", OTHER).problem("invalid-credentials");
    let listed = users(&home);
    assert!(listed.contains(&("ann".to_owned(), json!(["monitor"]), json!(false))), "{listed:?}");
    home.run(&["user", "enable", "ann"]).good();
    server.login("ann", OTHER);
}

#[test]
fn commands_on_accounts_work_without_a_server() {
    let home = Home::new();
    with_input(&home, &["user", "add", "ann"], PASSWORD).good();
    with_input(&home, &["user", "add", "ben", "--role", "monitor", "--role", "user"], PASSWORD)
        .good();
    home.run(&["user", "disable", "ben"]).good();
    with_input(&home, &["user", "passwd", "ann"], OTHER).good();
    let listed = users(&home);
    assert_eq!(
        listed,
        [
            ("ann".to_owned(), json!(["user"]), json!(true)),
            ("ben".to_owned(), json!(["monitor", "user"]), json!(false)),
        ]
    );
    let server = home.start(&[]);
    server.login("ann", OTHER);
    server.try_login("ben", PASSWORD).problem("invalid-credentials");
}

#[test]
fn commands_keep_an_administrator_and_the_names_of_the_server() {
    let home = Home::new();
    home.start(&[]).stop();
    let refused = || {
        let disable = home.run(&["user", "disable", "admin"]);
        let add = with_input(&home, &["user", "add", "local"], PASSWORD);
        for (told, why) in
            [(&disable, "make another account an administrator first"), (&add, "the server itself")]
        {
            assert!(told.code.is_some_and(|code| code > 0), "{told:?}");
            assert!(told.stderr.contains(why), "{told:?}");
        }
        [disable.code, add.code]
    };
    let offline = refused();
    let _server = home.start(&[]);
    assert_eq!(refused(), offline);
    assert_eq!(users(&home), [("admin".to_owned(), json!(["admin"]), json!(true))]);
}

#[test]
fn a_refused_command_says_why_and_changes_nothing() {
    let home = Home::new();
    let check = |running: bool| {
        let before = users(&home);
        for (arguments, input, reason) in [
            (["user", "add", "ann"].as_slice(), "short", "15"),
            (&["user", "add", "Not A Name"], PASSWORD, "username"),
            (&["user", "add", "ann"], "", "standard input"),
            (&["user", "disable", "nobody"], "", "no such account"),
            (&["user", "passwd", "nobody"], PASSWORD, "no such account"),
        ] {
            let told = with_input(&home, arguments, input);
            assert!(matches!(told.code, Some(1 | 2)), "{arguments:?} {running} {told:?}");
            assert!(told.stderr.contains(reason), "{arguments:?} {running} {told:?}");
            assert!(!told.stderr.contains(PASSWORD), "{told:?}");
        }
        assert_eq!(users(&home), before);
    };
    check(false);
    let server = home.start(&[]);
    check(true);
    let again = with_input(&home, &["user", "add", "admin"], PASSWORD);
    assert!(again.stderr.contains("exists"), "{again:?}");
    drop(server);
}

#[test]
fn the_status_command_tells_what_the_endpoint_tells() {
    let home = Home::new();
    let server = home.start(&[]);
    let told = home.run(&["status"]).good();
    assert!(told.starts_with("ready") && told.contains("generation 1"), "{told}");
    let told = home.run(&["status", "--json"]).json();
    let served = server.status(&server.admin());
    let keys = |value: &Value| -> Vec<String> {
        value.as_object().into_iter().flat_map(|members| members.keys().cloned()).collect()
    };
    assert_eq!(keys(&told), keys(&served));
    assert_eq!(told["version"], served["version"]);
}

#[test]
fn the_restart_command_hands_over() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    assert!(home.run(&["restart"]).good().contains('2'));
    until("the second generation serves", || {
        (server.status(&admin)["generation"] == 2).then_some(())
    });
    until("it answers commands", || {
        let told = home.run(&["status", "--json"]);
        let told: Value = serde_json::from_str(&told.stdout).ok()?;
        (told["generation"] == 2).then_some(())
    });
}

fn json_body(server: &Server, admin: &str) -> Value {
    let shown = server.get("/api/admin/config", admin).expect(200).json();
    let mut values = shown["values"].as_array().expect("values").iter();
    let entry = values.find(|entry| entry["key"] == "limits.size.json_body");
    entry.expect("the key")["value"].clone()
}

#[test]
fn a_configuration_is_applied_listed_and_taken_back() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let new =
        home.write("new.toml", "[limits.size]\njson_body = \"16KiB\"\n[cache]\nentries = 5\n");
    let told = home.run(&["config", "apply", &new]).good();
    assert!(told.contains("cache.entries needs a restart"), "{told}");
    assert_eq!(json_body(&server, &admin), "16KiB");
    let told = home.run(&["config", "history"]).good();
    assert_eq!(told.lines().count(), 2, "{told}");
    let shown = home.run(&["config", "show", "--json"]).json();
    let entry =
        shown.as_array().expect("entries").iter().find(|entry| entry["key"] == "cache.entries");
    assert_eq!(entry.expect("the key")["value"], 5);
    home.run(&["config", "rollback"]).good();
    assert_eq!(json_body(&server, &admin), "64KiB");
    server.stop();
    // It still holds, and can be taken back without a server too.
    let server = home.start(&[]);
    assert_eq!(json_body(&server, &admin), "64KiB");
    server.stop();
    home.run(&["config", "rollback", "2"]).good();
    let server = home.start(&[]);
    assert_eq!(json_body(&server, &admin), "16KiB");
}

#[test]
fn a_configuration_with_mistakes_is_not_applied() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let new =
        home.write("new.toml", "[limits.size]\njson_body = \"16KiB\"\nhead = \"x\"\nbodi = 1\n");
    let told = home.run(&["config", "apply", &new]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("2 mistakes") && told.stderr.contains("new.toml:3"), "{told:?}");
    assert_eq!(json_body(&server, &admin), "64KiB");
    assert_eq!(home.run(&["config", "history"]).good().lines().count(), 1);
    let told = home.run(&["config", "rollback", "9"]);
    assert_ne!(told.code, Some(0), "{told:?}");
    assert!(told.stderr.contains("no such version"), "{told:?}");
    let missing = home.run(&["config", "apply", "none.toml"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    server.stop();
}

#[test]
fn an_applied_configuration_holds_from_the_next_start() {
    let home = Home::new();
    let new = home.write("new.toml", "[limits.size]\njson_body = \"16KiB\"\n");
    home.run(&["config", "apply", &new]).good();
    let server = home.start(&[]);
    let admin = server.admin();
    assert_eq!(json_body(&server, &admin), "16KiB");
}

#[test]
fn keys_are_listed_without_their_secrets() {
    let home = Home::new();
    let server = home.start(&[]);
    let listed = home.run(&["key", "list", "--json"]);
    let told = listed.stdout.clone();
    let keys = listed.json();
    assert_eq!(keys.as_array().map(Vec::len), Some(1));
    assert_eq!(keys[0]["algorithm"], "HS256");
    assert_eq!(keys[0]["signs"], true);
    let file = std::fs::read(home.data("keys/ring.jwks")).expect("the key");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    assert!(!told.contains(file["keys"][0]["k"].as_str().expect("a secret")), "{told}");
    drop(server);
}

#[test]
fn a_configuration_that_the_running_server_refuses_does_not_hold() {
    let home = Home::new();
    let server = home.start(&["auth.password.max_length=100"]);
    let admin = server.admin();
    let new = home.write(
        "new.toml",
        "[limits.size]\njson_body = \"16KiB\"\n[auth.password]\nmin_length = 200\n",
    );
    // Good for the command, which does not know with what the server was started.
    let told = home.run(&["config", "apply", &new]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("auth.password.min_length"), "{told:?}");
    server.send(&Request::post("/api/admin/config/reload").bearer(&admin)).expect(200);
    assert_eq!(json_body(&server, &admin), "64KiB");
    server.stop();
    let server = home.start(&[]);
    assert_eq!(json_body(&server, &server.admin()), "64KiB");
}

#[test]
fn an_applied_configuration_is_shown_without_a_server() {
    let home = Home::new();
    let new = home.write("new.toml", "[limits.size]\njson_body = \"16KiB\"\n");
    home.run(&["config", "apply", &new]).good();
    let shown = home.run(&["config", "show", "--json"]).json();
    let mut entries = shown.as_array().expect("entries").iter();
    let entry = entries.find(|entry| entry["key"] == "limits.size.json_body").expect("the key");
    assert_eq!(entry["value"], "16KiB");
    let origin = entry["origin"].as_str().expect("an origin");
    // The first is what held before, so that there is a way back to it.
    assert!(origin.contains("version 2"), "{origin}");
}

#[test]
fn the_audit_tells_who_changed_an_account() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    server.add(&admin, "ann", &["user"]);
    home.run(&["user", "disable", "ann"]).good();
    server.wait_for_log(&["user.create", "\"ann\"", "\"admin\""]);
    server.wait_for_log(&["user.update", "\"ann\"", "\"local\""]);
}

#[test]
fn the_control_socket_goes_with_the_server_and_not_with_a_predecessor() {
    let home = Home::new();
    let mut server = home.start(&[]);
    let socket = home.data("control.sock");
    assert!(socket.exists());
    home.run(&["restart"]).good();
    server.ended();
    until("the successor answers", || {
        let told = home.run(&["status", "--json"]);
        let told: Value = serde_json::from_str(&told.stdout).ok()?;
        (told["generation"] == 2).then_some(())
    });
    drop(server);

    let home = Home::new();
    home.start(&[]).stop();
    assert!(!home.data("control.sock").exists());
}

/// A file that is no configuration any more: bad syntax, a wrong value, an unknown key.
const BROKEN: &str = "[limits.size]\njson_body = \"x\"\nbodi = 1\n[server\n";

#[test]
fn a_mistake_in_the_file_keeps_no_command_from_the_running_server() {
    let home = Home::new();
    let file = home.write("gabion.toml", "[limits.size]\njson_body = \"32KiB\"\n");
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &[]);
    let admin = server.admin();
    let ann = server.add(&admin, "ann", &["user"]);
    home.write("gabion.toml", "[limits.size]\njson_body = \"16KiB\"\n");
    until("the file is taken", || (json_body(&server, &admin) == "16KiB").then_some(()));
    home.write("gabion.toml", BROKEN);
    server.wait_for_log(&["mistake", "json_body"]);

    let run = |arguments: &[&str]| home.run(&[arguments, &["--config", &file]].concat());
    assert!(run(&["status"]).good().contains("generation 1"));
    run(&["user", "disable", "ann"]).good();
    assert!(!server.accepts(&ann.access));
    run(&["config", "history"]).good();
    run(&["key", "list"]).good();
    run(&["backup", "create"]).good();
    let listed = run(&["backup", "list", "--json"]).json();
    run(&["backup", "verify", listed[0]["id"].as_str().expect("an id")]).good();
    // A restart would take the file, and says what is wrong with it.
    let refused = run(&["restart"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("limits.size.json_body"), "{refused:?}");
    run(&["config", "rollback"]).good();
    assert_eq!(json_body(&server, &admin), "32KiB");
    let good = home.write("good.toml", "[limits.size]\njson_body = \"8KiB\"\n");
    run(&["config", "apply", &good]).good();
    assert_eq!(json_body(&server, &admin), "8KiB");
    // What was applied holds across restarts and starts: the file has not changed since.
    server.stop();
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &[]);
    assert_eq!(json_body(&server, &admin), "8KiB");
    run(&["restart"]).good();
    until("the second generation serves", || {
        (server.status(&admin)["generation"] == 2).then_some(())
    });
    assert_eq!(json_body(&server, &admin), "8KiB");
}

#[test]
fn without_a_server_a_mistake_in_the_file_is_told_and_can_be_taken_back() {
    let home = Home::new();
    let file = home.write("gabion.toml", "[limits.size]\njson_body = \"32KiB\"\n");
    let serve = ["serve", "--print-ready", "--config", &file];
    home.start_as(&serve, &[]).stop();
    home.write("gabion.toml", BROKEN);
    let run = |arguments: &[&str]| home.run(&[arguments, &["--config", &file]].concat());
    for arguments in [["user", "list"], ["backup", "create"], ["config", "show"]] {
        let told = run(&arguments);
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(told.stderr.contains("limits.size.json_body"), "{told:?}");
    }
    let told = run(&["config", "rollback", "--json"]).json();
    assert_eq!(told["version"], 1);
    run(&["user", "list"]).good();
    let server = home.start_as(&serve, &[]);
    assert_eq!(json_body(&server, &server.admin()), "32KiB");
}

#[test]
fn an_applied_configuration_is_taken_back_without_a_server() {
    let home = Home::new();
    let new = home.write("new.toml", "[limits.size]\njson_body = \"16KiB\"\n");
    let applied = home.run(&["config", "apply", &new, "--json"]).json();
    assert_eq!(applied["changed"], json!(["limits.size.json_body"]));
    assert_eq!(applied["needs_restart"], json!([]));
    let back = home.run(&["config", "rollback", "--json"]).json();
    assert_eq!(back["changed"], json!(["limits.size.json_body"]));
    assert!(back["version"].as_u64() > applied["version"].as_u64(), "{back}");
    let server = home.start(&[]);
    assert_eq!(json_body(&server, &server.admin()), "64KiB");
}

#[test]
fn an_unknown_version_is_refused_alike_with_and_without_a_server() {
    let home = Home::new();
    let new = home.write("new.toml", "[limits.size]\njson_body = \"16KiB\"\n");
    home.run(&["config", "apply", &new]).good();
    home.write("gabion.toml", "[limits.size]\njson_body = \"8KiB\"\n");
    let history = || home.run(&["config", "history", "--json"]).json();
    let before = history();
    let offline = home.run(&["config", "rollback", "99"]);
    assert_eq!(history(), before);
    let _server = home.start(&[]);
    let online = home.run(&["config", "rollback", "99"]);
    assert_eq!(offline.code, Some(1), "{offline:?}");
    assert_eq!((offline.code, offline.stderr), (online.code, online.stderr));
}

#[test]
fn a_configuration_is_applied_under_the_lock_of_the_data() {
    let home = Home::new();
    let new = home.write("new.toml", "[limits.size]\njson_body = \"16KiB\"\n");
    home.run(&["config", "apply", &new]).good();
    let lock = std::fs::File::open(home.data("server.lock")).expect("the lock");
    lock.lock().expect("it is free");
    let told = home.run(&["config", "apply", &new]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("another process works"), "{told:?}");
}

#[test]
fn json_is_the_same_with_and_without_a_server() {
    let home = Home::new();
    let members = |value: &Value| -> Vec<String> {
        value.as_object().into_iter().flat_map(|members| members.keys().cloned()).collect()
    };
    let ask = |name: &str| {
        let add = with_input(&home, &["user", "add", name, "--json"], PASSWORD).json();
        assert_eq!((&add["username"], &add["enabled"]), (&json!(name), &json!(true)));
        let disabled = home.run(&["user", "disable", name, "--json"]).json();
        assert_eq!(disabled["enabled"], json!(false));
        let passwd = with_input(&home, &["user", "passwd", name, "--json"], OTHER).json();
        let backup = home.run(&["backup", "create", "--json"]).json();
        assert!(backup["created_at"].is_string(), "{backup}");
        let list = home.run(&["user", "list", "--json"]).json();
        let rollback = home.run(&["config", "rollback", "1", "--json"]).json();
        [members(&add), members(&passwd), members(&backup), members(&list[0]), members(&rollback)]
    };
    home.start(&[]).stop();
    let offline = ask("ann");
    let _server = home.start(&[]);
    assert_eq!(ask("ben"), offline);
}

#[test]
fn a_missing_password_is_told_once() {
    let home = Home::new();
    let told = with_input(&home, &["user", "add", "ann"], "");
    assert_eq!(told.code, Some(2), "{told:?}");
    assert_eq!(told.stderr.lines().count(), 1, "{told:?}");
}

#[test]
fn a_successor_goes_on_trying_for_the_lock_of_the_data() {
    let home = Home::new();
    let mut server = home.start(&[]);
    let admin = server.admin();
    // Another file in the place of the one that the server has locked.
    std::fs::remove_file(home.data("server.lock")).expect("the lock");
    let held = std::fs::File::create(home.data("server.lock")).expect("a file");
    held.lock().expect("nobody else has it");
    home.run(&["restart"]).good();
    server.ended();
    server.wait_for_log(&["ERROR", "cannot lock the data folder"]);
    assert_ne!(server.status(&admin)["last_restart"]["outcome"], "completed");
    drop(held);
    until("the successor has the lock", || {
        (server.status(&admin)["last_restart"]["outcome"] == "completed").then_some(())
    });
}
