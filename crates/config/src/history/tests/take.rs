//! Taking a version is one operation, also where it is interrupted.

use super::*;

fn digest() -> Option<Digest> {
    Some(Digest::of("file"))
}

fn take(
    history: &History,
    text: &str,
    holds: Holds,
    trial: Option<u64>,
) -> Result<u64, HistoryError> {
    let on_trial = |version, _| Ok(trial.map(|before| Trial { version, before, until: NOW }));
    history.take(text, "t", NOW, holds, on_trial).map(|(version, _)| version)
}

/// Everything that a reader sees.
fn seen(history: &History) -> (Vec<u64>, Option<u64>, Option<Trial>) {
    (numbers(history), history.active(digest()).unwrap(), history.trial().unwrap())
}

/// Two versions, of which the second holds, on trial.
fn begun() -> (TempDir, History) {
    let (dir, history) = history();
    take(&history, "a", Holds::AsFile, None).unwrap();
    take(&history, "b", Holds::Instead(digest()), Some(1)).unwrap();
    (dir, history)
}

#[test]
fn what_is_taken_is_a_version_holds_and_is_on_trial_as_decided() {
    let (_dir, history) = begun();
    let trial = Trial { version: 2, before: 1, until: NOW };
    assert_eq!(seen(&history), (vec![2, 1], Some(2), Some(trial)));
    // The same again decides nothing.
    let same = history.take("b", "t", NOW, Holds::AsBefore(2), |version, running| {
        assert_eq!((version, running), (2, Some(trial)));
        Ok(running)
    });
    assert_eq!(same.unwrap(), (2, Some(trial)));
    take(&history, "c", Holds::AsFile, None).unwrap();
    assert_eq!(seen(&history), (vec![3, 2, 1], None, None));
}

#[test]
fn what_is_decided_against_changes_nothing() {
    let (_dir, history) = begun();
    let before = seen(&history);
    for holds in [Holds::AsFile, Holds::Instead(digest())] {
        let refused = history.take("c", "t", NOW, holds, |_, _| Err(HistoryError::Decided));
        assert!(matches!(refused, Err(HistoryError::Decided)), "{refused:?}");
        assert_eq!(seen(&history), before);
    }
}

#[test]
fn what_cannot_be_written_at_any_step_changes_nothing() {
    for obstacle in [".pending-next", ".pending-trial.json", ".pending-active.json"] {
        let (dir, history) = begun();
        let before = seen(&history);
        let path = dir.path().join("a/history").join(obstacle);
        fs::create_dir(&path).unwrap();
        let failed = take(&history, "c", Holds::Instead(digest()), Some(1));
        assert!(failed.is_err(), "{obstacle}: {failed:?}");
        fs::remove_dir(&path).unwrap();
        assert_eq!(seen(&history), before, "{obstacle}");
        assert!(!dir.path().join("a/history/next").exists(), "{obstacle}");
    }
}

#[test]
fn what_was_interrupted_is_a_version_once_it_holds_and_never_was_before() {
    let (dir, history) = begun();
    let folder = dir.path().join("a/history");
    let [next, third] = ["next", "0000000003.toml"].map(|name| folder.join(name));
    // Killed before the note.
    let before = seen(&history);
    let active = fs::read(folder.join("active.json")).unwrap();
    take(&history, "c", Holds::Instead(digest()), None).unwrap();
    fs::rename(&third, &next).unwrap();
    fs::write(folder.join("active.json"), active).unwrap();
    let opened = History::open(&folder).unwrap();
    assert_eq!((seen(&opened).0, seen(&opened).1), (before.0, before.1));
    assert!(!next.exists());
    // Killed after it.
    take(&history, "c", Holds::Instead(digest()), None).unwrap();
    fs::rename(&third, &next).unwrap();
    // Who only looks sees what holds.
    let looked = History::look(&folder).unwrap();
    assert_eq!(looked.text(looked.active(digest()).unwrap().unwrap()).unwrap(), "c");
    assert_eq!(seen(&History::open(&folder).unwrap()), (vec![3, 2, 1], Some(3), None));
}

#[test]
fn taken_versions_alone_count_to_twenty() {
    let (_dir, history) = begun();
    for i in 0..40 {
        let text = format!("x = {i}");
        let _ = history.take(&text, "t", NOW, Holds::AsFile, |_, _| Err(HistoryError::Decided));
    }
    assert_eq!(numbers(&history), [2, 1]);
    for i in 0..40 {
        take(&history, &format!("x = {i}"), Holds::AsFile, None).unwrap();
    }
    assert_eq!(numbers(&history), (23..=42).rev().collect::<Vec<_>>());
}
