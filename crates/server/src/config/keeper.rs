mod trials;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gabion_clock::{Clock, SystemClock, UnixTime};
use gabion_config::{Entry, History, HistoryError, Holds, Live, Trial, Version, diff};
use tokio::{
    sync::{Notify, OwnedMutexGuard},
    time::timeout,
};
use tracing::info;

use self::trials::OnTrial;
use super::{
    Accepted, ConfigError, InEffect, Sources,
    holds::{earlier, read},
};
use crate::{metrics::CONFIG_RELOADS, settings::ServerSettings};

/// Owns the configuration in effect.
pub struct ConfigKeeper {
    sources: Sources,
    history: History,
    clock: SystemClock,
    live: Arc<Live<ServerSettings>>,
    /// What the process was built from: keys that need a restart have these values to its end.
    begun: Arc<[Entry]>,
    /// Locked for moments.
    current: Mutex<Current>,
    /// Held by a change from its reading to its last subscriber, and by nobody who answers requests.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Told when a trial begins or ends.
    trials: Notify,
}

#[derive(Clone)]
struct Current {
    version: u64,
    entries: Arc<[Entry]>,
    trial: Option<OnTrial>,
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
        // What is left of any other trial has been decided otherwise while no server ran, or cannot be
        // taken back, since what held before has mistakes by now.
        let goes_on = |version, trial: &Trial| trial.version == version && trial.until > now;
        let trial = |version, running: Option<Trial>| Ok(running.filter(|it| goes_on(version, it)));
        let (version, trial) = history.take(&text, "start", now, holds, trial)?;
        let live = Arc::new(Live::new(loaded.settings));
        let current = Current {
            version,
            entries: loaded.entries.into(),
            trial: trial.map(|trial| OnTrial::at(trial, clock)),
        };
        let begun = Arc::clone(&current.entries);
        let (current, turn, trials) = (Mutex::new(current), Arc::default(), Notify::new());
        Ok(Self { sources, history, clock, live, begun, current, turn, trials })
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

    /// The keys whose values hold only after a restart: this process has others.
    #[must_use]
    pub fn needs_restart(&self) -> Vec<String> {
        let changed = diff(&self.begun, &self.current().1);
        changed.needs_restart().map(str::to_owned).collect()
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
        // Read in its turn: what is read later is not replaced by what was read before.
        self.in_turn(move |keeper, turn| {
            keeper.put(turn, keeper.read()?, &author, keeper.tried(confirm))
        })
        .await
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
        self.in_turn(move |keeper, turn| {
            let version = match version {
                Some(version) => version,
                None => {
                    let (now, _) = keeper.current();
                    let versions = keeper.history.list()?;
                    let before = versions.iter().find(|version| version.number < now);
                    before.ok_or(ConfigError::NoSuchVersion)?.number
                }
            };
            let found = earlier(&keeper.sources, &keeper.history, version, keeper.instead())?;
            keeper.put(turn, found, &author, keeper.tried(confirm))
        })
        .await
    }

    /// Takes `text`, which is told as `name`. It holds across restarts until the file changes, or with
    /// `confirm` for that time only, unless it is confirmed.
    ///
    /// # Errors
    ///
    /// Every mistake at once; nothing has changed then.
    pub async fn apply(
        self: &Arc<Self>,
        (name, text): (String, String),
        author: &str,
        confirm: Option<Duration>,
    ) -> Result<Accepted, ConfigError> {
        let author = author.to_owned();
        self.in_turn(move |keeper, turn| {
            let holds = keeper.instead();
            let loaded = keeper.sources.load_text(&name, &text).map_err(ConfigError::Findings)?;
            let found = InEffect { text, loaded, holds };
            keeper.put(turn, found, &author, keeper.tried(confirm))
        })
        .await
    }

    /// Keeps what is on trial; its version.
    ///
    /// # Errors
    ///
    /// When there is nothing on trial, or the history cannot be written.
    pub async fn confirm(self: &Arc<Self>) -> Result<u64, ConfigError> {
        let turn = self.turn().await?;
        self.aside(move |keeper| {
            let _turn = turn;
            // What is on disk counts: during a hand-over two processes decide.
            let trial = keeper.history.end_trial()?.ok_or(ConfigError::NoTrial)?;
            keeper.lock().trial = None;
            keeper.trials.notify_waiters();
            info!(version = trial.version, "configuration confirmed");
            Ok(trial.version)
        })
        .await
    }

    /// In place of the file as it is now.
    fn instead(&self) -> Holds {
        Holds::Instead(self.sources.read().digest())
    }

    fn read(&self) -> Result<InEffect, ConfigError> {
        // A trial ends by its own clock.
        read(&self.sources, Some(&self.history), UnixTime::from_millis(0))
    }

    /// Lets `change` happen when no other one does, and counts how it ends.
    async fn in_turn<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&Self, &Turn) -> Result<T, ConfigError> + Send + 'static,
    ) -> Result<T, ConfigError> {
        let turn = match self.turn().await {
            Ok(turn) => turn,
            Err(busy) => return counted(Err(busy)),
        };
        self.aside(move |keeper| counted(change(keeper, &turn))).await
    }

    /// The turn of whoever asks, unless the one whose turn it is hangs, as on a file system that does not
    /// answer.
    async fn turn(&self) -> Result<Turn, ConfigError> {
        let turn = Arc::clone(&self.turn).lock_owned();
        timeout(PATIENCE, turn).await.map_err(|_| ConfigError::Busy)
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

    /// One change at a time, from the question to the last subscriber: that is what the turn is for.
    /// Whoever cannot follow is asked first; then the change is written down, and then it holds.
    fn put(
        &self,
        _turn: &Turn,
        InEffect { text, loaded, holds }: InEffect,
        author: &str,
        trial: impl FnOnce(u64, Option<Trial>) -> Result<Option<Trial>, HistoryError>,
    ) -> Result<Accepted, ConfigError> {
        let changed = diff(&self.current().1, &loaded.entries);
        let prepared = self.live.prepare(loaded.settings.clone(), changed.clone());
        let prepared =
            prepared.map_err(|refused| ConfigError::Findings(loaded.findings(&refused)))?;
        let (version, trial) = self.history.take(&text, author, self.clock.unix(), holds, trial)?;
        {
            let mut current = self.lock();
            let same = current.trial.filter(|on_trial| Some(on_trial.trial) == trial);
            let trial = same.or_else(|| Some(OnTrial::at(trial?, self.clock)));
            *current = Current { version, entries: loaded.entries.into(), trial };
        }
        self.trials.notify_waiters();
        let told = catch_unwind(AssertUnwindSafe(|| prepared.commit()));
        info!(version, author, changed = changed.len(), "configuration taken");
        // It holds by now, on disk and here.
        told.map_err(|_| ConfigError::Half(version))?;
        Ok(Accepted { version, changed, trial })
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Turn = OwnedMutexGuard<()>;

/// How long a change waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counts how a change ended.
fn counted<T>(taken: Result<T, ConfigError>) -> Result<T, ConfigError> {
    let outcome = match &taken {
        Ok(_) => "taken",
        Err(ConfigError::History(HistoryError::Io { .. } | HistoryError::Left(_))) => "failed",
        Err(ConfigError::Panicked | ConfigError::Half(_)) => "failed",
        Err(_) => "refused",
    };
    // Not bound once: the first configuration is read before there is a recorder.
    metrics::counter!(CONFIG_RELOADS, "outcome" => outcome).increment(1);
    taken
}

#[cfg(test)]
mod tests;
