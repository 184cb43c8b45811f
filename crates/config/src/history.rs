use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use gabion_clock::UnixTime;
use serde::{Serialize, Serializer};

mod active;
mod digest;
mod durable;
mod take;
mod trial;
mod version_file;

pub use self::{digest::Digest, take::Holds, trial::Trial};
use self::{durable::Folder, version_file::VersionFile};

/// The configurations that were accepted, and which of them holds in place of the file.
///
/// Each version is one file of its own, `0000000012.toml`: a comment that tells number, author, time
/// and digest, then the text. Files are readable by their owner alone, since they may hold secrets.
///
/// Every operation is atomic and, where it writes, on disk when it returns. Several threads and
/// processes may use one folder: writers take turns by a lock on the file `lock`, readers need none.
/// All operations block on the file system.
///
/// ```
/// use gabion_config::{Digest, History, Holds};
/// use gabion_clock::{Clock, ManualClock};
///
/// let dir = tempfile::tempdir()?;
/// let clock = ManualClock::new();
/// let history = History::open(&dir.path().join("history"))?;
/// let file = "[limits.size]\nbody = '10MiB'\n";
/// history.record(file, "gabion.toml", clock.unix())?;
///
/// // Another is applied while the file says the first: it holds until the file changes.
/// let (text, holds) = ("[limits.size]\nbody = '20MiB'\n", Holds::Instead(Some(Digest::of(file))));
/// let (second, _) = history.take(text, "admin", clock.unix(), holds, |_, _| Ok(None))?;
/// assert_eq!(history.active(Some(Digest::of(file)))?, Some(second));
/// assert_eq!(history.active(Some(Digest::of("# edited")))?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct History {
    folder: Folder,
}

/// How many versions are kept, besides the active one and those of a trial.
const KEPT: usize = 20;
/// Largest text, as for a file.
const MAX_TEXT: usize = 1 << 20;

/// One accepted configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Version {
    /// Counts from 1, never reused while a later one exists.
    pub number: u64,
    /// Who applied it, or the file it came from.
    pub author: String,
    /// When it was accepted; RFC 3339 when serialized.
    #[serde(serialize_with = "as_text")]
    pub at: UnixTime,
    /// Of the text.
    pub sha256: Digest,
}

fn as_text<S: Serializer>(value: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Why the history could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The file system refused.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// What was to be read or written.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// Never recorded, or no longer kept.
    #[error("there is no configuration version {0} in the history")]
    NoSuchVersion(u64),
    /// The content is not what was written.
    #[error("{} is damaged, remove it", .0.display())]
    Damaged(PathBuf),
    /// The text has more than 1 MiB.
    #[error("a configuration of {0} bytes is too large to keep")]
    TooLarge(usize),
    /// What was on trial has been confirmed, or taken back, or replaced, maybe by another process.
    #[error("what was on trial has been decided otherwise")]
    Decided,
    /// A change failed, and so did taking back what was written of it.
    #[error("a change failed, and the next start may take it, as it is still on disk")]
    Left(#[source] Box<HistoryError>),
}

impl History {
    /// Opens the history in `dir`, which is created with mode 0700 where it is missing, and removes
    /// what a crash left half written.
    ///
    /// # Errors
    ///
    /// When the folder cannot be created or written.
    pub fn open(dir: &Path) -> Result<Self, HistoryError> {
        let folder = Folder::create(dir)?;
        let writing = folder.lock()?;
        folder.remove_temporary(&writing)?;
        let history = Self { folder };
        history.finish(&writing)?;
        Ok(history)
    }

    /// The history in `dir` as it is, to be read; `None` when there is no such folder. Creates and
    /// removes nothing.
    #[must_use]
    pub fn look(dir: &Path) -> Option<Self> {
        Some(Self { folder: Folder::existing(dir)? })
    }

    /// Records `text` as the newest version and returns its number; the number of the present newest
    /// when that has the same text. Author names are cut at 200 characters.
    ///
    /// # Errors
    ///
    /// When the text has more than 1 MiB or cannot be written.
    pub fn record(&self, text: &str, author: &str, now: UnixTime) -> Result<u64, HistoryError> {
        let writing = self.folder.lock()?;
        let (number, new) = self.next(text, author, now)?;
        if let Some(content) = new {
            self.folder.write(&writing, &version_file::name(number), &content)?;
        }
        self.prune(number);
        Ok(number)
    }

    /// Every version kept, newest first; damaged ones are left out.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Version>, HistoryError> {
        let files = self.files()?;
        let newest_first = files.iter().rev();
        Ok(newest_first
            .filter_map(|(number, path)| VersionFile::read(*number, path).ok())
            .map(|file| file.version)
            .collect())
    }

    /// The text of a version, exactly as it was recorded.
    ///
    /// # Errors
    ///
    /// When there is no such version, it cannot be read or is damaged.
    pub fn text(&self, number: u64) -> Result<String, HistoryError> {
        let path = self.folder.path(&version_file::name(number));
        let file = match VersionFile::read(number, &path) {
            // Somebody was killed before it had its name.
            Err(HistoryError::NoSuchVersion(_)) => self.unfinished(number)?,
            file => file?,
        };
        Ok(file.text)
    }

    fn files(&self) -> Result<BTreeMap<u64, PathBuf>, HistoryError> {
        let names = self.folder.names()?;
        let numbered = names.iter().filter_map(|name| Some((version_file::number(name)?, name)));
        Ok(numbered.map(|(number, name)| (number, self.folder.path(name))).collect())
    }

    /// Removes what is older than the newest [`KEPT`], of which one is `newest`. Failure is left to the
    /// next record: the version itself is already safe.
    fn prune(&self, newest: u64) {
        // What cannot be known to be of no use stays.
        let (Ok(files), Ok(in_use)) = (self.files(), self.in_use()) else { return };
        let old = files.into_iter().rev().filter(|(number, _)| *number < newest).skip(KEPT - 1);
        for (number, path) in old {
            if !in_use.contains(&Some(number)) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// The versions that hold, are on trial, or come back after it.
    fn in_use(&self) -> Result<[Option<u64>; 3], HistoryError> {
        let (active, trial) = (self.stored_active()?, self.trial()?);
        let (version, before) = (trial.map(|trial| trial.version), trial.map(|trial| trial.before));
        Ok([active.map(|active| active.version), version, before])
    }
}

#[cfg(test)]
mod tests;
