use std::array;

use gabion_clock::Instant;

use super::{HeavyHitter, HeavyHitters};

pub(super) const COUNTERS: usize = 64;

/// The counters, apart from the lock around them. Counts are no integers, since halved ones have to
/// keep their bounds.
#[derive(Debug)]
pub(super) struct Sketch {
    hashes: [u64; COUNTERS],
    /// Never less than what a key really has; zero: unused.
    counts: [f64; COUNTERS],
    /// What of a count may belong to the keys before this one.
    inherited: [f64; COUNTERS],
    keys: [Vec<u8>; COUNTERS],
    halved_at: Instant,
}

impl Default for Sketch {
    fn default() -> Self {
        Self {
            hashes: [0; COUNTERS],
            counts: [0.0; COUNTERS],
            inherited: [0.0; COUNTERS],
            keys: array::from_fn(|_| Vec::new()),
            halved_at: Instant::ORIGIN,
        }
    }
}

impl Sketch {
    pub(super) fn record(&mut self, hash: u64, key: &[u8], now: Instant) {
        self.fade(now);
        let mut known = self.hashes.iter().enumerate().filter(|(_, own)| **own == hash);
        if let Some((at, _)) = known.find(|(at, _)| self.counts[*at] > 0.0 && self.keys[*at] == key)
        {
            self.counts[at] += 1.0;
            return;
        }
        let at = self.smallest();
        self.inherited[at] = self.counts[at];
        self.counts[at] += 1.0;
        self.hashes[at] = hash;
        // In place: a flood of new keys allocates nothing.
        self.keys[at].clear();
        self.keys[at].extend_from_slice(key);
    }

    /// What has not faded away.
    pub(super) fn all(&mut self, now: Instant) -> Vec<HeavyHitter> {
        self.fade(now);
        let there = (0..COUNTERS).filter(|at| self.counts[*at] >= 0.5);
        let told = there.map(|at| HeavyHitter {
            key: self.keys[at].clone(),
            at_least: (self.counts[at] - self.inherited[at]).round() as u64,
            at_most: self.counts[at].ceil() as u64,
        });
        told.collect()
    }

    fn smallest(&self) -> usize {
        let mut smallest = 0;
        for (at, count) in self.counts.iter().enumerate() {
            if *count < self.counts[smallest] {
                smallest = at;
            }
        }
        smallest
    }

    /// Halves every count as often as its time has passed.
    fn fade(&mut self, now: Instant) {
        let passed = now.saturating_since(self.halved_at);
        if passed < HeavyHitters::HALF_LIFE {
            return;
        }
        let times = (passed.as_secs() / HeavyHitters::HALF_LIFE.as_secs()).min(64) as u32;
        // After so many halves nothing is left, and the next are counted from here.
        self.halved_at =
            if times == 64 { now } else { self.halved_at + HeavyHitters::HALF_LIFE * times };
        let part = 0.5_f64.powi(times as i32);
        for count in self.counts.iter_mut().chain(&mut self.inherited) {
            *count *= part;
        }
    }
}
