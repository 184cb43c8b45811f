//! A keyed limiter of the crate [`governor`] as a limit like those here (feature `governor`).
//!
//! For a service that runs such a limiter already, with one quota for all of its keys: it keeps its state,
//! and gets the problem, the waiting time and the counters that every other limit has.
//!
//! It is no [`RateStore`](crate::rate::RateStore), and cannot be made one. Its quota belongs to the limiter
//! and not to the charge, so neither a caller's tier nor a new configuration can change it. It cannot look
//! without taking, decide several limits as one, give units back, or be told the time. And it keeps every
//! key that it has seen until somebody calls `retain_recent`, so whoever can invent keys decides how much
//! memory it takes. [`MemoryRateStore`](crate::rate::MemoryRateStore) does all of this in a fixed size.
//!
//! ```
//! use std::{num::NonZeroU32, sync::Arc};
//! use gabion_limits::governed::Governed;
//! use governor::{Quota, RateLimiter};
//!
//! let quota = Quota::per_second(NonZeroU32::MIN).allow_burst(NonZeroU32::MIN);
//! let limit = Governed::new("uploads", Arc::new(RateLimiter::keyed(quota)));
//! assert!(limit.check(&"ann").is_ok());
//! let exceeded = limit.check(&"ann").unwrap_err();
//! assert!(exceeded.retry_after.as_millis() <= 1000);
//! assert!(limit.check(&"bob").is_ok());
//! ```

use std::{fmt, hash::Hash, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    NotUntil, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::StateStore,
};

use crate::{metrics::LimitMetrics, rate::Exceeded};

/// A keyed limiter of `governor` without middleware.
pub type Limiter<S, C> =
    RateLimiter<<S as StateStore>::Key, S, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// A limiter of `governor`, counted and answered like every other limit.
pub struct Governed<S, C = DefaultClock>
where
    S: StateStore<Key: Hash + Eq + Clone>,
    C: Clock,
{
    limit: &'static str,
    limiter: Arc<Limiter<S, C>>,
    metrics: LimitMetrics,
}

impl<S, C> Governed<S, C>
where
    S: StateStore<Key: Hash + Eq + Clone>,
    C: Clock,
{
    /// The limit named `limit`: letters, digits and hyphens.
    #[must_use]
    pub fn new(limit: &'static str, limiter: Arc<Limiter<S, C>>) -> Self {
        Self { limit, limiter, metrics: LimitMetrics::new(limit) }
    }

    /// Takes one unit of the quota of `key`.
    ///
    /// # Errors
    ///
    /// When it is used up, with the time until a unit comes back.
    pub fn check(&self, key: &S::Key) -> Result<(), Exceeded> {
        let checked = self.limiter.check_key(key);
        self.told(checked.map_err(|not_until| self.wait(&not_until)))
    }

    /// Takes `cost` units of the quota of `key`, or none.
    ///
    /// # Errors
    ///
    /// When they are not there, with the time until they are; for a cost above the burst that is the
    /// longest time there is.
    pub fn check_n(&self, key: &S::Key, cost: NonZeroU32) -> Result<(), Exceeded> {
        let checked = match self.limiter.check_key_n(key, cost) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(self.wait(&not_until)),
            Err(_) => Err(Duration::MAX),
        };
        self.told(checked)
    }

    fn wait(&self, not_until: &NotUntil<C::Instant>) -> Duration {
        not_until.wait_time_from(self.limiter.clock().now())
    }

    fn told(&self, checked: Result<(), Duration>) -> Result<(), Exceeded> {
        match checked {
            Ok(()) => {
                self.metrics.allow.increment(1);
                Ok(())
            }
            Err(retry_after) => {
                self.metrics.deny.increment(1);
                Err(Exceeded { limit: self.limit, retry_after })
            }
        }
    }
}

impl<S, C> fmt::Debug for Governed<S, C>
where
    S: StateStore<Key: Hash + Eq + Clone>,
    C: Clock,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governed").field("limit", &self.limit).finish_non_exhaustive()
    }
}
