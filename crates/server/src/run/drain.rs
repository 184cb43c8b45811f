use std::{convert::Infallible, time::Duration};

use gabion_errors::error_chain;
use gabion_lifecycle::{Inherited, Outcome, Signal, Signals};
use tokio::{sync::Notify, task::JoinHandle, time::MissedTickBehavior};
use tracing::{error, info, warn};

use super::prepare::{Prepared, text};
use crate::{audit::Actor, config::ConfigError, data_dir::DataLock, watch_file::FileWatch};

/// How often the file is looked at even when nobody tells of a change, as on a network's file system.
const LOOK: Duration = Duration::from_secs(60);

impl Prepared {
    /// Waits for the predecessor to go, takes what it left, and then does nothing for ever.
    pub(super) async fn succeed(&self, predecessor: Option<Inherited>) -> Infallible {
        let mut lock = None;
        if let Some(predecessor) = predecessor {
            predecessor.predecessor_gone().await;
            drop(predecessor);
            // It ended with the lock; whoever has that now works on the same data, so it stays shared.
            lock = Some(self.lock().await);
            // What it ended or changed last must be known before its absence is relied on.
            while let Err(error) = self.app.identity.restore().await {
                error!(%error, "cannot learn what the predecessor changed; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            self.app.restarter.set_predecessor(false);
        }
        let never = std::future::pending().await;
        drop(lock);
        never
    }

    /// The lock of the data folder, as soon as nobody else has it.
    async fn lock(&self) -> DataLock {
        loop {
            match self.data_dir.lock() {
                Ok(lock) => return lock,
                Err(error) => {
                    let reason = error_chain(&error);
                    error!(reason, "cannot lock the data folder; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Follows signals and the configuration file until the drain is over.
    pub(super) async fn until_drained(
        &self,
        mut signals: Signals,
        accepting: &mut [JoinHandle<()>],
    ) -> Outcome {
        let hangup = Notify::new();
        let draining = async {
            self.drain.begun().await;
            self.notifier.stopping();
            self.sweeper.drain();
            info!("draining");
            let (begun, within) = (self.app.now(), self.app.settings.load().lifecycle.drain);
            // Whoever is accepted until then is counted before the last one is waited for.
            for task in accepting {
                let _ = task.await;
            }
            // Now nobody waits in a queue that nobody serves: without a successor, new clients are
            // refused by the system at once.
            self.app.restarter.release();
            let spent = self.app.now().saturating_since(begun);
            self.drain.finished(within.saturating_sub(spent)).await
        };
        // Beside the signals: a file system that does not answer keeps nobody from ending the process.
        let following = self.follow_configuration(&hangup);
        tokio::pin!(draining, following);
        loop {
            tokio::select! {
                outcome = &mut draining => return outcome,
                never = &mut following => match never {},
                signal = signals.next() => match signal {
                    Signal::Drain if !self.drain.is_draining() => {
                        let notice = self.app.settings.load().lifecycle.notice();
                        self.drain.begin_with_notice(notice);
                    }
                    Signal::Reload => hangup.notify_one(),
                    _ => return Outcome::Cut { connections: self.drain.open() },
                },
            }
        }
    }

    /// Takes the configuration when its file changes, and on each hangup.
    async fn follow_configuration(&self, hangup: &Notify) -> Infallible {
        let mut file = self.file.as_deref().and_then(FileWatch::begin);
        let mut seen = self.seen.clone();
        self.reload_if_changed(&mut seen).await;
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.reset();
        loop {
            let changed = async {
                match &mut file {
                    Some(file) => file.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => self.reload_if_changed(&mut seen).await,
                _ = looks.tick() => self.reload_if_changed(&mut seen).await,
                () = hangup.notified() => {
                    self.reload("signal").await;
                    // Also when the configuration was not taken.
                    self.app.tls.iter().for_each(|tls| tls.reload_soon());
                }
            }
        }
    }

    async fn reload_if_changed(&self, seen: &mut Option<String>) {
        let file = self.file.clone();
        let Ok(text) = tokio::task::spawn_blocking(move || text(file.as_deref())).await else {
            return;
        };
        if text != *seen {
            *seen = text;
            self.reload("file").await;
        }
    }

    async fn reload(&self, author: &str) {
        if let Err(error) = self.app.reload(&Actor::named(author), None).await {
            if let ConfigError::Findings(findings) = &error {
                for finding in findings {
                    error!(%finding, "the configuration has a mistake");
                }
            }
            error!(
                reason = error_chain(&error),
                "nothing has changed; the last good configuration stays"
            );
        }
    }

    /// Writes what is still to be written, and lets go of the data.
    pub(super) async fn finish(self, outcome: Outcome, trail: JoinHandle<()>) {
        match outcome {
            Outcome::Clean => info!("drained"),
            Outcome::Cut { connections } => warn!(connections, "stopped with connections open"),
        }
        self.app.audit.close();
        if let Err(error) = trail.await {
            error!(%error, "the last audit events could not be written");
        }
        if let Err(error) = self.app.identity.flush_failures().await {
            error!(reason = error_chain(&error), "the last failed logins could not be written");
        }
        // When API keys were last used is written with it.
        if let Err(error) = self.app.identity.prune().await {
            error!(reason = error_chain(&error), "the last uses of API keys could not be written");
        }
        self.sql.close().await;
        drop(self.lock);
    }
}
