//! What a kill or a full disk leaves of a change.

use std::{
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use gabion_config::History;
use rustix::process::Signal;
use serde_json::json;

use super::{KEY, reload, replace, text, value, versions, with_file};
use crate::{
    client::{Client, Request},
    server::{Home, Server, finish},
};

/// At least so often.
const KILLS: u64 = 40;

/// Every version is whole, and nothing is left half written but what the next start removes.
#[track_caller]
fn all_whole(home: &Home) -> usize {
    let history = History::look(&home.data("config")).expect("a history");
    let listed = history.list().expect("it can be read");
    let named = std::fs::read_dir(home.data("config")).expect("a folder").flatten();
    let files = named.filter(|it| {
        let name = it.file_name().to_string_lossy().into_owned();
        name.ends_with(".toml") && !name.starts_with('.')
    });
    assert_eq!(listed.len(), files.count(), "a version is damaged");
    for version in &listed {
        let text = history.text(version.number).expect("a whole version");
        assert!(text.is_empty() || text.starts_with("[limits.size]\njson_body"), "{text}");
        assert!(text.is_empty() || text.ends_with("# end\n"), "{text}");
    }
    listed.len()
}

/// A text that is some pages long, so that half of it would show.
fn long(turn: usize) -> String {
    let size = format!("{}KiB", 8 + turn % 100);
    format!("{}# {}\n# end\n", text(&size), "x".repeat(10_000))
}

#[test]
fn killed_at_any_moment_of_200_writes_only_whole_versions_are_left() {
    let home = Home::new();
    let file = home.write("gabion.toml", long(0));
    let written = AtomicUsize::new(0);
    let mut admin = None;
    let (mut turn, mut kills) = (0, 0_u64);
    while written.load(Ordering::Relaxed) < 200 || kills < KILLS {
        let server = with_file(&home, &file, &[]);
        let token = admin.get_or_insert_with(|| server.admin()).clone();
        let address = server.address();
        turn = thread::scope(|scope| {
            let (home, written) = (&home, &written);
            let writing = scope.spawn(move || {
                let Ok(mut client) = Client::try_connect(address) else { return turn };
                let mut turn = turn;
                loop {
                    turn += 1;
                    replace(home, "gabion.toml", long(turn));
                    // Now and then a trial: more files are written then.
                    let body = if turn % 3 == 0 { json!({"confirm": "60s"}) } else { json!({}) };
                    let ask = Request::post("/api/admin/config/reload").bearer(&token).json(&body);
                    match client.try_send(&ask) {
                        Ok(answer) => drop(answer.expect(200)),
                        Err(_) => return turn,
                    }
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
            // Another moment each time, from within the first write on.
            kills += 1;
            thread::sleep(Duration::from_micros(10_000 + (kills * 7_919_377) % 150_000));
            server.kill();
            writing.join().expect("it ends with the server")
        });
        assert!(all_whole(&home) > 0);
    }
    let server = with_file(&home, &file, &[]);
    let admin = server.admin();
    replace(&home, "gabion.toml", long(turn + 1));
    reload(&server, &admin).expect(200);
    assert_eq!(value(&server, &admin, KEY), format!("{}KiB", 8 + (turn + 1) % 100));
    assert!((20..=23).contains(&all_whole(&home)), "{}", all_whole(&home));
    assert_eq!(versions(&home).len(), all_whole(&home));
}

/// The command, writing files of no more than `kib` KiB, as on a disk that is nearly full.
fn on_a_full_disk(command: &Command, kib: u32) -> Command {
    let mut limited = Command::new("/bin/sh");
    // In units of 512 bytes; without the trap the system would end the process.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2);
    limited.args(["-c", &script]).arg(command.get_program()).args(command.get_args()).env_clear();
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited
}

#[test]
fn without_a_server_a_full_disk_changes_nothing() {
    let home = Home::new();
    home.write("small.toml", text("16KiB"));
    home.run(&["config", "apply", "small.toml"]).good();
    let before = versions(&home);
    let large = format!("{}# {}\n", text("8KiB"), "x".repeat(200_000));
    let large = home.write("large.toml", large);
    let apply = home.command(&["config", "apply", &large], &[]);
    let told = finish(on_a_full_disk(&apply, 64), "");
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("cannot be read or written: File too large"), "{told:?}");
    assert_eq!(versions(&home), before);
    let left = std::fs::read_dir(home.data("config")).expect("a folder").flatten();
    let left = left.filter(|it| it.file_name().to_string_lossy().starts_with(".pending"));
    assert_eq!(left.count(), 0);
    let server = home.start(&[]);
    assert_eq!(value(&server, &server.admin(), KEY), "16KiB");
    drop(server);
    home.run(&["config", "apply", &large]).good();
}

#[test]
fn with_a_server_a_full_disk_changes_nothing_and_the_next_change_is_taken() {
    let home = Home::new();
    let file = home.write("gabion.toml", text("32KiB"));
    let command = home.command(&["serve", "--print-ready", "--config", &file], &[]);
    let server = Server::start(on_a_full_disk(&command, 1024), &home.path("")).expect("it starts");
    let admin = server.admin();
    // With its header the version has more than 1 MiB.
    let comment = "#".repeat((1 << 20) - text("8KiB").len());
    replace(&home, "gabion.toml", text("8KiB") + &comment);
    let before = versions(&home);
    let told = reload(&server, &admin);
    told.problem("dependency-unavailable");
    assert_eq!(value(&server, &admin, KEY), "32KiB");
    assert_eq!(versions(&home), before);
    server.wait_for_log(&["cannot be read or written"]);
    assert!(server.metrics(&admin).contains("gabion_config_reloads_total{outcome=\"failed\"}"));
    replace(&home, "gabion.toml", text("16KiB"));
    reload(&server, &admin).expect(200);
    assert_eq!(value(&server, &admin, KEY), "16KiB");
    server.signal(Signal::TERM);
}
