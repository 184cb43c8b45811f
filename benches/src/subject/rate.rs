//! Rate checks: our table beside governor's keyed limiter.

use std::{num::NonZeroU32, sync::Arc};

use gabion_clock::{Clock, Instant, SystemClock};
use gabion_config::Rate;
use gabion_limits::{
    quota::Quota,
    rate::{Charge, Decision, MemoryRateStore, RateStore},
};
use governor::{RateLimiter, clock::DefaultClock, state::keyed::DashMapStateStore};

use super::{Order, once, recorder};

/// Names of callers, in the order in which they call.
///
/// The draws are kept one after the other as texts: a server has the key of a request at hand, and so
/// must the check, or both sides would mostly be timed for fetching it from memory.
#[derive(Debug)]
pub struct Keys {
    count: usize,
    drawn: Vec<String>,
}

/// A power of two, and more than one table of caches holds.
const DRAWN: usize = 1 << 20;

impl Keys {
    /// `count` names of 12 bytes, drawn in uniform order.
    #[must_use]
    pub fn new(count: usize) -> Arc<Self> {
        let mut order = Order::uniform(count);
        let drawn = (0..DRAWN).map(|_| Self::name(order.next_index())).collect();
        Arc::new(Self { count, drawn })
    }

    /// Every name once.
    fn all(&self) -> impl Iterator<Item = String> {
        (0..self.count).map(Self::name)
    }

    fn name(index: usize) -> String {
        format!("user-{index:07}")
    }
}

/// One name after the other, each once.
#[derive(Debug, Default)]
pub struct Strangers {
    count: u64,
    name: String,
}

impl Strangers {
    fn next_name(&mut self) -> &String {
        self.count += 1;
        self.name.clear();
        self.name.push_str("user-");
        self.name.push_str(itoa::Buffer::new().format(self.count));
        &self.name
    }
}

/// Our table. Every key is in use: it has taken units that have not all come back.
pub struct Table {
    store: MemoryRateStore,
    keys: Arc<Keys>,
    at: usize,
    quota: Quota,
    now: Instant,
    step: u64,
    clock: SystemClock,
}

/// The reference server's quota; the pace below uses half of it.
const PER_SECOND: u32 = 100;
const BURST: u32 = 200;

impl Table {
    /// With every key already there, asked for in uniform order, each about 50 times per second of a
    /// time that the checks themselves move: the server reads the clock once per request and passes
    /// it down.
    #[must_use]
    pub fn allowing(keys: &Arc<Keys>) -> Self {
        let quota = Quota::new(Rate::per_second(PER_SECOND), BURST);
        let mut this = Self::new(keys, keys.count, quota);
        this.step = 1_000_000_000 / (u64::from(PER_SECOND / 2) * keys.count as u64);
        for key in keys.all() {
            this.decide(key.as_bytes(), this.now);
        }
        this
    }

    /// As [`Self::allowing`], but every key has used up its quota and time stands still. The table has
    /// room to spare: a key whose bucket is full could be pushed out, and be allowed again.
    #[must_use]
    pub fn denying(keys: &Arc<Keys>) -> Self {
        let this = Self::new(keys, keys.count * 16, Quota::new(Rate::per_hour(1), 1));
        for key in keys.all() {
            this.decide(key.as_bytes(), this.now);
        }
        this
    }

    fn new(keys: &Arc<Keys>, capacity: usize, quota: Quota) -> Self {
        recorder();
        Self {
            store: MemoryRateStore::with_capacity(capacity),
            keys: Arc::clone(keys),
            at: 0,
            quota,
            now: Instant::from_nanos(86_400_000_000_000),
            step: 0,
            clock: SystemClock::new(),
        }
    }

    /// A table of the reference server's size, to be asked for [names that nobody had](Strangers).
    #[must_use]
    pub fn for_strangers() -> Self {
        let mut this =
            Self::new(&Keys::new(1), 100_000, Quota::new(Rate::per_second(PER_SECOND), BURST));
        this.step = 1000;
        this
    }

    /// One check of a name that was never seen.
    #[inline]
    pub fn check_stranger(&mut self, strangers: &mut Strangers) -> Decision {
        self.now = Instant::from_nanos(self.now.as_nanos() + self.step);
        self.decide(strangers.next_name().as_bytes(), self.now)
    }

