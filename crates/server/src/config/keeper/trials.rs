//! Changes that hold for a time only, unless they are confirmed.

use std::{sync::Arc, time::Duration};

use gabion_clock::{Clock, Instant, SystemClock, UnixTime};
use gabion_config::{HistoryError, Trial};
use gabion_errors::error_chain;
use tracing::{error, warn};

use super::{Accepted, ConfigError, ConfigKeeper, Turn, counted, earlier};

/// A trial, and when it ends by the clock that nobody sets.
#[derive(Clone, Copy)]
pub(super) struct OnTrial {
    pub(super) trial: Trial,
    pub(super) ends: Instant,
}

impl OnTrial {
    /// A trial that another process began.
    pub(super) fn at(trial: Trial, clock: SystemClock) -> Self {
        let left = trial.until.saturating_since(clock.unix());
        Self { trial, ends: clock.now() + left }
    }
}

impl ConfigKeeper {
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

    /// Takes back what is on trial, if its time is over and no other process has decided about it. What
    /// held before holds then until the file changes; where it cannot be read any more, what was tried
    /// stays.
    ///
    /// # Errors
    ///
    /// When what held before cannot be read, or the history cannot be written.
    pub async fn end_trial(
        self: &Arc<Self>,
        author: &str,
    ) -> Result<Option<Accepted>, ConfigError> {
        let author = author.to_owned();
        // However long that takes: nobody is there to try again.
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let taken = self.aside(move |keeper| keeper.revert(&turn, &author)).await;
        if let Err(error) = &taken {
            // With half of the parts it has come back.
            if !matches!(error, ConfigError::Half(_)) {
                error!(reason = error_chain(error), "the version before cannot come back");
            }
            // Not again and again: a start tries once more, as the note on disk stays.
            let now = self.clock.now();
            let mut current = self.lock();
            current.trial = current.trial.filter(|on_trial| on_trial.ends > now);
        }
        taken
    }

    fn revert(&self, turn: &Turn, author: &str) -> Result<Option<Accepted>, ConfigError> {
        let over = |on_trial: &OnTrial| on_trial.ends <= self.clock.now();
        let Some(OnTrial { trial, .. }) = self.lock().trial.filter(over) else { return Ok(None) };
        match self.take_back(turn, trial, author) {
            // By a predecessor or successor, whose decision holds here as well.
            Err(ConfigError::History(HistoryError::Decided)) => {
                counted(self.put(turn, self.read()?, author, self.tried(None))).map(|_| None)
            }
            taken => counted(taken).map(Some),
        }
    }

    fn take_back(&self, turn: &Turn, trial: Trial, author: &str) -> Result<Accepted, ConfigError> {
        // Asked again under the lock that the other process has to wait for.
        let undecided = |running| match running == Some(trial) {
            true => Ok(None),
            false => Err(HistoryError::Decided),
        };
        undecided(self.history.trial()?)?;
        warn!(
            version = trial.version,
            "the configuration was not confirmed in time; version {} comes back", trial.before
        );
        let before = earlier(&self.sources, &self.history, trial.before, self.instead())?;
        self.put(turn, before, author, |_, running| undecided(running))
    }

    /// Decides which trial begins or goes on when a version is taken.
    pub(super) fn tried(
        &self,
        confirm: Option<Duration>,
    ) -> impl FnOnce(u64, Option<Trial>) -> Result<Option<Trial>, HistoryError> + use<> {
        let (now, current) = (self.clock.unix(), self.lock().clone());
        move |version, running| {
            // One that nobody watches any more could not be taken back.
            let known = |trial: &Trial| current.trial.is_some_and(|it| it.trial == *trial);
            let watched = running.filter(|trial| known(trial) || trial.until > now);
            Ok(match confirm {
                // What comes back is what was there before the first of several trials.
                Some(span) if version != current.version || watched.is_some() => {
                    let before = watched.map_or(current.version, |trial| trial.before);
                    let until = now.as_millis() + span.as_millis() as u64;
                    Some(Trial { version, before, until: UnixTime::from_millis(until) })
                }
                // Reading the same again decides nothing; taking something else does.
                _ => running.filter(|trial| trial.version == version),
            })
        }
    }
}
