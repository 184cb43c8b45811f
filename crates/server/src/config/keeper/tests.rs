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
