use std::path::Path;

use gabion_clock::UnixTime;
use gabion_config::{Digest, Entry, History, Holds, Loaded, diff};

use super::{Accepted, ConfigError, InEffect, Sources, holds::read};
use crate::settings::ServerSettings;

/// A text that was checked and may become the configuration.
pub struct Candidate<'a> {
    sources: &'a Sources,
    text: String,
    loaded: Loaded<ServerSettings>,
}

impl<'a> Candidate<'a> {
    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Checks `text`, which is told as `name`.
    ///
    /// # Errors
    ///
    /// Every mistake at once.
    pub fn new(sources: &'a Sources, name: &str, text: String) -> Result<Self, ConfigError> {
        let loaded = sources.load_text(name, &text).map_err(ConfigError::Findings)?;
        Ok(Self { sources, text, loaded })
    }

    /// An earlier version of the history in `folder`: the one before that which the next start would
    /// take, or the one named. Where the file has mistakes, it is the last that was accepted.
    ///
    /// # Errors
    ///
    /// When there is none, or it has mistakes by now.
    pub fn earlier(
        sources: &'a Sources,
        folder: &Path,
        version: Option<u64>,
        now: UnixTime,
    ) -> Result<Self, ConfigError> {
        let history = History::look(folder).ok_or(ConfigError::NoSuchVersion)?;
        let version = match version {
            Some(version) => version,
            None => version_before(sources, &history, now)?,
        };
        Self::new(sources, &format!("version {version}"), history.text(version)?)
    }

    /// Lets it hold from the next start until the file changes, without a running server; the caller
    /// has the lock of the data. What held before is kept as the version before it.
    ///
    /// # Errors
    ///
    /// When the history cannot be written.
    pub fn hold(self, folder: &Path, author: &str, now: UnixTime) -> Result<Accepted, ConfigError> {
        let holds = Holds::Instead(self.sources.read().digest());
        let history = History::open(folder)?;
        let before = match read(self.sources, Some(&history), now) {
            Ok(before) => {
                history.record(&before.text, &format!("before {author}"), now)?;
                before.loaded.entries
            }
            Err(_) => self.last_accepted(&history)?,
        };
        // A decision without a way back by itself.
        let (version, _) = history.take(&self.text, author, now, holds, |_, _| Ok(None))?;
        Ok(Accepted { version, trial: None, changed: diff(&before, &self.loaded.entries) })
    }

    /// The values of the newest version; its own where there is none, or it has mistakes by now.
    fn last_accepted(&self, history: &History) -> Result<Vec<Entry>, ConfigError> {
        let text = match history.list()?.first() {
            Some(newest) => history.text(newest.number)?,
            None => self.text.clone(),
        };
        let loaded = self.sources.load_text("the last version", &text);
        Ok(loaded.map_or_else(|_| self.loaded.entries.clone(), |loaded| loaded.entries))
    }
}

fn version_before(sources: &Sources, history: &History, now: UnixTime) -> Result<u64, ConfigError> {
    let versions = history.list()?;
    let present = match read(sources, Some(history), now) {
        Ok(InEffect { holds: Holds::AsBefore(version), .. }) => Some(version),
        Ok(InEffect { text, .. }) => {
            let newest = versions.first().filter(|newest| newest.sha256 == Digest::of(&text));
            newest.map(|newest| newest.number)
        }
        // Nothing has taken this file yet.
        Err(ConfigError::Findings(_)) => None,
        Err(error) => return Err(error),
    };
    let before =
        versions.iter().find(|version| present.is_none_or(|present| version.number < present));
    before.map(|version| version.number).ok_or(ConfigError::NoSuchVersion)
}
