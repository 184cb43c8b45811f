//! Which version holds after a kill in the middle of `apply` and `rollback`.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use gabion_config::History;

use super::{KEY, text, value};
use crate::server::Home;

const KILLS: u64 = 30;

/// What commands have asked for, and which of it was taken.
#[derive(Default)]
struct Asked {
    turn: u32,
    /// What the last command wants to hold, as long as it has no answer.
    pending: Option<String>,
    /// What the last one that was answered has made hold.
    held: Option<String>,
    taken: BTreeSet<String>,
    /// Of the last that were taken.
    versions: Vec<(u64, String)>,
}

/// Changes after changes, until the server is gone.
fn change(home: &Home, killed: &AtomicBool, asked: &Mutex<Asked>) {
    while !killed.load(Ordering::Relaxed) {
        let (turn, back) = {
            let mut asked = asked.lock().expect("no panic");
            asked.turn += 1;
            let back = asked
                .versions
                .iter()
                .rev()
                .nth(1)
                .filter(|_| asked.turn.is_multiple_of(3))
                .cloned();
            let size = back.as_ref().map(|(_, size)| size.clone());
            asked.pending = Some(size.unwrap_or_else(|| format!("{}KiB", 8 + asked.turn)));
            (asked.turn, back)
        };
        let told = match &back {
            Some((version, _)) => home.run(&["config", "rollback", &version.to_string(), "--json"]),
            None => {
                home.write("new.toml", text(&format!("{}KiB", 8 + turn)));
                let apply = ["config", "apply", "new.toml", "--json", "--confirm", "60s"];
                home.run(if turn.is_multiple_of(4) { &apply } else { &apply[..4] })
            }
        };
        if told.code != Some(0) {
            return;
        }
        let version = told.json()["version"].as_u64().expect("a version");
        let mut asked = asked.lock().expect("no panic");
        asked.held = asked.pending.take();
        let held = asked.held.clone().expect("it was asked for");
        asked.taken.insert(held.clone());
        asked.versions.push((version, held));
    }
}

#[test]
fn killed_at_any_moment_of_a_change_that_or_what_was_before_holds_and_nothing_else_is_a_version() {
    let home = Home::new();
    let asked = Mutex::new(Asked::default());
    let mut finished = 0;
    for kill in 0..KILLS {
        let server = home.start(&[]);
        let admin = server.admin();
        let before = value(&server, &admin, KEY);
        let killed = AtomicBool::new(false);
        {
            let mut asked = asked.lock().expect("no panic");
            (asked.held, asked.pending) = (before.as_str().map(str::to_owned), None);
        }
        thread::scope(|scope| {
            let changing = scope.spawn(|| change(&home, &killed, &asked));
            // Another moment each time.
            thread::sleep(Duration::from_micros(20_000 + (kill * 7_919_377) % 150_000));
            server.kill();
            killed.store(true, Ordering::Relaxed);
            changing.join().expect("it ends with the server");
        });
        let mut asked = asked.lock().expect("no panic");
        let shown = home.run(&["config", "show", "--json"]).json();
        let shown = shown.as_array().and_then(|all| all.iter().find(|it| it["key"] == KEY));
        let holds = shown.and_then(|it| it["value"].as_str()).expect("a size").to_owned();
        let possible = [asked.held.clone(), asked.pending.clone()];
        assert!(possible.contains(&Some(holds.clone())), "{holds} instead of {possible:?}");
        if asked.pending.as_ref() == Some(&holds) {
            finished += 1;
        }
        asked.taken.insert(holds.clone());
        // What no command was answered for and does not hold never was.
        let server = home.start(&[]);
        assert_eq!(value(&server, &server.admin(), KEY), holds.as_str());
        let history = History::look(&home.data("config")).expect("a history");
        for version in history.list().expect("it can be read") {
            let content = history.text(version.number).expect("a whole version");
            let known = |size: &String| content == text(size);
            assert!(
                content.is_empty() || asked.taken.iter().any(known),
                "version {} of {} was never taken: {content}",
                version.number,
                version.author
            );
        }
        let files = std::fs::read_dir(home.data("config")).expect("a folder").flatten();
        let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        let left: Vec<_> = names.filter(|it| it == "next" || it.starts_with(".pending")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    println!("{finished} of {KILLS} changes held though nobody was told so");
}
