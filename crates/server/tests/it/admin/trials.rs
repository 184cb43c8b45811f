//! Changes of the configuration that are taken back unless somebody confirms them.

use serde_json::{Value, json};

use super::config::{KEY, text, until_it_is, value};
use crate::server::{Home, Server, Stopwatch};

/// A server with a file that is not watched, so that only commands change anything, and two others.
fn begin(home: &Home) -> Server {
    home.write("small.toml", text("16KiB"));
    home.write("smaller.toml", text("8KiB"));
    home.start(&[])
}

fn apply(home: &Home, file: &str, confirm: &str) -> Value {
    home.run(&["config", "apply", file, "--confirm", confirm, "--json"]).json()
}

/// What every start begins with.
const DEFAULT: &str = "64KiB";

#[test]
fn what_is_not_confirmed_is_gone_after_its_time() {
    let home = Home::new();
    let server = begin(&home);
    let admin = server.admin();
    let waited = Stopwatch::start();
    let taken = apply(&home, "small.toml", "2s");
    assert_eq!((&taken["version"], &taken["otherwise"]), (&json!(2), &json!(1)));
    assert_eq!(value(&server, &admin, KEY), "16KiB");
    assert_eq!(server.status(&admin)["config"]["confirm_by"], taken["confirm_by"]);
    until_it_is(&server, &admin, KEY, DEFAULT);
    assert!(waited.elapsed().as_millis() >= 2000, "{:?}", waited.elapsed());
    assert_eq!(server.status(&admin)["config"]["confirm_by"], Value::Null);
    // It is told, and there is nothing left to confirm.
    server.wait_for_log(&["WARN", "not confirmed in time"]);
    let late = home.run(&["config", "confirm"]);
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.stderr.contains("no change awaits confirmation"), "{late:?}");
    let audit = server.get("/api/admin/audit?action=config.revert", &admin).expect(200).json();
    assert_eq!(audit["events"][0]["outcome"], "success", "{audit}");
}

#[test]
fn what_is_confirmed_stays() {
    let home = Home::new();
    let server = begin(&home);
    let admin = server.admin();
    apply(&home, "small.toml", "2s");
    let waited = Stopwatch::start();
    home.run(&["config", "confirm"]).good();
    // Another trial after it outlasts the time of the first, and goes back to it.
    apply(&home, "smaller.toml", "3s");
    until_it_is(&server, &admin, KEY, "16KiB");
    assert!(waited.elapsed().as_millis() >= 3000, "{:?}", waited.elapsed());
    server.kill();
    let server = home.start(&[]);
    assert_eq!(value(&server, &server.admin(), KEY), "16KiB");
}

#[test]
fn several_trials_go_back_to_what_was_there_before_the_first() {
    let home = Home::new();
    let server = begin(&home);
    let admin = server.admin();
    apply(&home, "small.toml", "60s");
    let second = apply(&home, "smaller.toml", "1s");
    assert_eq!(second["otherwise"], 1);
    until_it_is(&server, &admin, KEY, DEFAULT);
}

#[test]
fn a_change_that_needs_no_confirmation_ends_a_trial() {
    let home = Home::new();
    let server = begin(&home);
    let admin = server.admin();
    apply(&home, "small.toml", "60s");
    // The same configuration read again decides nothing.
    server.post("/api/admin/config/reload", &admin, &json!({})).expect(200);
    assert_ne!(server.status(&admin)["config"]["confirm_by"], Value::Null);
    home.run(&["config", "apply", "smaller.toml"]).good();
    assert_eq!(server.status(&admin)["config"]["confirm_by"], Value::Null);
    assert_eq!(value(&server, &admin, KEY), "8KiB");
}

#[test]
fn a_trial_ends_in_time_also_when_the_process_was_killed_meanwhile() {
    let home = Home::new();
    let server = begin(&home);
    let waited = Stopwatch::start();
    apply(&home, "small.toml", "8s");
    server.kill();
    // Started in time, it goes on with what is on trial, to its end.
    let server = home.start(&[]);
    let admin = server.admin();
    assert_eq!(value(&server, &admin, KEY), "16KiB");
    until_it_is(&server, &admin, KEY, DEFAULT);
    assert!(waited.elapsed().as_millis() >= 8000, "{:?}", waited.elapsed());
    server.kill();
    let server = home.start(&[]);
    assert_eq!(value(&server, &server.admin(), KEY), DEFAULT);
}

