//! One clock for every decision.
//!
//! A limit, a lifetime and a deadline are decisions about time. Code that asks the operating system
//! for it cannot be tested without sleeping and reads it more often than it needs to. Here the owner
//! of a state owns a [`Clock`]; everything below takes `now` as its last argument.
//!
//! Two kinds of time are kept apart by type: [`Instant`] never goes back and measures spans,
//! [`UnixTime`] is the calendar's and is compared with what others wrote down, as a token's `exp`.
//!
//! ```
//! use gabion_clock::{Clock, ManualClock};
//! use std::time::Duration;
//!
//! let clock = ManualClock::new();
//! let start = clock.now();
//! clock.advance(Duration::from_secs(3));
//! assert_eq!(clock.now().saturating_since(start), Duration::from_secs(3));
//! ```
//!
//! In production the same code runs on [`SystemClock`]:
//!
//! ```
//! use gabion_clock::{Clock, SystemClock};
//!
//! fn age<C: Clock>(clock: &C, born: gabion_clock::Instant) -> std::time::Duration {
//!     clock.now().saturating_since(born)
//! }
//! let clock = SystemClock::new();
//! assert!(age(&clock, clock.now()) < std::time::Duration::from_secs(60));
//! ```

mod instant;
mod manual;
mod system;
mod unix;

use std::sync::Arc;

pub use self::{instant::Instant, manual::ManualClock, system::SystemClock, unix::UnixTime};

/// Tells the time. See the [module docs](self).
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time: for spans, limits and lifetimes.
    fn now(&self) -> Instant;

    /// Wall time: for what is written down or was written by others.
    fn unix(&self) -> UnixTime;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn unix(&self) -> UnixTime {
        (**self).unix()
    }
}
