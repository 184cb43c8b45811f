//! Processes that are killed while they write.

use std::{
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::*;

/// Where [`writer`] works in a process of its own; in no other folder does it do anything.
const MARK: &str = "written-by-a-process-that-is-killed";

/// Long enough that a part of it would show.
fn text(turn: u64) -> String {
    format!("turn = {turn}\n{}# end of {turn}\n", "# a line of some length\n".repeat(5_000))
}

/// Writes all that a history has, for ever.
#[test]
fn writer() {
    if !Path::new(MARK).exists() {
        return;
    }
    let history = History::open(Path::new("history")).unwrap();
    let newest = history.list().unwrap().first().map_or(0, |newest| newest.number);
    for turn in newest.. {
        let holds = Holds::Instead(Some(Digest::of("file")));
        let trial = |version: u64, _| {
            let trial = Trial { version, before: version.saturating_sub(1), until: NOW };
            Ok(Some(trial).filter(|_| version > 1 && turn % 2 == 0))
        };
        history.take(&text(turn), "writer", NOW, holds, trial).unwrap();
    }
}

/// Everything that is there is whole, and what was taken last holds; its version.
fn look(folder: &Path) -> u64 {
    // Also before a start has looked after it.
    let looked = History::look(folder).unwrap();
    let held = looked.active(Some(Digest::of("file"))).unwrap();
    let held = held.map(|active| looked.text(active).unwrap());
    let history = History::open(folder).unwrap();
    let files = history.files().unwrap();
    for (number, path) in &files {
        let file = VersionFile::read(*number, path).unwrap();
        let turn: u64 = file.text.lines().next().unwrap()["turn = ".len()..].parse().unwrap();
        assert_eq!(file.text, text(turn));
    }
    let newest = files.last_key_value().map_or(0, |(number, _)| *number);
    assert!(files.len() <= KEPT + 3, "{}", files.len());
    let active = history.active(Some(Digest::of("file"))).unwrap();
    assert_eq!(active.unwrap_or(0), newest);
    assert_eq!(active.map(|active| history.text(active).unwrap()), held);
    // One of the version before, or of what was never taken, counts for nothing.
    if let Some(trial) = history.trial().unwrap() {
        assert!(trial.version.abs_diff(newest) <= 1, "{trial:?} with {newest}");
        assert!(files.contains_key(&trial.before), "{trial:?}");
    }
    newest
}

#[test]
fn killed_at_any_of_200_moments_a_writer_leaves_only_what_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(MARK), "").unwrap();
    let folder = dir.path().join("history");
    History::open(&folder).unwrap();
    let (mut newest, mut grown) = (0, 0);
    for kill in 0_u64..200 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "history::tests::crash::writer", "--test-threads=1"])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Once it is at it, another moment each time.
        let begun = (0..2_000).any(|_| {
            thread::sleep(Duration::from_millis(1));
            History::look(&folder).unwrap().files().unwrap().keys().next_back() > Some(&newest)
        });
        assert!(begun, "{:?}", child.try_wait());
        thread::sleep(Duration::from_micros(kill * 7_919 % 6_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = look(&folder);
        grown += now - newest;
        newest = now;
    }
    assert!(grown >= 200, "{grown}");
    // The next one starts as if nothing had been.
    let history = History::open(&folder).unwrap();
    assert_eq!(history.record("a = 1", "t", NOW).unwrap(), newest + 1);
    assert_eq!(history.list().unwrap()[0].number, newest + 1);
}
