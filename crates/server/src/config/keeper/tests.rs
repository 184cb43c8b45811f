use std::fs;

use gabion_config::Refusal;
use tempfile::TempDir;

use super::*;

fn begin() -> (TempDir, Arc<ConfigKeeper>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gabion.toml");
    fs::write(&file, "limits.size.headers = 50\n").unwrap();
    let sources = Sources { file: Some(file), ..Sources::default() };
    let history = folder.path().join("history");
    let keeper = ConfigKeeper::open(sources, &history, SystemClock::new()).unwrap();
    (folder, Arc::new(keeper))
}

fn write(folder: &TempDir, headers: u32) {
    let text = format!("\nlimits.size.headers = {headers}\n");
    fs::write(folder.path().join("gabion.toml"), text).unwrap();
}

fn headers(keeper: &ConfigKeeper) -> u32 {
    keeper.live().load().limits.size.headers as u32
}

#[tokio::test]
async fn what_a_part_refuses_is_told_with_its_place_and_is_not_kept() {
    let (folder, keeper) = begin();
    keeper.live().subscribe_checked(|step| match step.new.limits.size.headers {
        60 => Err(Refusal::new("limits.size.headers", "cannot be followed, accepts others")),
        _ => Ok(|| ()),
    });
    write(&folder, 60);
    let refused = keeper.reload("test", Some(Duration::from_secs(60))).await.unwrap_err();
    let ConfigError::Findings(findings) = refused else { panic!("{refused}") };
    let told = findings[0].to_string();
    assert!(
        told.ends_with(
            "gabion.toml:2:23: limits.size.headers = 60: cannot be followed, accepts others"
        ),
        "{told}"
    );
    assert_eq!((headers(&keeper), keeper.current().0, keeper.trial()), (50, 1, None));
    assert_eq!(keeper.versions().unwrap().len(), 1);
    write(&folder, 61);
    let taken = keeper.reload("test", None).await.unwrap();
    assert_eq!((headers(&keeper), taken.version), (61, 2));
    assert!(taken.changed.touches("limits.size.headers") && !taken.changed.touches("auth"));
}

#[tokio::test]
async fn a_part_that_panics_when_it_is_asked_ends_no_process_and_changes_nothing() {
    let (folder, keeper) = begin();
    keeper.live().subscribe_checked(|step| {
        assert_ne!(step.new.limits.size.headers, 60, "a fault of ours");
        Ok(|| ())
    });
    write(&folder, 60);
    let failed = keeper.reload("test", None).await.unwrap_err();
    assert!(matches!(failed, ConfigError::Panicked), "{failed}");
    assert_eq!((headers(&keeper), keeper.versions().unwrap().len()), (50, 1));
    write(&folder, 61);
    keeper.reload("test", None).await.unwrap();
    assert_eq!(headers(&keeper), 61);
}

#[tokio::test]
async fn what_cannot_be_written_down_does_not_hold_and_leaves_no_version() {
    let (folder, keeper) = begin();
    // A folder stands where the note of a trial is written before it gets its name.
    let note = folder.path().join("history/.pending-trial.json");
    fs::create_dir(&note).unwrap();
    write(&folder, 60);
    let failed = keeper.reload("test", Some(Duration::from_secs(60))).await.unwrap_err();
    assert!(matches!(failed, ConfigError::History(_)), "{failed}");
    assert_eq!((headers(&keeper), keeper.current().0, keeper.trial()), (50, 1, None));
    assert_eq!(keeper.versions().unwrap().len(), 1);
    fs::remove_dir(&note).unwrap();
    assert_eq!(keeper.reload("test", None).await.unwrap().version, 2);
    assert_eq!(headers(&keeper), 60);
}