#[test]
fn a_trial_that_ended_while_no_process_ran_is_over_at_the_start() {
    let home = Home::new();
    let server = begin(&home);
    let waited = Stopwatch::start();
    apply(&home, "small.toml", "1s");
    server.kill();
    crate::server::until("the time is over", || {
        (waited.elapsed().as_millis() > 1100).then_some(())
    });
    // Commands that look say the same as the next start.
    let shown = home.run(&["config", "show", "--json"]).json();
    let shown = shown.as_array().and_then(|all| all.iter().find(|entry| entry["key"] == KEY));
    assert_eq!(shown.map(|entry| &entry["value"]), Some(&json!(DEFAULT)));
    let server = home.start(&[]);
    let admin = server.admin();
    assert_eq!(value(&server, &admin, KEY), DEFAULT);
    assert_eq!(server.status(&admin)["config"]["confirm_by"], Value::Null);
}

#[test]
fn a_trial_goes_on_through_a_hand_over() {
    let home = Home::new();
    let server = begin(&home);
    let admin = server.admin();
    apply(&home, "small.toml", "4s");
    home.run(&["restart"]).good();
    until_it_is(&server, &admin, KEY, DEFAULT);
    server.wait_for_log(&["not confirmed in time"]);
}

#[test]
fn what_the_successor_confirms_the_predecessor_does_not_take_back() {
    let home = Home::new();
    home.write("small.toml", text("16KiB"));
    let server = home.start(&["lifecycle.drain=60s"]);
    let admin = server.admin();
    // Keeps the predecessor there beyond the time of the trial.
    let mut idle = server.client();
    idle.send(&crate::client::Request::get("/livez")).expect(200);
    apply(&home, "small.toml", "6s");
    home.run(&["restart"]).good();
    crate::server::until("the successor serves", || {
        (server.status(&admin)["generation"] == 2).then_some(())
    });
    home.run(&["config", "confirm"]).good();
    // The predecessor looks at it when the time is over.
    server.wait_for_log(&["configuration taken", "\"trial\""]);
    assert!(!server.log().contains("not confirmed in time"), "{}", server.log());
    assert_eq!(value(&server, &admin, KEY), "16KiB");
    assert_eq!(home.run(&["config", "history"]).good().lines().count(), 2);
    drop((idle, server));
    let server = home.start(&[]);
    assert_eq!(value(&server, &server.admin(), KEY), "16KiB");
}

#[test]
fn without_a_server_nothing_is_tried() {
    let home = Home::new();
    begin(&home).stop();
    let told = home.run(&["config", "apply", "small.toml", "--confirm", "60s"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("no server is running"), "{told:?}");
    let server = home.start(&[]);
    assert_eq!(value(&server, &server.admin(), KEY), DEFAULT);
}

#[test]
fn what_cannot_come_back_any_more_is_forgotten_with_the_next_change() {
    let home = Home::new();
    home.write("words", "correct horse battery staple\n");
    let list = format!("blocklist_file = \"{}\"\n", home.path("words").display());
    home.write("listed.toml", format!("[auth.password]\n{list}"));
    home.write("small.toml", text("16KiB"));
    home.write("smaller.toml", text("8KiB"));
    let server = home.start(&[]);
    home.run(&["config", "apply", "listed.toml"]).good();
    apply(&home, "small.toml", "1s");
    std::fs::remove_file(home.path("words")).expect("it is there");
    server.wait_for_log(&["the version before cannot come back"]);
    // What was tried stays, also for a start; and so does what is decided next.
    server.kill();
    let server = home.start(&[]);
    assert_eq!(value(&server, &server.admin(), KEY), "16KiB");
    home.run(&["config", "apply", "smaller.toml"]).good();
    home.write("words", "correct horse battery staple\n");
    server.kill();
    let server = home.start(&[]);
    assert_eq!(value(&server, &server.admin(), KEY), "8KiB");
}
