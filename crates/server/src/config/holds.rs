use std::path::Path;

use gabion_clock::UnixTime;
use gabion_config::{Digest, History, HistoryError, Loaded};

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

/// How long a configuration holds.
pub(super) enum Holds {
    /// As long as the file says so.
    AsFile,
    /// It was applied before as this version, and nothing has changed about that.
    AsBefore(u64),
    /// In place of the file, until that no longer has this digest.
    Instead(Option<Digest>),
    /// The same, since what was on trial was not confirmed.
    Again(Option<Digest>),
}

impl Holds {
    /// In place of the file as it is now.
    pub(super) fn instead(sources: &Sources) -> Self {
        Self::Instead(sources.read().digest())
    }

    /// The same, after a trial.
    pub(super) fn again(sources: &Sources) -> Self {
        Self::Again(sources.read().digest())
    }

    pub(super) fn note(&self, history: &History, version: u64) -> Result<(), HistoryError> {
        match self {
            // The file has changed: what held in its place is over, also if it changes back.
            Self::AsFile => history.clear_active(),
            Self::AsBefore(_) => Ok(()),
            Self::Instead(file) => history.set_active(version, *file),
            Self::Again(file) => {
                history.set_active(version, *file)?;
                history.end_trial()
            }
        }
    }
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
    if let Some(history) = history
        && let Some(trial) = history.trial()?.filter(|trial| trial.until <= now)
    {
        let holds = Holds::Again(digest);
        // With mistakes by now it is no way back: what was tried stays.
        match earlier(sources, history, trial.before, holds) {
            Err(ConfigError::Findings(_)) => {}
            found => return found,
        }
    }
    if let Some(history) = history
        && let Some(version) = history.active(digest)?
    {
        return earlier(sources, history, version, Holds::AsBefore(version));
    }
    let text = file.text().to_owned();
    // A file that cannot be read is told with every other mistake.
    let loaded = sources.load_file(file).map_err(ConfigError::Findings)?;
    Ok(InEffect { text, loaded, holds: Holds::AsFile })
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
