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
        let version = history.record(&text(turn), "writer", NOW).unwrap();
        history.set_active(version, Some(Digest::of("file"))).unwrap();
        let before = version.saturating_sub(1).max(1);
        history.begin_trial(Trial { version, before, until: NOW }).unwrap();
        history.end_trial().unwrap();
    }
}

/// Everything that is there is whole; the newest version.
fn look(folder: &Path) -> u64 {
    let history = History::look(folder).unwrap();
    let files = history.files().unwrap();
    for (number, path) in &files {
        let file = VersionFile::read(*number, path).unwrap();
        let turn: u64 = file.text.lines().next().unwrap()["turn = ".len()..].parse().unwrap();
        assert_eq!(file.text, text(turn));
    }
    let newest = files.last_key_value().map_or(0, |(number, _)| *number);
    assert!(files.len() <= KEPT + 3, "{}", files.len());
    if let Some(active) = history.active(Some(Digest::of("file"))).unwrap() {
        assert!(files.contains_key(&active) && active <= newest, "{active} of {newest}");
    }
    if let Some(trial) = history.trial().unwrap() {
        assert!(files.contains_key(&trial.version) && files.contains_key(&trial.before));
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
