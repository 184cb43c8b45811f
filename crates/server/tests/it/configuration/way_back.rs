//! The way back, also when the file is broken, gone or unreadable.

use std::{fs, thread};

use serde_json::json;

use super::{KEY, reload, text, value, versions, with_file};
use crate::{
    server::{Home, finish},
    tls::Authority,
};

#[test]
fn what_the_running_server_refuses_leaves_no_version() {
    let home = Home::new();
    let server = home.start(&["auth.password.max_length=100"]);
    let before = versions(&home);
    let new = home.write("new.toml", "[auth.password]\nmin_length = 200\n");
    // Good for the command, which does not know with what the server was started.
    let told = home.run(&["config", "apply", &new]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert_eq!(versions(&home), before);
    // What holds already is not taken away with it.
    home.write("same.toml", "");
    home.run(&["config", "apply", "same.toml"]).good();
    assert_eq!(versions(&home), before);
    drop(server);
}

#[test]
fn of_changes_at_the_same_time_only_those_that_were_taken_are_versions() {
    let home = Home::new();
    let server = home.start(&["auth.password.max_length=100"]);
    let all = |shells: u32, code: i32, text: &(dyn Fn(u32) -> String + Sync)| {
        thread::scope(|scope| {
            for shell in 0..shells {
                let home = &home;
                scope.spawn(move || {
                    for turn in 0..4 {
                        let name = format!("{shell}-{turn}.toml");
                        home.write(&name, text(shell * 4 + turn));
                        let told = home.run(&["config", "apply", &name]);
                        assert_eq!(told.code, Some(code), "{told:?}");
                    }
                });
            }
        });
    };
    let good = |turn: u32| text(&format!("{}KiB", 8 + turn));
    all(2, 0, &good);
    let before = versions(&home);
    assert_eq!(before, (1..=9).rev().collect::<Vec<_>>());
    all(6, 2, &|turn| format!("[auth.password]\nmin_length = {}\n", 200 + turn));
    assert_eq!(versions(&home), before);
    all(4, 0, &|turn| good(100 + turn));
    // Of twenty that are kept each is one that was taken.
    assert_eq!(versions(&home), (6..=25).rev().collect::<Vec<_>>());
    drop(server);
}

#[test]
fn a_refusal_of_the_server_names_the_file_that_was_given() {
    let home = Home::new();
    let server = home.start(&["auth.password.max_length=100"]);
    home.write("new.toml", "\n[auth.password]\nmin_length = 200\n");
    let told = home.run(&["config", "apply", "new.toml"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("new.toml:3:"), "{told:?}");
    drop(server);
}

#[test]
fn no_bound_on_requests_keeps_the_change_of_it_out() {
    let home = Home::new();
    let server = home.start(&[]);
    home.write("tiny.toml", "[limits.size]\nbody = '1B'\njson_body = '1B'\n");
    home.run(&["config", "apply", "tiny.toml"]).good();
    // As large as a file may be, in characters that take two each on the way.
    let quotes = "\"".repeat((1 << 20) - text("16KiB").len() - 1);
    home.write("new.toml", format!("{}#{quotes}", text("16KiB")));
    home.run(&["config", "apply", "new.toml"]).good();
    let admin = server.admin();
    assert_eq!(value(&server, &admin, KEY), "16KiB");
    // That way in is for commands on the machine alone.
    let body = json!({"name": "x", "text": ""});
    server.post("/api/admin/config/apply", &admin, &body).problem("not-found");
}

#[test]
fn a_version_that_is_lost_while_it_holds_leaves_both_ways_out() {
    for damage in [true, false] {
        for rolls_back in [true, false] {
            let home = Home::new();
            let file = home.write("gabion.toml", text("32KiB"));
            let server = with_file(&home, &file, &[]);
            home.write("new.toml", text("16KiB"));
            home.run(&["config", "apply", "new.toml"]).good();
            server.kill();
            let version = home.data("config").join("0000000002.toml");
            if damage { fs::write(&version, "x") } else { fs::remove_file(&version) }
                .expect("it is there");
            for arguments in [["serve", "--config", &file], ["config", "show", "--config"]] {
                let mut arguments = arguments.to_vec();
                if arguments[0] == "config" {
                    arguments.push(&file);
                }
                let told = home.run(&arguments);
                assert_eq!(told.code, Some(2), "{told:?}");
                for part in ["active.json", "version 2", "gabion config rollback", "remove"] {
                    assert!(told.stderr.contains(part), "{part} is not in {told:?}");
                }
            }
            if rolls_back {
                home.run(&["config", "rollback", "--config", &file]).good();
            } else {
                fs::remove_file(home.data("config").join("active.json")).expect("it is there");
            }
            let server = with_file(&home, &file, &[]);
            assert_eq!(value(&server, &server.admin(), KEY), "32KiB");
        }
    }
}

/// Puts something that cannot be read in the place of the file.
fn make_unreadable(home: &Home, how: &str) {
    fs::remove_file(home.path("gabion.toml")).expect("it is there");
    match how {
        "a folder" => fs::create_dir(home.path("gabion.toml")).expect("a folder"),
        "no text" => drop(home.write("gabion.toml", b"a = \"\xff\"")),
        _ => {}
    }
}

#[test]
fn without_a_server_there_is_a_way_back_from_a_file_that_cannot_be_read() {
    for how in ["a folder", "no text", "nothing"] {
        let home = Home::new();
        let file = home.write("gabion.toml", text("32KiB"));
        with_file(&home, &file, &[]).stop();
        make_unreadable(&home, how);
        let serve = ["serve", "--config", &file];
        assert_eq!(home.run(&serve).code, Some(2), "{how}");
        home.run(&["config", "rollback", "--config", &file]).good();
        let server = with_file(&home, &file, &[]);
        let admin = server.admin();
        assert_eq!(value(&server, &admin, KEY), "32KiB", "{how}");
        // It goes on to hold as long as the file cannot be read, and no longer.
        assert_eq!(reload(&server, &admin).expect(200).json()["changed"], json!([]));
        server.stop();
        home.write("new.toml", text("16KiB"));
        home.run(&["config", "apply", "new.toml", "--config", &file]).good();
        let server = with_file(&home, &file, &[]);
        assert_eq!(value(&server, &server.admin(), KEY), "16KiB", "{how}");
        server.stop();
        let _ = fs::remove_dir(home.path("gabion.toml"));
        home.write("gabion.toml", text("8KiB"));
        let server = with_file(&home, &file, &[]);
        assert_eq!(value(&server, &server.admin(), KEY), "8KiB", "{how}");
    }
}

#[test]
fn of_a_file_that_cannot_be_read_the_data_folder_is_not_guessed() {
    let home = Home::new();
    home.write("new.toml", text("16KiB"));
    for arguments in [["config", "rollback"].as_slice(), &["config", "apply", "new.toml"]] {
        let told = finish(home.bare(&[arguments, &["--config", "missing.toml"]].concat()), "");
        assert_eq!(told.code, Some(2), "{told:?}");
        for part in ["missing.toml: cannot be read", "gabion-data", "--set server.data_dir="] {
            assert!(told.stderr.contains(part), "{part} is not in {told:?}");
        }
        assert!(!home.path("gabion-data").exists());
    }
}

#[test]
fn a_running_server_goes_back_though_the_file_cannot_be_read() {
    let home = Home::new();
    let file = home.write("gabion.toml", text("32KiB"));
    let server = with_file(&home, &file, &[]);
    let admin = server.admin();
    home.write("new.toml", text("16KiB"));
    home.run(&["config", "apply", "new.toml"]).good();
    make_unreadable(&home, "a folder");
    home.run(&["config", "rollback"]).good();
    assert_eq!(value(&server, &admin, KEY), "32KiB");
    reload(&server, &admin).expect(200);
    server.stop();
    let server = with_file(&home, &file, &[]);
    assert_eq!(value(&server, &server.admin(), KEY), "32KiB");
}

#[test]
fn the_status_in_words_tells_of_trial_bulkheads_and_certificate() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    home.write("new.toml", text("16KiB"));
    home.run(&["config", "apply", "new.toml", "--confirm", "60s"]).good();
    let told = home.run(&["status"]).good();
    for part in [
        "configuration version 2",
        "on trial until",
        "then version 1 comes back",
        "login",
        "export",
        "certificate of localhost, localhost, 127.0.0.1 good until 20",
        "places",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    drop(server);
}
