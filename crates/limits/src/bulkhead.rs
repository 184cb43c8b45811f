//! A small group of places for expensive work, apart from everything else.
//!
//! A limit on all requests in flight lets the expensive ones take every place: a hundred exports, and
//! nobody logs in any more. Here such work has places of its own, few enough that it disturbs nobody.
//! Unlike [admission](crate::admission), which refuses at once, it lets a request wait: expensive work
//! comes in bursts, and a place is free in a moment. The wait is bounded twice. As many wait as there
//! are places, so nobody waits behind more than one full turn; and whoever waits has a timer of its own
//! runtime, with which it [gives up](Entering::give_up).
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use gabion_limits::bulkhead::{Bulkhead, BulkheadConfig, Entrance};
//!
//! let config = BulkheadConfig { places: 1, wait: Duration::from_secs(2) };
//! let exports = Arc::new(Bulkhead::new("export", &config));
//! let Ok(Entrance::Admit(place)) = exports.enter() else { panic!() };
//! let Ok(Entrance::Wait(next)) = exports.enter() else { panic!() };
//! // One waits already.
//! assert!(exports.enter().is_err());
//! drop(place);
//! // A future; a timer of your runtime ends it after `next.longest()`.
//! # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
//! let Poll::Ready(_place) = pin!(next).poll(&mut Context::from_waker(Waker::noop())) else { panic!() };
//! ```
//!
//! More places, while it is used:
//!
//! ```
//! # use gabion_limits::bulkhead::{Bulkhead, BulkheadConfig};
//! let exports = Bulkhead::new("export", &BulkheadConfig::default());
//! exports.set(&BulkheadConfig { places: 8, ..BulkheadConfig::default() });
//! assert_eq!(exports.snapshot().places, 8);
//! ```

mod config;
mod entering;
mod metrics;
mod queue;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gabion_errors::{Problem, ToProblem, types};

pub(crate) use self::metrics::describe;
pub use self::{
    config::BulkheadConfig,
    entering::{BulkheadPermit, Entering},
};
use self::{metrics::BulkheadMetrics, queue::Queue};

/// So many at once, and so many who wait. See the [module docs](crate::bulkhead).
pub struct Bulkhead {
    name: &'static str,
    /// Whatever is woken or dropped under the lock could come back to it: neither happens there.
    queue: Mutex<Queue>,
    metrics: BulkheadMetrics,
}

/// How somebody comes in.
#[derive(Debug)]
pub enum Entrance {
    /// At once.
    Admit(BulkheadPermit),
    /// Once somebody leaves.
    Wait(Entering),
}

/// There was no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no place in the bulkhead {bulkhead}: {}", reason.as_str())]
pub struct BulkheadFull {
    /// Its name.
    pub bulkhead: &'static str,
    /// Why there was none.
    pub reason: FullReason,
    /// When to try again, in whole seconds; differs from one to the next, so that they do not all come
    /// back at once.
    pub retry_after: Duration,
}

/// Why there was no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FullReason {
    /// As many wait as may.
    Full,
    /// Nobody left in time.
    Timeout,
}

impl FullReason {
    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Timeout => "timeout",
        }
    }
}

impl ToProblem for BulkheadFull {
    fn to_problem(&self) -> Problem {
        let detail = "too many requests for this kind of work are under way";
        Problem::new(&types::OVERLOADED).detail(detail).retry_after(self.retry_after)
    }
}

/// The state of a [`Bulkhead`], for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkheadSnapshot {
    /// Its name.
    pub name: &'static str,
    /// Places.
    pub places: usize,
    /// Places in use; more than there are for a while after there were more.
    pub used: usize,
    /// Who waits.
    pub waiting: usize,
}

/// Spread of the waits told to those who are refused, in seconds.
const SPREAD: u64 = 4;

impl Bulkhead {
    /// An empty one; `name` is that in metrics and contracts.
    #[must_use]
    pub fn new(name: &'static str, config: &BulkheadConfig) -> Self {
        let queue = Mutex::new(Queue::new(config.places as usize, config.wait));
        Self { name, queue, metrics: BulkheadMetrics::new(name) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A place, or one of those that wait for one, first come first served.
    ///
    /// # Errors
    ///
    /// When as many wait already as there are places.
    pub fn enter(self: &Arc<Self>) -> Result<Entrance, BulkheadFull> {
        let mut queue = self.lock();
        if queue.take() {
            drop(queue);
            self.metrics.admit.increment(1);
            self.metrics.used.increment(1);
            return Ok(Entrance::Admit(BulkheadPermit::new(Arc::clone(self))));
        }
        let longest = queue.wait;
        let Some(number) = queue.join() else {
            let refused = queue.refuse();
            drop(queue);
            self.metrics.full.increment(1);
            return Err(self.full(FullReason::Full, refused));
        };
        Ok(Entrance::Wait(Entering::new(Arc::clone(self), number, longest)))
    }

    /// Takes a new configuration. New places go to those who wait; of fewer places all stay who are
    /// inside or wait, and only the next ones find less room.
    pub fn set(&self, config: &BulkheadConfig) {
        let (admitted, wakers) = {
            let mut queue = self.lock();
            (queue.places, queue.wait) = (config.places as usize, config.wait);
            let next = std::iter::from_fn(|| queue.admit_next());
            let wakers: Vec<_> = next.collect();
            (wakers.len(), wakers)
        };
        self.metrics.used.increment(admitted as f64);
        wakers.into_iter().flatten().for_each(std::task::Waker::wake);
    }

    /// What the status page shows.
    #[must_use]
    pub fn snapshot(&self) -> BulkheadSnapshot {
        let queue = self.lock();
        BulkheadSnapshot {
            name: self.name,
            places: queue.places,
            used: queue.inside,
            waiting: queue.waiting(),
        }
    }

    /// Gives a place to whoever is next, or back.
    fn leave(&self) {
        let next = self.lock().leave();
        match next {
            Some(waker) => waker.into_iter().for_each(std::task::Waker::wake),
            None => self.metrics.used.decrement(1),
        }
    }

    fn full(&self, reason: FullReason, refused: u64) -> BulkheadFull {
        let retry_after = Duration::from_secs(1 + refused % SPREAD);
        BulkheadFull { bulkhead: self.name, reason, retry_after }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing under the lock panics half way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

#[cfg(test)]
mod tests;
