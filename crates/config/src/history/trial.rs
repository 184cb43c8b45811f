use gabion_clock::UnixTime;
use serde::{Deserialize, Serialize};

use super::{History, HistoryError};

/// A version that holds only for a time, unless somebody confirms it.
///
/// Whoever changes what they reach the server by may not be able to change it back. So the way back is
/// written down before the change, and is taken also by a process that starts meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// The version on trial.
    pub version: u64,
    /// The one that comes back.
    pub before: u64,
    /// When it comes back.
    pub until: UnixTime,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u64,
    before: u64,
    until_ms: u64,
}

pub(super) const NAME: &str = "trial.json";

impl Trial {
    pub(super) fn render(&self) -> Vec<u8> {
        let Self { version, before, until } = *self;
        let stored = Stored { version, before, until_ms: until.as_millis() };
        serde_json::json!(stored).to_string().into_bytes()
    }
}

impl History {
    /// Writes down that a version is on trial, in place of what was on trial before. Both of its versions
    /// are kept as long as that is so.
    ///
    /// # Errors
    ///
    /// When one of the versions does not exist, or nothing can be written.
    pub fn begin_trial(&self, trial: Trial) -> Result<(), HistoryError> {
        let writing = self.folder.lock()?;
        [trial.version, trial.before].into_iter().try_for_each(|it| self.must_exist(it))?;
        self.folder.write(&writing, NAME, &trial.render())
    }

    /// What is on trial, also when its time is over.
    ///
    /// # Errors
    ///
    /// When the note on disk cannot be read or is damaged.
    pub fn trial(&self) -> Result<Option<Trial>, HistoryError> {
        let Some(content) = self.folder.read(NAME)? else { return Ok(None) };
        let Ok(Stored { version, before, until_ms }) = serde_json::from_slice(&content) else {
            return Err(HistoryError::Damaged(self.folder.path(NAME)));
        };
        Ok(Some(Trial { version, before, until: UnixTime::from_millis(until_ms) }))
    }

    /// Nothing is on trial any more; what was.
    ///
    /// # Errors
    ///
    /// When the note cannot be read, is damaged or cannot be removed.
    pub fn end_trial(&self) -> Result<Option<Trial>, HistoryError> {
        let writing = self.folder.lock()?;
        let trial = self.trial()?;
        self.folder.remove(&writing, NAME)?;
        Ok(trial)
    }
}
