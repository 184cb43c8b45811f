use std::{thread, time::Duration};

use gabion_clock::{Clock as _, ManualClock};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

mod crash;
mod take;

const NOW: UnixTime = UnixTime::from_secs(1_767_225_600);

fn history() -> (TempDir, History) {
    let dir = tempfile::tempdir().unwrap();
    let history = History::open(&dir.path().join("a/history")).unwrap();
    (dir, history)
}

fn numbers(history: &History) -> Vec<u64> {
    history.list().unwrap().iter().map(|version| version.number).collect()
}

#[test]
fn versions_are_listed_newest_first_with_author_time_and_digest() {
    let (_dir, history) = history();
    let clock = ManualClock::new();
    history.record("a = 1\n", "gabion.toml", clock.unix()).unwrap();
    clock.advance(Duration::from_secs(60));
    assert_eq!(history.record("a = 2\n", "ädmin\n[x]", clock.unix()).unwrap(), 2);
    let versions = history.list().unwrap();
    assert_eq!(versions.iter().map(|v| v.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((versions[0].author.as_str(), versions[0].at), ("ädmin\n[x]", clock.unix()));
    assert_eq!(versions[1].sha256, Digest::of("a = 1\n"));
    let json = serde_json::to_value(&versions[1]).unwrap();
    assert_eq!(json["at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(history.text(1).unwrap(), "a = 1\n");
}

#[test]
fn the_text_of_the_newest_version_is_not_recorded_again() {
    let (_dir, history) = history();
    for (text, number) in [("a", 1), ("a", 1), ("b", 2), ("b", 2), ("a", 3)] {
        assert_eq!(history.record(text, "t", NOW).unwrap(), number, "{text}");
    }
}

#[test]
fn the_newest_twenty_are_kept_and_the_active_one() {
    let (_dir, history) = history();
    for i in 0..5 {
        history.record(&i.to_string(), "t", NOW).unwrap();
    }
    history.set_active(3, None).unwrap();
    for i in 5..40 {
        history.record(&i.to_string(), "t", NOW).unwrap();
    }
    let expected: Vec<u64> = (21..=40).rev().chain([3]).collect();
    assert_eq!(numbers(&history), expected);
    history.clear_active().unwrap();
    history.record("new", "t", NOW).unwrap();
    assert_eq!(numbers(&history), (22..=41).rev().collect::<Vec<_>>());
}

#[test]
fn what_is_on_trial_reads_back_and_keeps_both_of_its_versions() {
    let (_dir, history) = history();
    for i in 0..5 {
        history.record(&i.to_string(), "t", NOW).unwrap();
    }
    assert_eq!(history.trial().unwrap(), None);
    let trial = Trial { version: 4, before: 2, until: NOW };
    history.begin_trial(trial).unwrap();
    assert_eq!(history.trial().unwrap(), Some(trial));
    for i in 5..40 {
        history.record(&i.to_string(), "t", NOW).unwrap();
    }
    assert_eq!(numbers(&history), (21..=40).rev().chain([4, 2]).collect::<Vec<_>>());
    history.end_trial().unwrap();
    assert_eq!(history.trial().unwrap(), None);
    let unknown = history.begin_trial(Trial { before: 41, ..trial });
    assert!(matches!(unknown, Err(HistoryError::NoSuchVersion(41))), "{unknown:?}");
}

#[test]
fn what_a_crash_left_half_written_is_ignored_and_removed() {
    let (dir, history) = history();
    history.record("a = 1", "t", NOW).unwrap();
    let folder = dir.path().join("a/history");
    for name in [".pending-0000000002.toml", ".pending-active.json"] {
        fs::write(folder.join(name), "# gabion configuration {\"num").unwrap();
    }
    assert_eq!((numbers(&history), history.active(None).unwrap()), (vec![1], None));
    assert_eq!(history.record("a = 2", "t", NOW).unwrap(), 2);
    drop(history);
    let history = History::open(&folder).unwrap();
    assert_eq!(numbers(&history), [2, 1]);
    let left = fs::read_dir(&folder)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_damaged_version_is_told_and_does_not_hide_the_others() {
    let (dir, history) = history();
    history.record("a = 1", "t", NOW).unwrap();
    history.record("a = 2", "t", NOW).unwrap();
    let path = dir.path().join("a/history").join(version_file::name(2));
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("a = 2", "a = 3")).unwrap();
    assert!(matches!(history.text(2), Err(HistoryError::Damaged(_))));
    assert_eq!(numbers(&history), [1]);
    assert_eq!(history.record("a = 2", "t", NOW).unwrap(), 3);
}

#[test]
fn an_active_version_holds_until_the_file_changes() {
    let (dir, history) = history();
    let version = history.record("a = 2", "t", NOW).unwrap();
    history.set_active(version, Some(Digest::of("a = 1"))).unwrap();
    let reopened = History::open(&dir.path().join("a/history")).unwrap();
    assert_eq!(reopened.active(Some(Digest::of("a = 1"))).unwrap(), Some(version));
    for changed in [Some("a = 1\n"), Some(""), None] {
        assert_eq!(reopened.active(changed.map(Digest::of)).unwrap(), None, "{changed:?}");
    }
    // Only looked at: the file as it was brings it back.
    assert_eq!(reopened.active(Some(Digest::of("a = 1"))).unwrap(), Some(version));
    reopened.clear_active().unwrap();
    reopened.clear_active().unwrap();
    assert_eq!(history.active(Some(Digest::of("a = 1"))).unwrap(), None);
}

#[test]
fn without_a_file_an_active_version_holds_until_there_is_one() {
    let (_dir, history) = history();
    let version = history.record("a = 2", "t", NOW).unwrap();
    history.set_active(version, None).unwrap();
    assert_eq!(history.active(None).unwrap(), Some(version));
    assert_eq!(history.active(Some(Digest::of(""))).unwrap(), None);
}

#[test]
fn a_version_that_is_not_there_cannot_be_read_or_activated() {
    let (_dir, history) = history();
    assert!(matches!(history.text(7), Err(HistoryError::NoSuchVersion(7))));
    assert!(matches!(history.set_active(7, None), Err(HistoryError::NoSuchVersion(7))));
}

#[test]
fn a_text_beyond_one_mebibyte_is_refused() {
    let (_dir, history) = history();
    let outcome = history.record(&"#".repeat(MAX_TEXT + 1), "t", NOW);
    assert!(matches!(outcome, Err(HistoryError::TooLarge(_))));
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let (dir, history) = history();
    let folder = dir.path().join("a/history");
    // A link in the place of the temporary file is replaced, not followed.
    let outside = dir.path().join("outside");
    fs::write(&outside, "untouched").unwrap();
    symlink(&outside, folder.join(".pending-0000000001.toml")).unwrap();
    history.record("a = 1", "t", NOW).unwrap();
    history.set_active(1, None).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
}

#[test]
fn writers_at_the_same_time_lose_no_version() {
    let (dir, first) = history();
    let second = History::open(&dir.path().join("a/history")).unwrap();
    thread::scope(|scope| {
        for (name, history) in [("a", &first), ("b", &second)] {
            scope.spawn(move || {
                for i in 0..8 {
                    let text = format!("{name} = {i}");
                    let number = history.record(&text, name, NOW).unwrap();
                    assert_eq!(history.text(number).unwrap(), text);
                }
            });
        }
    });
    assert_eq!(numbers(&first), (1..=16).rev().collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_text_and_author_read_back(text: String, author in ".{0,200}") {
        let (_dir, history) = history();
        let number = history.record(&text, &author, NOW).unwrap();
        prop_assert_eq!(history.text(number).unwrap(), text);
        prop_assert_eq!(&history.list().unwrap()[0].author, &author);
    }
}

#[test]
fn looking_creates_nothing_and_finds_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history");
    assert!(History::look(&path).is_none());
    assert!(!path.exists());
    let version = History::open(&path).unwrap().record("a", "me", UnixTime::default()).unwrap();
    fs::remove_file(path.join("lock")).unwrap();
    let history = History::look(&path).unwrap();
    assert_eq!(history.text(version).unwrap(), "a");
    assert_eq!(history.list().unwrap().len(), 1);
    assert!(!path.join("lock").exists());
}
