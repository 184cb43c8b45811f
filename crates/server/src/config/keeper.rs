use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gabion_clock::{Clock, Instant, SystemClock, UnixTime};
use gabion_config::{Entry, History, HistoryError, Live, Trial, Version, diff};
use gabion_errors::error_chain;
use tokio::sync::Notify;
use tracing::{error, info, warn};

use super::{
    Accepted, ConfigError, InEffect, Sources,
    holds::{Holds, earlier, read},
};
use crate::{metrics::CONFIG_RELOADS, settings::ServerSettings};

/// Owns the configuration in effect.
pub struct ConfigKeeper {
    sources: Sources,
    history: History,
    clock: SystemClock,
    live: Arc<Live<ServerSettings>>,
    /// Locked for moments.
    current: Mutex<Current>,
    /// Held by a change from its reading to its last subscriber, and by nobody who answers requests.
    turn: Mutex<()>,
    /// Told when a trial begins or ends.
    trials: Notify,
}

#[derive(Clone)]
struct Current {
    version: u64,
    entries: Arc<[Entry]>,
    trial: Option<OnTrial>,
}

/// A trial, and when it ends by the clock that nobody sets.
#[derive(Clone, Copy)]
struct OnTrial {
    trial: Trial,
    ends: Instant,
}

impl ConfigKeeper {
    /// Reads the configuration that holds at the start: an applied one if the file has not changed
    /// since, else the file; after a trial that nobody confirmed in time, what held before it.
    ///
    /// # Errors
    ///
    /// Every mistake at once, or what keeps the history from being read.
    pub fn open(sources: Sources, folder: &Path, clock: SystemClock) -> Result<Self, ConfigError> {
        let history = History::open(folder)?;
        let now = clock.unix();
        let InEffect { text, loaded, holds } = read(&sources, Some(&history), now)?;
        let version = history.record(&text, "start", now)?;
        holds.note(&history, version)?;
        // What is left of a trial now has been decided otherwise while no server ran, or cannot be taken
        // back, since what held before has mistakes by now.
        let trial = history.trial()?;
        let goes_on = |trial: &Trial| trial.version == version && trial.until > now;
        if trial.is_some_and(|trial| !goes_on(&trial)) {
            history.end_trial()?;
        }
        let trial = trial.filter(goes_on);
        let live = Arc::new(Live::new(loaded.settings));
        let current = Current {
            version,
            entries: loaded.entries.into(),
            trial: trial.map(|trial| OnTrial::at(trial, clock)),
        };
        let (current, turn, trials) = (Mutex::new(current), Mutex::new(()), Notify::new());
        Ok(Self { sources, history, clock, live, current, turn, trials })
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
    pub async fn check(self: &Arc<Self>) -> Result<(), ConfigError> {
        self.aside(|keeper| keeper.read().map(drop)).await
    }

    /// Takes the configuration as it stands; with `confirm` for that time only, unless it is
    /// [confirmed](Self::confirm).
    ///
    /// # Errors
    ///
    /// Every mistake at once; nothing has changed then.
    pub async fn reload(
        self: &Arc<Self>,
        author: &str,
        confirm: Option<Duration>,
    ) -> Result<Accepted, ConfigError> {
        let author = author.to_owned();
        let take = move |keeper: &Self| {
            // Read in its turn: what is read later is not replaced by what was read before.
            let turn = keeper.turn();
            keeper.put(&turn, keeper.read()?, &author, confirm)
        };
        self.aside(move |keeper| counted(take(keeper))).await
    }

    /// Takes an earlier version: the one before, or the one named. It holds across restarts until
    /// the file changes, or with `confirm` for that time only, unless it is confirmed.
    ///
    /// # Errors
    ///
    /// When there is none, or it has mistakes by now; nothing has changed then.
    pub async fn rollback(
        self: &Arc<Self>,
        version: Option<u64>,
        author: &str,
        confirm: Option<Duration>,
    ) -> Result<Accepted, ConfigError> {
        let author = author.to_owned();
        let take = move |keeper: &Self| {
            let turn = keeper.turn();
            let version = match version {
                Some(version) => version,
                None => {
                    let (now, _) = keeper.current();
                    let versions = keeper.history.list()?;
                    let before = versions.iter().find(|version| version.number < now);
                    before.ok_or(ConfigError::NoSuchVersion)?.number
                }
            };
            let holds = Holds::instead(&keeper.sources);
            let found = earlier(&keeper.sources, &keeper.history, version, holds)?;
            keeper.put(&turn, found, &author, confirm)
        };
        self.aside(move |keeper| counted(take(keeper))).await
    }

    /// Keeps what is on trial; its version.
    ///
    /// # Errors
    ///
    /// When there is nothing on trial, or the history cannot be written.
    pub async fn confirm(self: &Arc<Self>) -> Result<u64, ConfigError> {
        self.aside(|keeper| {
            let _turn = keeper.turn();
            let trial = keeper.lock().trial.ok_or(ConfigError::NoTrial)?;
            keeper.history.end_trial()?;
            keeper.lock().trial = None;
            keeper.trials.notify_waiters();
            info!(version = trial.trial.version, "configuration confirmed");
            Ok(trial.trial.version)
        })
        .await
    }

    /// What is on trial.
    #[must_use]
    pub fn trial(&self) -> Option<Trial> {
        self.lock().trial.map(|on_trial| on_trial.trial)
    }

    /// Waits until a trial is over that nobody has confirmed.
    pub async fn trial_over(&self) {
        loop {
            let mut told = std::pin::pin!(self.trials.notified());
            // Before the look, so that nothing is told between the two.
            told.as_mut().enable();
            let on_trial = self.lock().trial;
            let Some(OnTrial { ends, .. }) = on_trial else {
                told.await;
                continue;
            };
            let left = ends.saturating_since(self.clock.now());
            if left.is_zero() {
                return;
            }
            let _ = tokio::time::timeout(left, told).await;
        }
    }

    /// Takes back what is on trial, if its time is over. What held before holds then until the file
    /// changes; where it cannot be read any more, what was tried stays.
    ///
    /// # Errors
    ///
    /// When what held before cannot be read, or the history cannot be written.
    pub async fn end_trial(
        self: &Arc<Self>,
        author: &str,
    ) -> Result<Option<Accepted>, ConfigError> {
        let author = author.to_owned();
        self.aside(move |keeper| keeper.revert(&author)).await
    }

    fn revert(&self, author: &str) -> Result<Option<Accepted>, ConfigError> {
        // Held to the end: what is confirmed or applied meanwhile is not taken back.
        let turn = self.turn();
        let over = |on_trial: &OnTrial| on_trial.ends <= self.clock.now();
        let Some(OnTrial { trial, .. }) = self.lock().trial.filter(over) else { return Ok(None) };
        warn!(
            version = trial.version,
            "the configuration was not confirmed in time; version {} comes back", trial.before
        );
        let holds = Holds::again(&self.sources);
        let before = earlier(&self.sources, &self.history, trial.before, holds);
        let taken = counted(before.and_then(|it| self.put(&turn, it, author, None)));
        if let Err(error) = &taken {
            error!(reason = error_chain(error), "the version before cannot come back");
            // Not again and again: a start tries once more, as the note on disk stays.
            self.lock().trial = None;
        }
        taken.map(Some)
    }

    fn read(&self) -> Result<InEffect, ConfigError> {
        // A trial ends by its own clock.
        read(&self.sources, Some(&self.history), UnixTime::from_millis(0))
    }

    /// Does `work`, which reads and writes files, where it holds up no requests.
    async fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, ConfigError> + Send + 'static,
    ) -> Result<T, ConfigError> {
        let keeper = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&keeper)).await;
        // A signal's reload has nobody above it who would catch a panic.
        done.unwrap_or_else(|error| match error.is_panic() {
            true => counted(Err(ConfigError::Panicked)),
            false => Err(ConfigError::Panicked),
        })
    }

    /// One change at a time, from the question to the last subscriber: that is what the turn is for. Whoever cannot follow is asked first; then the change is written down, and then it holds.
    fn put(
        &self,
        _turn: &Turn<'_>,
        InEffect { text, loaded, holds }: InEffect,
        author: &str,
        confirm: Option<Duration>,
    ) -> Result<Accepted, ConfigError> {
        let current = self.lock().clone();
        let changed = diff(&current.entries, &loaded.entries);
        let prepared = self.live.prepare(loaded.settings.clone(), changed.clone());
        let prepared =
            prepared.map_err(|refused| ConfigError::Findings(loaded.findings(&refused)))?;
        let (version, new) = self.history.propose(&text, author, self.clock.unix())?;
        let on_trial = self.tried(&current, version, &holds, confirm);
        if let Err(error) = self.write_down(version, on_trial, &holds) {
            self.unwrite(&current, new.then_some(version));
            return Err(error.into());
        }
        *self.lock() = Current { version, entries: loaded.entries.into(), trial: on_trial };
        prepared.commit();
        // Now earlier ones may give way. Failing that, the next change does it.
        let _ = self.history.record(&text, author, self.clock.unix());
        self.trials.notify_waiters();
        info!(version, author, changed = changed.len(), "configuration taken");
        Ok(Accepted { version, changed, trial: on_trial.map(|on_trial| on_trial.trial) })
    }

    fn write_down(
        &self,
        version: u64,
        on_trial: Option<OnTrial>,
        holds: &Holds,
    ) -> Result<(), HistoryError> {
        match &on_trial {
            // The way back is on disk before the change is.
            Some(on_trial) => self.history.begin_trial(on_trial.trial)?,
            // Also one that could not be taken back and is on disk alone.
            None => self.history.end_trial()?,
        }
        holds.note(&self.history, version)
    }

    /// Takes back what was written of a change that does not hold, as far as the disk lets it.
    fn unwrite(&self, current: &Current, version: Option<u64>) {
        let trial = match current.trial {
            Some(on_trial) => self.history.begin_trial(on_trial.trial),
            None => self.history.end_trial(),
        };
        let withdrawn = version.map_or(Ok(()), |version| self.history.withdraw(version));
        for error in [trial, withdrawn].into_iter().filter_map(Result::err) {
            warn!(reason = error_chain(&error), "a change that does not hold is still on disk");
        }
    }

    /// The trial that begins or goes on when `version` is taken.
    fn tried(
        &self,
        current: &Current,
        version: u64,
        holds: &Holds,
        confirm: Option<Duration>,
    ) -> Option<OnTrial> {
        let running = current.trial.filter(|_| !matches!(holds, Holds::Again(_)));
        match confirm {
            // What comes back is what was there before the first of several trials.
            Some(span) if version != current.version || running.is_some() => {
                let before = running.map_or(current.version, |running| running.trial.before);
                let until =
                    UnixTime::from_millis(self.clock.unix().as_millis() + span.as_millis() as u64);
                let trial = Trial { version, before, until };
                Some(OnTrial { trial, ends: self.clock.now() + span })
            }
            // Reading the same again decides nothing; taking something else does.
            _ => running.filter(|running| running.trial.version == version),
        }
    }

    fn turn(&self) -> Turn<'_> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Turn<'a> = MutexGuard<'a, ()>;

/// Counts how a change ended.
fn counted<T>(taken: Result<T, ConfigError>) -> Result<T, ConfigError> {
    let outcome = match &taken {
        Ok(_) => "taken",
        Err(ConfigError::History(HistoryError::Io { .. }) | ConfigError::Panicked) => "failed",
        Err(_) => "refused",
    };
    // Not bound once: the first configuration is read before there is a recorder.
    metrics::counter!(CONFIG_RELOADS, "outcome" => outcome).increment(1);
    taken
}

impl OnTrial {
    /// A trial that another process began.
    fn at(trial: Trial, clock: SystemClock) -> Self {
        let left = trial.until.saturating_since(clock.unix());
        Self { trial, ends: clock.now() + left }
    }
}

#[cfg(test)]
mod tests;
