use std::{fs, io};

use gabion_clock::UnixTime;
use serde::{Deserialize, Serialize};

use super::{History, HistoryError, durable::at, version_file};

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

const NAME: &str = "trial.json";

impl History {
    /// Writes down that a version is on trial, in place of what was on trial before. Both of its versions
    /// are kept as long as that is so.
    ///
    /// # Errors
    ///
    /// When one of the versions does not exist, or nothing can be written.
    pub fn begin_trial(&self, trial: Trial) -> Result<(), HistoryError> {
        let writing = self.folder.lock()?;
        for version in [trial.version, trial.before] {
            let path = self.folder.path(&version_file::name(version));
            if !path.try_exists().map_err(at(&path))? {
                return Err(HistoryError::NoSuchVersion(version));
            }
        }
        let Trial { version, before, until } = trial;
        let stored = serde_json::json!(Stored { version, before, until_ms: until.as_millis() });
        self.folder.write(&writing, NAME, stored.to_string().as_bytes())
    }

    /// What is on trial, also when its time is over.
    ///
    /// # Errors
    ///
    /// When the note on disk cannot be read or is damaged.
    pub fn trial(&self) -> Result<Option<Trial>, HistoryError> {
        let path = self.folder.path(NAME);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&path)(error)),
        };
        let Ok(Stored { version, before, until_ms }) = serde_json::from_slice(&content) else {
            return Err(HistoryError::Damaged(path));
        };
        Ok(Some(Trial { version, before, until: UnixTime::from_millis(until_ms) }))
    }

    /// Nothing is on trial any more.
    ///
    /// # Errors
    ///
    /// When nothing can be written.
    pub fn end_trial(&self) -> Result<(), HistoryError> {
        let writing = self.folder.lock()?;
        self.folder.remove(&writing, NAME)
    }
}
