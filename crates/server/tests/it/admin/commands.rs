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
    with_input(&home, &["user", "add", "ben", "--role", "admin", "--role", "user"], PASSWORD)
        .good();
    home.run(&["user", "disable", "ben"]).good();
    with_input(&home, &["user", "passwd", "ann"], OTHER).good();
    let listed = users(&home);
    assert_eq!(
        listed,
        [
            ("ann".to_owned(), json!(["user"]), json!(true)),
            ("ben".to_owned(), json!(["admin", "user"]), json!(false)),
        ]
    );
    let server = home.start(&[]);
    server.login("ann", OTHER);
    server.try_login("ben", PASSWORD).problem("invalid-credentials");
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
    let file = std::fs::read(home.data("keys/signing.jwk")).expect("the key");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    assert!(!told.contains(file["k"].as_str().expect("a secret")), "{told}");
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
    assert!(origin.contains("version 1"), "{origin}");
}

#[test]
fn the_audit_tells_who_changed_an_account() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    server.add(&admin, "ann", &["user"]);
    home.run(&["user", "disable", "ann"]).good();
    server.wait_for_log(&["user.create", "\"ann\"", "by admin"]);
    server.wait_for_log(&["user.update", "\"ann\"", "by local"]);
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
