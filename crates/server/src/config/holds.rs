use std::path::Path;

use gabion_clock::UnixTime;
use gabion_config::{Finding, History, HistoryError, Holds, Loaded, Origin, Trial};

use super::{ConfigError, Sources};
use crate::settings::ServerSettings;

/// A configuration without mistakes, as it holds or would from the next start.
pub struct InEffect {
    /// The text of the file, or of the version that holds in its place.
    pub text: String,
    /// Its settings, each with its origin.
    pub loaded: Loaded<ServerSettings>,
    pub(super) holds: Holds,
}

/// Reads what holds at `now`: what was before a trial whose time is over, else an applied version if the
/// file has not changed since, else the file.
pub(super) fn read(
    sources: &Sources,
    history: Option<&History>,
    now: UnixTime,
) -> Result<InEffect, ConfigError> {
    let file = sources.read();
    let digest = file.digest();
    if let Some(history) = history {
        let active = history.active(digest)?;
        // Anything else was decided since, or never begun.
        let tried = |trial: &Trial| match active {
            Some(active) => active == trial.version,
            None => history.text(trial.version).is_ok_and(|tried| tried == file.text()),
        };
        let over = history.trial()?.filter(|trial| trial.until <= now && tried(trial));
        if let Some(trial) = over {
            match earlier(sources, history, trial.before, Holds::Instead(digest)) {
                // With mistakes by now, or gone, it is no way back: what was tried stays.
                Err(ConfigError::Findings(_)) => {}
                Err(ConfigError::History(error)) if is_lost(&error) => {}
                found => return found,
            }
        }
        if let Some(version) = active {
            return match earlier(sources, history, version, Holds::AsBefore(version)) {
                Err(ConfigError::History(error)) if is_lost(&error) => {
                    Err(ConfigError::Findings(vec![lost(history, version)]))
                }
                found => found,
            };
        }
    }
    let text = file.text().to_owned();
    // A file that cannot be read is told with every other mistake.
    let loaded = sources.load_file(file).map_err(ConfigError::Findings)?;
    Ok(InEffect { text, loaded, holds: Holds::AsFile })
}

fn is_lost(error: &HistoryError) -> bool {
    matches!(error, HistoryError::NoSuchVersion(_) | HistoryError::Damaged(_))
}

/// Nobody knows any more what is to hold. To go on with the file might open what was closed.
fn lost(history: &History, version: u64) -> Finding {
    let note = history.active_path().display().to_string();
    let told = format!(
        "version {version} is to hold in place of the configuration file, and is missing or damaged; \
         take another one with gabion config rollback or apply, or remove this file to go on with the \
         configuration file"
    );
    Finding::new("", Origin::File { file: note.into(), line: 0, column: 0 }, told)
}

/// The version `version`, which `holds` so long.
pub(super) fn earlier(
    sources: &Sources,
    history: &History,
    version: u64,
    holds: Holds,
) -> Result<InEffect, ConfigError> {
    let text = history.text(version)?;
    let loaded = sources.load_text(&format!("version {version}"), &text);
    Ok(InEffect { text, loaded: loaded.map_err(ConfigError::Findings)?, holds })
}

/// What the next start would take, for the server whose history is in `folder`; changes nothing.
///
/// # Errors
///
/// Every mistake at once, or what keeps the history from being read.
pub fn in_effect(sources: &Sources, folder: &Path, now: UnixTime) -> Result<InEffect, ConfigError> {
    read(sources, History::look(folder).as_ref(), now)
}
