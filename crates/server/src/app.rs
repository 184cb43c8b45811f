//! The parts of a running server, as its handlers see them.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use bytes::Bytes;
use gabion_auth::{Identity, KeyRing};
use gabion_clock::{Clock, Instant, SystemClock};
use gabion_config::Live;
use gabion_errors::Rejection;
use gabion_lifecycle::{Readiness, State};
use gabion_limits::{ConnectionTable, admission::Admission, rate::MemoryRateStore};
use gabion_sql::Sql;
use gabion_tower::{Exchange, Peer};
use http::Request;
use serde_json::Value;

use crate::{
    accounts::CachedAccounts,
    audit::AuditTrail,
    backups::BackupKeeper,
    body::RequestBody,
    caches::Caches,
    config::ConfigKeeper,
    observatory::Observatory,
    openapi,
    restart::Restarter,
    routes::{self, ItemResponse, Pages},
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
    /// Requests in flight.
    pub admission: Arc<Admission>,
    /// The states of rate limits.
    pub rates: Arc<MemoryRateStore>,
    /// Open connections.
    pub connections: Arc<ConnectionTable>,
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
    /// The whole stack, for the items of a batch.
    pub dispatcher: OnceLock<Arc<dyn Dispatch>>,
    /// This very value.
    pub own: Weak<App>,
}

/// Answers a request as if it had come from a connection.
pub trait Dispatch: Send + Sync {
    /// Answers `request` of `peer`.
    fn dispatch(
        &self,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> Pin<Box<dyn Future<Output = ItemResponse> + Send + '_>>;
}

impl App {
    /// A handle that does not keep the server alive.
    #[must_use]
    pub fn handle(&self) -> Weak<Self> {
        self.own.clone()
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

    /// The document of the API that `exchange` came through.
    ///
    /// # Errors
    ///
    /// When too many wait for it already.
    pub async fn openapi(&self, exchange: &Exchange) -> Result<Bytes, Rejection> {
        let all = routes::endpoints(&self.settings.load());
        let (name, mounted) = if routes::mounts_all(&all, exchange) {
            ("openapi", all)
        } else {
            ("openapi-public", routes::public(&all))
        };
        let make = || serde_json::to_vec(&openapi::document(&mounted)).unwrap_or_default().into();
        self.caches.document(name, exchange.now, make).await
    }

    /// Begins a hand-over to a new process and returns its generation.
    ///
    /// # Errors
    ///
    /// When one is under way, or the configuration does not check.
    pub async fn restart(&self, author: &str) -> Result<u64, Rejection> {
        self.config.check()?;
        Ok(self.restarter.begin(author)?)
    }

    /// Answers an item of a batch.
    pub async fn dispatch(&self, request: Request<RequestBody>, peer: Peer) -> ItemResponse {
        match self.dispatcher.get() {
            Some(dispatcher) => dispatcher.dispatch(request, peer).await,
            // Set before the first connection is accepted.
            None => routes::item_refusal(),
        }
    }
}