#[tokio::test]
async fn a_part_that_panics_when_it_is_told_keeps_neither_the_change_nor_its_way_back_from_holding()
{
    let (folder, keeper) = begin();
    keeper.live().subscribe(|step| assert_ne!(step.new.limits.size.headers, 60, "a fault of ours"));
    let waiting = {
        let keeper = Arc::clone(&keeper);
        tokio::spawn(async move { keeper.trial_over().await })
    };
    tokio::task::yield_now().await;
    write(&folder, 60);
    let told = keeper.reload("test", Some(Duration::from_millis(1))).await.unwrap_err();
    assert!(matches!(told, ConfigError::Half(2)), "{told}");
    assert_eq!((headers(&keeper), keeper.current().0), (60, 2));
    waiting.await.unwrap();
    keeper.end_trial("trial").await.unwrap().unwrap();
    assert_eq!((headers(&keeper), keeper.trial()), (50, None));
}

#[tokio::test]
async fn a_way_back_that_panics_is_not_tried_again_and_again() {
    let (folder, keeper) = begin();
    keeper.live().subscribe_checked(|step| {
        assert_ne!(step.new.limits.size.headers, 50, "a fault of ours");
        Ok(|| ())
    });
    write(&folder, 60);
    keeper.reload("test", Some(Duration::from_millis(1))).await.unwrap();
    keeper.trial_over().await;
    let failed = keeper.end_trial("trial").await.unwrap_err();
    assert!(matches!(failed, ConfigError::Panicked), "{failed}");
    assert_eq!((headers(&keeper), keeper.trial()), (60, None));
}

#[tokio::test]
async fn what_another_process_has_confirmed_or_taken_back_is_so_here_too() {
    let confirm = Some(Duration::from_millis(1));
    for confirms in [true, false] {
        let (folder, keeper) = begin();
        let other = History::open(&folder.path().join("history")).unwrap();
        write(&folder, 60);
        keeper.reload("test", confirm).await.unwrap();
        let file = fs::read_to_string(folder.path().join("gabion.toml")).unwrap();
        if !confirms {
            let (text, at) = (other.text(1).unwrap(), SystemClock::new().unix());
            let holds = Holds::Instead(Some(gabion_config::Digest::of(&file)));
            other.take(&text, "another", at, holds, |_, _| Ok(None)).unwrap();
        }
        other.end_trial().unwrap();
        let before = keeper.versions().unwrap();
        keeper.trial_over().await;
        assert!(keeper.end_trial("trial").await.unwrap().is_none());
        assert_eq!(headers(&keeper), if confirms { 60 } else { 50 });
        assert_eq!((keeper.trial(), keeper.versions().unwrap()), (None, before));
        let late = keeper.confirm().await.unwrap_err();
        assert!(matches!(late, ConfigError::NoTrial), "{late}");
    }
}

#[tokio::test]
async fn a_trial_of_what_was_never_taken_takes_nothing_back() {
    let (folder, keeper) = begin();
    write(&folder, 60);
    keeper.reload("test", None).await.unwrap();
    write(&folder, 70);
    keeper.reload("test", None).await.unwrap();
    drop(keeper);
    // Killed between the note of a trial and the change, or between a change and the end of a trial.
    let path = folder.path().join("history");
    let history = History::open(&path).unwrap();
    let until = UnixTime::from_millis(1);
    history.begin_trial(Trial { version: 2, before: 1, until }).unwrap();
    let sources = Sources { file: Some(folder.path().join("gabion.toml")), ..Sources::default() };
    let keeper = ConfigKeeper::open(sources, &path, SystemClock::new()).unwrap();
    assert_eq!((headers(&keeper), history.trial().unwrap()), (70, None));
}

#[tokio::test(start_paused = true)]
async fn behind_a_change_that_hangs_nobody_waits_for_ever() {
    let (folder, keeper) = begin();
    write(&folder, 60);
    let hangs = Arc::clone(&keeper.turn).lock_owned().await;
    assert!(matches!(keeper.reload("one", None).await, Err(ConfigError::Busy)));
    assert!(matches!(keeper.confirm().await, Err(ConfigError::Busy)));
    drop(hangs);
    keeper.reload("two", None).await.unwrap();
    assert_eq!(headers(&keeper), 60);
}