    /// One check at the passed-in time.
    #[inline]
    pub fn check(&mut self) -> Decision {
        self.now = Instant::from_nanos(self.now.as_nanos() + self.step);
        self.at = (self.at + 1) & (DRAWN - 1);
        self.decide(self.keys.drawn[self.at].as_bytes(), self.now)
    }

    /// The same with a reading of the clock that nobody shares. The check gets the moved time all the
    /// same, so that its answer stays the same.
    #[inline]
    pub fn check_and_read_clock(&mut self) -> Decision {
        std::hint::black_box(self.clock.now());
        self.check()
    }

    /// Bytes of the table for each of its keys.
    #[must_use]
    pub fn bytes_per_key(&self) -> f64 {
        self.store.memory() as f64 / self.keys.count as f64
    }

    #[inline]
    fn decide(&self, key: &[u8], now: Instant) -> Decision {
        once(self.store.decide(&[Charge { limit: "caller", key, quota: self.quota, cost: 1 }], now))
    }
}

/// governor with `String` keys in a `DashMap`: what most Rust services have.
pub struct Governor {
    limiter: RateLimiter<String, DashMapStateStore<String>, DefaultClock>,
    keys: Arc<Keys>,
    at: usize,
}

impl Governor {
    /// With every key already there, in uniform order, and a quota that nobody can use up. It reads
    /// the clock in each check and cannot be given the time.
    #[must_use]
    pub fn allowing(keys: &Arc<Keys>) -> Self {
        let quota =
            governor::Quota::per_second(NonZeroU32::new(1_000_000_000).unwrap_or(NonZeroU32::MAX));
        Self::new(keys, quota)
    }

    /// As [`Self::allowing`], but every key has used up its quota.
    #[must_use]
    pub fn denying(keys: &Arc<Keys>) -> Self {
        Self::new(keys, governor::Quota::per_hour(NonZeroU32::MIN))
    }

    fn new(keys: &Arc<Keys>, quota: governor::Quota) -> Self {
        let limiter = RateLimiter::dashmap(quota);
        for key in keys.all() {
            let _ = limiter.check_key(&key);
        }
        Self { limiter, keys: Arc::clone(keys), at: 0 }
    }

    /// Without a key, to be asked for [names that nobody had](Strangers); it keeps all of them.
    #[must_use]
    pub fn for_strangers() -> Self {
        let quota = governor::Quota::per_second(NonZeroU32::MIN);
        let limiter = RateLimiter::dashmap(quota);
        Self { limiter, keys: Keys::new(1), at: 0 }
    }

    /// One check of a name that was never seen; whether it was allowed.
    #[inline]
    pub fn check_stranger(&mut self, strangers: &mut Strangers) -> bool {
        self.limiter.check_key(strangers.next_name()).is_ok()
    }

    /// One check; whether it was allowed.
    #[inline]
    pub fn check(&mut self) -> bool {
        self.at = (self.at + 1) & (DRAWN - 1);
        self.limiter.check_key(&self.keys.drawn[self.at]).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_as_allowed_is_allowed() {
        for count in [1, 1000] {
            let keys = Keys::new(count);
            let (mut ours, mut peer) = (Table::allowing(&keys), Governor::allowing(&keys));
            assert!((0..5000).all(|_| ours.check().is_allowed() && peer.check()));
        }
    }

    #[test]
    fn a_name_that_nobody_had_is_allowed() {
        let (mut ours, mut peer) = (Table::for_strangers(), Governor::for_strangers());
        let (mut names, mut peers_names) = (Strangers::default(), Strangers::default());
        assert!((0..5000).all(|_| {
            ours.check_stranger(&mut names).is_allowed() && peer.check_stranger(&mut peers_names)
        }));
    }

    #[test]
    fn what_is_measured_as_denied_is_denied() {
        let keys = Keys::new(100);
        let (mut ours, mut peer) = (Table::denying(&keys), Governor::denying(&keys));
        assert!((0..5000).all(|_| !ours.check().is_allowed() && !peer.check()));
    }
}
