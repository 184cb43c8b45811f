mod sketch;

use std::{
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    time::Duration,
};

use foldhash::quality::RandomState;
use gabion_clock::Instant;

use self::sketch::Sketch;

/// The keys that a limit refuses most, in memory of fixed size.
///
/// The space-saving sketch (Metwally, Agrawal, El Abbadi 2005): 64 counters; a key without one takes
/// over the smallest together with its count, which is remembered as what may be too much. Of a flood
/// that changes its key with every request nothing stays but noise, and a key with more than one in 64
/// of all refusals is always there.
///
/// Counts halve every ten minutes, so that yesterday's attacker makes room for today's. About 12 KiB.
#[derive(Debug)]
pub struct HeavyHitters {
    sketch: Mutex<Sketch>,
    hasher: RandomState,
}

/// A key with its refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeavyHitter {
    /// The key, up to its [longest](HeavyHitters::LONGEST_KEY).
    pub key: Vec<u8>,
    /// Its refusals: so many at least.
    pub at_least: u64,
    /// Its refusals: so many at most, apart from those that were not counted.
    pub at_most: u64,
}

impl HeavyHitters {
    /// How many keys are told apart.
    pub const COUNTERS: usize = sketch::COUNTERS;
    /// The bytes of a key that are looked at.
    pub const LONGEST_KEY: usize = 128;
    /// The time after which a refusal counts half.
    pub const HALF_LIFE: Duration = Duration::from_secs(600);

    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { sketch: Mutex::default(), hasher: RandomState::default() }
    }

    /// Counts a refusal of `key`.
    ///
    /// It never waits: while somebody else counts, this one is not counted. Under a flood on many cores
    /// the counts are then a sample, as large for each key as its part of the flood.
    pub fn record(&self, key: &[u8], now: Instant) {
        let mut sketch = match self.sketch.try_lock() {
            Ok(sketch) => sketch,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let key = &key[..key.len().min(Self::LONGEST_KEY)];
        sketch.record(self.hasher.hash_one(key), key, now);
    }

    /// The `most` keys with the most refusals, the worst first, by what is certain about them.
    #[must_use]
    pub fn top(&self, most: usize, now: Instant) -> Vec<HeavyHitter> {
        let mut all = self.lock().all(now);
        all.sort_by(|a, b| b.at_least.cmp(&a.at_least).then_with(|| a.key.cmp(&b.key)));
        all.truncate(most);
        all
    }

    fn lock(&self) -> MutexGuard<'_, Sketch> {
        self.sketch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for HeavyHitters {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
