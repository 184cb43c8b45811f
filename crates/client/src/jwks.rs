//! The key set of an outside issuer, in memory and kept fresh.

mod lifetime;
mod metered;
mod schedule;
mod set;
mod shared;
mod task;
#[cfg(test)]
mod tests;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use gabion_auth::{KeyResolver, VerifyingKey};
use gabion_clock::{Clock, SystemClock};
use gabion_config::settings;
use tokio::task::AbortHandle;

use self::shared::Shared;
pub use self::{
    set::InvalidKeySet,
    shared::{JwksError, JwksStatus},
};
use crate::{Answer, Endpoint, FetchError, Fetcher};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

settings! {
    /// How long a key set is used and how often it is asked for.
    pub struct JwksConfig {
        /// Shortest time a set is used, whatever `Cache-Control` says; `no-store` means this.
        restart min_lifetime: Duration = Duration::from_secs(60), in SECOND..=DAY * 366;
        /// Longest time a set is used without asking again.
        restart max_lifetime: Duration = DAY, in SECOND..=DAY * 366;
        /// How long a set is used when the issuer says nothing.
        restart default_lifetime: Duration = Duration::from_secs(600), in SECOND..=DAY * 366;
        /// Least time from the end of a fetch to one that is made for an unknown key.
        restart cooldown: Duration = Duration::from_secs(30), in SECOND..=DAY;
        /// How long a set is used beyond its lifetime while no new one can be had; then no key is known.
        restart max_stale: Duration = DAY, in Duration::from_millis(1)..=DAY * 366;
    }
}

/// The keys of an outside issuer.
///
/// [`resolve`](KeyResolver::resolve) answers from memory and never waits. A task of this value fetches
/// the set before its lifetime ends, and ends when the last copy is dropped.
///
/// - One fetch at a time. A key that is not in the set makes the task look again, at most once per
///   `cooldown`, whoever asks and however often.
/// - A fetch that fails is tried again after a second, then after twice as long each time, up to five
///   minutes, less a random part of up to a half. Meanwhile the last good set is used, `max_stale` beyond its
///   lifetime and no longer: then no key is known and every token is refused.
///   So a key that the issuer took away is believed for at most a lifetime, and `max_stale` longer
///   where the issuer cannot be reached.
/// - A set with no key that can be used, or with more than 64 entries, counts as a fetch that failed:
///   it does not replace a good one. Entries that cannot be used are passed over. Of two usable keys
///   with one `kid` the first counts.
/// - A token without `kid` is refused, even where the set has a single key.
/// - [`epoch`](KeyResolver::epoch) changes when a key was taken out of the set or replaced, and when
///   the set became too old, by the clock: also when the task is held up.
#[derive(Clone)]
pub struct RemoteJwks {
    shared: Arc<Shared>,
    _task: Arc<Task>,
}

/// Ends the task when the last copy is dropped.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl RemoteJwks {
    /// Begins to fetch the set at `endpoint`. Until the first has come no key is known: a service that
    /// must not refuse good tokens at its start waits for [`ready`](Self::ready).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(endpoint: Endpoint, fetcher: Fetcher, config: &JwksConfig) -> Self {
        Self::start_with_clock(endpoint, fetcher, config, Arc::new(SystemClock::new()))
    }

    /// The same with a clock of one's own, which should keep pace with the runtime's.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start_with_clock(
        endpoint: Endpoint,
        fetcher: Fetcher,
        config: &JwksConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let host = Arc::from(endpoint.host());
        Self::over(Remote { endpoint, fetcher }, host, config, clock)
    }

    fn over(
        source: impl Source,
        host: Arc<str>,
        config: &JwksConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let shared = Arc::new(Shared::new(host, config.clone(), clock));
        let task = tokio::spawn(task::run(Arc::clone(&shared), source));
        Self { shared, _task: Arc::new(Task(task.abort_handle())) }
    }

    /// Waits until there is a set that can be used. It waits as long as there is none: put a time
    /// limit around it, and ask [`status`](Self::status) for the reason.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn ready(&self) {
        self.shared.ready().await;
    }

    /// What is known at present.
    #[must_use]
    pub fn status(&self) -> JwksStatus {
        self.shared.status()
    }
}

impl KeyResolver for RemoteJwks {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        self.shared.resolve(kid)
    }

    fn epoch(&self) -> u64 {
        self.shared.epoch()
    }
}

impl fmt::Debug for RemoteJwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJwks").field("status", &self.status()).finish_non_exhaustive()
    }
}

type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Answer, FetchError>> + Send + 'a>>;

/// Where the document comes from.
trait Source: Send + Sync + 'static {
    fn fetch(&self) -> Fetching<'_>;
}

struct Remote {
    endpoint: Endpoint,
    fetcher: Fetcher,
}

impl Source for Remote {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.fetcher.get(&self.endpoint))
    }
}
