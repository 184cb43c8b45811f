use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gabion_clock::{Clock, SystemClock};
use gabion_config::{Entry, History, HistoryError, Live, Version, diff};
use tracing::info;

use super::{
    Accepted, ConfigError, InEffect, Sources,
    holds::{Holds, read},
};
use crate::settings::ServerSettings;

/// Owns the configuration in effect.
pub struct ConfigKeeper {
    sources: Sources,
    history: History,
    clock: SystemClock,
    live: Arc<Live<ServerSettings>>,
    current: Mutex<Current>,
}

struct Current {
    version: u64,
    entries: Arc<[Entry]>,
}

impl ConfigKeeper {
    /// Reads the configuration that holds at the start: an applied one if the file has not changed
    /// since, else the file.
    ///
    /// # Errors
    ///
    /// Every mistake at once, or what keeps the history from being read.
    pub fn open(sources: Sources, folder: &Path, clock: SystemClock) -> Result<Self, ConfigError> {
        let history = History::open(folder)?;
        let InEffect { text, loaded, holds } = read(&sources, Some(&history))?;
        let version = history.record(&text, "start", clock.unix())?;
        holds.note(&history, version)?;
        let live = Arc::new(Live::new(loaded.settings));
        let current = Mutex::new(Current { version, entries: loaded.entries.into() });
        Ok(Self { sources, history, clock, live, current })
    }

    /// The settings in effect.
    #[must_use]
    pub fn live(&self) -> &Arc<Live<ServerSettings>> {
        &self.live
    }

    /// The version in effect and each of its values.
    #[must_use]
    pub fn current(&self) -> (u64, Arc<[Entry]>) {
        let current = self.lock();
        (current.version, Arc::clone(&current.entries))
    }

    /// The text of the version in effect, for a backup.
    ///
    /// # Errors
    ///
    /// When the history cannot be read.
    pub fn text(&self) -> Result<String, HistoryError> {
        self.history.text(self.current().0)
    }

    /// The versions that are kept, newest first.
    ///
    /// # Errors
    ///
    /// When the history cannot be read.
    pub fn versions(&self) -> Result<Vec<Version>, HistoryError> {
        self.history.list()
    }

    /// Checks the configuration as it stands, without taking it.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload).
    pub fn check(&self) -> Result<(), ConfigError> {
        self.read().map(drop)
    }

    /// Takes the configuration as it stands.
    ///
    /// # Errors
    ///
    /// Every mistake at once; nothing has changed then.
    pub async fn reload(&self, author: &str) -> Result<Accepted, ConfigError> {
        self.take(self.read()?, author)
    }

    /// Takes an earlier version: the one before, or the one named. It holds across restarts until
    /// the file changes.
    ///
    /// # Errors
    ///
    /// When there is none, or it has mistakes by now; nothing has changed then.
    pub async fn rollback(
        &self,
        version: Option<u64>,
        author: &str,
    ) -> Result<Accepted, ConfigError> {
        let version = match version {
            Some(version) => version,
            None => {
                let (now, _) = self.current();
                let versions = self.history.list()?;
                let before = versions.iter().find(|version| version.number < now);
                before.ok_or(ConfigError::NoSuchVersion)?.number
            }
        };
        let text = self.history.text(version)?;
        let loaded = self
            .sources
            .load_text(&format!("version {version}"), &text)
            .map_err(ConfigError::Findings)?;
        let holds = Holds::instead(&self.sources)?;
        self.take(InEffect { text, loaded, holds }, author)
    }

    fn read(&self) -> Result<InEffect, ConfigError> {
        read(&self.sources, Some(&self.history))
    }

    fn take(
        &self,
        InEffect { text, loaded, holds }: InEffect,
        author: &str,
    ) -> Result<Accepted, ConfigError> {
        // One change at a time, from the record to the last subscriber.
        let mut current = self.lock();
        let version = self.history.record(&text, author, self.clock.unix())?;
        holds.note(&self.history, version)?;
        let changed = diff(&current.entries, &loaded.entries);
        *current = Current { version, entries: loaded.entries.into() };
        self.live.swap(loaded.settings);
        drop(current);
        info!(version, author, changed = changed.len(), "configuration taken");
        Ok(Accepted { version, changed })
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
