//! Whether a request may begin, by what the server can carry now.
//!
//! A server that accepts more than it can finish finishes nothing in time. Two things decide here,
//! since each alone is known to fail: a [`Controller`] bounds the requests in flight, which bounds
//! latency, and [`Pressure`] on the processor and memory budgets moves the admitted fraction of each
//! budget group, which keeps the promises made for them. Both refuse the least important
//! [`Class`] first.
//!
//! It differs from a rate limit, which knows a caller's quota and answers 429: a caller refused here
//! did nothing wrong and gets 503.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use gabion_clock::{Clock, ManualClock};
//! use gabion_limits::{Class, LimitMode, admission::{Admission, Fixed, Outcome}};
//!
//! let clock = ManualClock::new();
//! let admission = Arc::new(Admission::new(Fixed(1), LimitMode::Enforce));
//! let permit = admission.admit(Class::User, clock.now()).unwrap();
//! assert!(admission.admit(Class::User, clock.now()).is_err());
//! permit.finish(clock.now(), Outcome::Success);
//! assert!(admission.admit(Class::User, clock.now()).is_ok());
//! ```
//!
//! A limit that finds itself, and a processor far over its budget:
//!
//! ```
//! use gabion_clock::Instant;
//! use gabion_limits::{Class, LimitMode, admission::{Admission, AimdConfig, Pressure}};
//! # use std::sync::Arc;
//!
//! let aimd = AimdConfig { max: 1000, ..AimdConfig::default() }.build();
//! let admission = Arc::new(Admission::new(aimd, LimitMode::Enforce));
//! for _ in 0..10 {
//!     admission.tick(Pressure { cpu: 1.5, memory: 0.3 });
//! }
//! assert!(admission.admit(Class::Batch, Instant::ORIGIN).is_err());
//! assert!(admission.admit(Class::Critical, Instant::ORIGIN).is_ok());
//! ```

mod aimd;
mod config;
mod controller;
mod fractions;
mod gate;
mod metrics;
mod permit;
mod shed;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering::Relaxed},
    },
};

use gabion_clock::Instant;

pub(crate) use self::metrics::describe;
pub use self::{
    aimd::{Aimd, AimdConfig},
    config::AdmissionConfig,
    controller::{Controller, Fixed, Outcome},
    fractions::{Pressure, next_fraction},
    permit::Permit,
    shed::{Shed, ShedReason},
};
use self::{fractions::Fractions, gate::Gate, metrics::DecisionMetrics};
use crate::{LimitMode, class::Class};

/// What each class may use of the limit, in percent, by [`Class`].
const CAPS: [u64; 4] = [130, 100, 80, 60];

/// Admits requests or sheds them. See the [module docs](crate::admission).
pub struct Admission {
    controller: Box<dyn Controller>,
    /// A [`LimitMode`].
    mode: AtomicU8,
    in_flight: AtomicU32,
    /// By [`Class`]; written by [`tick`](Self::tick).
    gates: [Gate; 4],
    /// Spreads the waits of those who are shed.
    spread: Gate,
    /// Locked by the tick and the status page, never on the way of a request.
    fractions: Mutex<Fractions>,
    metrics: DecisionMetrics,
}

/// The state of an [`Admission`], for people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdmissionSnapshot {
    /// Whether it enforces.
    pub mode: LimitMode,
    /// The controller's limit on requests in flight.
    pub limit: u32,
    /// Requests in flight.
    pub in_flight: u32,
    /// The admitted fraction, 0 to 1, by [`Class`]; under pressure, before the limit on requests in
    /// flight.
    pub fractions: [f64; 4],
}

impl Admission {
    /// Admits everything until the controller's limit is reached or a [`tick`](Self::tick) tells of
    /// pressure.
    #[must_use]
    pub fn new(controller: impl Controller + 'static, mode: LimitMode) -> Self {
        Self {
            controller: Box::new(controller),
            mode: AtomicU8::new(mode as u8),
            in_flight: AtomicU32::new(0),
            gates: Default::default(),
            spread: Gate::default(),
            fractions: Mutex::default(),
            metrics: DecisionMetrics::new(),
        }
    }

    /// Decides on a request of `class`.
    ///
    /// # Errors
    ///
    /// When it is shed; only while the mode is to enforce.
    pub fn admit(self: &Arc<Self>, class: Class, now: Instant) -> Result<Permit, Shed> {
        let mode = self.mode();
        if mode == LimitMode::Off {
            self.in_flight.fetch_add(1, Relaxed);
        } else if let Err(reason) = self.enter(class) {
            if mode == LimitMode::Enforce {
                self.metrics.deny(class, reason).increment(1);
                return Err(self.shed(class, reason));
            }
            self.metrics.would_deny(class, reason).increment(1);
            self.in_flight.fetch_add(1, Relaxed);
        } else {
            self.metrics.allow(class).increment(1);
        }
        self.controller.on_start(now);
        Ok(Permit::new(Arc::clone(self), now))
    }

    /// Takes the state of the budgets; to be called every 100 ms.
    pub fn tick(&self, pressure: Pressure) {
        let mut fractions = self.fractions();
        let before = fractions.by_group();
        fractions.step(pressure);
        if self.mode() == LimitMode::Enforce {
            let after = fractions.by_group();
            for (group, counter) in self.metrics.sheds().iter().enumerate() {
                counter.increment(u64::from(before[group] == 1.0 && after[group] < 1.0));
            }
        }
        for (gate, fraction) in self.gates.iter().zip(fractions.by_class()) {
            gate.set(fraction);
        }
    }

    /// Takes a new configuration; requests in flight are not touched.
    pub fn set(&self, config: &AdmissionConfig) {
        self.mode.store(config.mode as u8, Relaxed);
    }

    /// Whether it enforces.
    #[must_use]
    pub fn mode(&self) -> LimitMode {
        LimitMode::from_u8(self.mode.load(Relaxed))
    }

    /// What the status page shows.
    #[must_use]
    pub fn snapshot(&self) -> AdmissionSnapshot {
        AdmissionSnapshot {
            mode: self.mode(),
            limit: self.controller.limit(),
            in_flight: self.in_flight.load(Relaxed),
            fractions: self.fractions().by_class(),
        }
    }

    /// Takes a slot of `class`, if its budget and the limit allow.
    fn enter(&self, class: Class) -> Result<(), ShedReason> {
        if !self.gates[class as usize].admits() {
            return Err(ShedReason::Budget);
        }
        let cap = (u64::from(self.controller.limit()) * CAPS[class as usize]).div_ceil(100);
        if u64::from(self.in_flight.fetch_add(1, Relaxed)) >= cap {
            self.in_flight.fetch_sub(1, Relaxed);
            return Err(ShedReason::Concurrency);
        }
        Ok(())
    }

    fn shed(&self, class: Class, reason: ShedReason) -> Shed {
        let fraction = self.gates[class as usize].fraction();
        Shed { class, reason, retry_after: shed::retry_after(fraction, self.spread.draw()) }
    }

    fn fractions(&self) -> MutexGuard<'_, Fractions> {
        // Arithmetic alone happens under the lock.
        self.fractions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

#[cfg(test)]
mod tests;
