//! The parts of a running server, as its handlers see them.

use std::{
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use gabion_auth::{Identity, KeyRing, TokenAuthenticator};
use gabion_clock::{Clock, Instant, SystemClock};
use gabion_config::Live;
use gabion_errors::{Rejection, ToProblem};
use gabion_lifecycle::{Readiness, State};
use gabion_limits::{ConnectionTable, admission::Admission};
use gabion_sql::{Sql, backup::Backup};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{
    accounts::CachedAccounts,
    audit::{Actor, AuditTrail},
    backups::BackupKeeper,
    bulkheads::Bulkheads,
    caches::Caches,
    config::{Accepted, ConfigError, ConfigKeeper},
    listen::Tls,
    observatory::Observatory,
    rates::Rates,
    restart::Restarter,
    routes::Pages,
    settings::ServerSettings,
    status,
    telemetry::Telemetry,
};

/// Everything that handlers use.
pub struct App {
    /// The time.
    pub clock: SystemClock,
    /// When the process was ready to build its parts.
    pub begun: Instant,
    /// The settings in effect.
    pub settings: Arc<Live<ServerSettings>>,
    /// The configuration with its history.
    pub config: Arc<ConfigKeeper>,
    /// Logins, sessions and accounts.
    pub identity: Identity<Sql>,
    /// The signing keys.
    pub keys: Arc<KeyRing>,
    /// The cached look-up of accounts.
    pub accounts: CachedAccounts,
    /// Who a token belongs to.
    pub authenticator: Arc<TokenAuthenticator<CachedAccounts, Sql>>,
    /// Places for those who follow the events.
    pub followers: Arc<Semaphore>,
    /// Requests in flight.
    pub admission: Arc<Admission>,
    /// Places for expensive work.
    pub bulkheads: Bulkheads,
    /// The rate limits and their states.
    pub rates: Rates,
    /// Open connections.
    pub connections: Arc<ConnectionTable>,
    /// Those of the admin address: it has places of its own.
    pub admin_connections: Arc<ConnectionTable>,
    /// TLS, where it is on.
    pub tls: Option<Arc<Tls>>,
    /// Resources, budgets, alerts, health.
    pub observatory: Arc<Observatory>,
    /// The log and the metrics.
    pub telemetry: Arc<Telemetry>,
    /// Whether requests should come here.
    pub readiness: Readiness,
    /// Hands over to a new process.
    pub restarter: Arc<Restarter>,
    /// Backups.
    pub backups: Arc<BackupKeeper>,
    /// Documents made once.
    pub caches: Caches,
    /// The pages.
    pub pages: Pages,
    pub(crate) audit: AuditTrail,
    pub(crate) sql: Sql,
    /// This very value.
    pub own: Weak<App>,
}

impl App {
    /// A handle that does not keep the server alive.
    #[must_use]
    pub fn handle(&self) -> Weak<Self> {
        self.own.clone()
    }

    /// Connections that are open, of both addresses.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.connections.open() + self.admin_connections.open()
    }

    /// Monotonic time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// How long the process has been there at `now`.
    #[must_use]
    pub fn uptime(&self, now: Instant) -> Duration {
        now.saturating_since(self.begun)
    }

    /// The state in a word.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match self.readiness.state() {
            State::Starting => "starting",
            State::Ready => "ready",
            State::Draining => "draining",
            State::Stopped => "stopped",
        }
    }

    /// The status document.
    #[must_use]
    pub fn status(&self, now: Instant) -> Value {
        status::document(self, now)
    }

    /// Begins a hand-over to a new process and returns its generation.
    ///
    /// # Errors
    ///
    /// When one is under way, or the configuration does not check.
    pub(crate) async fn restart(&self, actor: &Actor) -> Result<u64, Rejection> {
        let begun = match self.config.check().await {
            Ok(()) => self.restarter.begin(actor.name()).map_err(Rejection::from),
            Err(error) => Err(error.into()),
        };
        self.note("restart", actor, begun, |rejection| rejection.problem().code())
    }

    /// Takes the configuration as it stands.
    ///
    /// # Errors
    ///
    /// See [`ConfigKeeper::reload`].
    pub(crate) async fn reload(
        &self,
        actor: &Actor,
        confirm: Option<Duration>,
    ) -> Result<Accepted, ConfigError> {
        let taken = self.config.reload(actor.name(), confirm).await;
        self.note("config.reload", actor, taken, |error| error.to_problem().code())
    }

    /// Takes an earlier configuration, or one that was applied.
    ///
    /// # Errors
    ///
    /// See [`ConfigKeeper::rollback`].
    pub(crate) async fn rollback(
        &self,
        version: Option<u64>,
        actor: &Actor,
        confirm: Option<Duration>,
    ) -> Result<Accepted, ConfigError> {
        let taken = self.config.rollback(version, actor.name(), confirm).await;
        self.note("config.rollback", actor, taken, |error| error.to_problem().code())
    }

    /// Takes a text as the configuration; with it comes the name that findings tell it by.
    ///
    /// # Errors
    ///
    /// See [`ConfigKeeper::apply`].
    pub(crate) async fn apply(
        &self,
        text: (String, String),
        actor: &Actor,
        confirm: Option<Duration>,
    ) -> Result<Accepted, ConfigError> {
        let taken = self.config.apply(text, "gabion config apply", confirm).await;
        self.note("config.apply", actor, taken, |error| error.to_problem().code())
    }

    /// Keeps the configuration that is on trial.
    ///
    /// # Errors
    ///
    /// See [`ConfigKeeper::confirm`].
    pub(crate) async fn confirm(&self, actor: &Actor) -> Result<u64, ConfigError> {
        let kept = self.config.confirm().await;
        self.note("config.confirm", actor, kept, |error| error.to_problem().code())
    }

    /// Takes back each configuration that is not confirmed in time.
    pub(crate) async fn end_trials(&self) {
        let actor = Actor::named("trial");
        loop {
            self.config.trial_over().await;
            match self.config.end_trial(actor.name()).await {
                // Somebody was faster.
                Ok(None) => {}
                Ok(Some(_)) => {
                    let _ = self.note("config.revert", &actor, Ok::<_, ()>(()), |()| "");
                }
                Err(error) => {
                    let failed: Result<(), _> = Err(error);
                    let _ = self
                        .note("config.revert", &actor, failed, |error| error.to_problem().code());
                }
            }
        }
    }

    /// Makes a backup.
    ///
    /// # Errors
    ///
    /// See [`BackupKeeper::create`].
    pub(crate) async fn back_up(&self, actor: &Actor) -> Result<Backup, Rejection> {
        let made = self.backups.create().await;
        self.note("backup.create", actor, made, |rejection| rejection.problem().code())
    }

    /// Runs an administrative act to its end and its record, also when whoever asked for it is gone.
    ///
    /// # Errors
    ///
    /// When it panics, or the process is at its end.
    pub(crate) async fn carry_through<O, F>(
        &self,
        act: impl FnOnce(Arc<Self>) -> F,
    ) -> Result<O, Rejection>
    where
        O: Send + 'static,
        F: Future<Output = O> + Send + 'static,
    {
        let app = self.own.upgrade().ok_or_else(|| Rejection::internal("the process ends"))?;
        tokio::spawn(act(app)).await.map_err(Rejection::internal)
    }

    /// Keeps a record of an administrative act, also of one that failed.
    fn note<T, E>(
        &self,
        action: &'static str,
        actor: &Actor,
        done: Result<T, E>,
        code: impl FnOnce(&E) -> &'static str,
    ) -> Result<T, E> {
        let outcome = done.as_ref().err().map_or("success", code);
        self.audit.note(actor.did(action, outcome, self.clock.unix()));
        done
    }
}
