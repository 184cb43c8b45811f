use std::thread::available_parallelism;

use quick_cache::{Options, OptionsBuilder, Weighter};

use crate::{CacheConfig, memory::Entry};

/// Two bounds folded into the one that the eviction core knows.
///
/// An entry is charged the larger of its share of the bytes and its share of the entries, in units
/// of `1 / (entries × capacity)`. The charges add up to at most one, so neither bound can be passed;
/// a mixture of many light and few heavy entries may be cut off early, at worst at half of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) entries: u64,
    pub(crate) capacity: u64,
    /// Heaviest entry that is stored, in bytes.
    pub(crate) largest: u64,
    shards: u64,
}

/// With these the sum of two charges fits 64 bits.
const MOST_ENTRIES: u64 = 1 << 22;
const MOST_BYTES: u64 = 1 << 40;

/// Below these a shard would be so small that chance fills some long before the others.
const SHARD_ENTRIES: u64 = 128;
const SHARD_BYTES: u64 = 4 << 20;

/// The part of a shard for entries that were used again; the rest is where new ones are tried.
const HOT: f64 = 0.97;

impl Bounds {
    pub(crate) fn new(config: &CacheConfig) -> Self {
        let parallel = available_parallelism().map_or(1, |cores| cores.get() as u64 * 4);
        Self::with_parallelism(config, parallel)
    }

    fn with_parallelism(config: &CacheConfig, parallel: u64) -> Self {
        let entries = (config.entries as u64).clamp(1, MOST_ENTRIES);
        let capacity = config.capacity.bytes().clamp(1, MOST_BYTES);
        let most = parallel.min(entries / SHARD_ENTRIES).min(capacity / SHARD_BYTES);
        let shards = 1 << most.max(1).ilog2();
        let mut bounds = Self { entries, capacity, largest: 0, shards };
        let share = bounds.share();
        let hot = ((share as f64 * bounds.hot()) as u64).min(share);
        bounds.largest = hot / entries;
        bounds
    }

    pub(crate) fn options(&self) -> Options {
        OptionsBuilder::new()
            .shards(self.shards as usize)
            .estimated_items_capacity(self.entries as usize)
            .weight_capacity(self.share() * self.shards)
            .hot_allocation(self.hot())
            .build()
            .expect("both required options are set above")
    }

    /// Units of one shard, rounded down so that all together stay within the bounds.
    fn share(&self) -> u64 {
        self.entries * self.capacity / self.shards
    }

    /// A trial part of less than one entry has room for none, and would refuse the heaviest.
    fn hot(&self) -> f64 {
        let trial = (self.entries / self.shards) as f64 * (1.0 - HOT);
        if trial < 1.0 { 1.0 } else { HOT }
    }
}

/// Charges entries in the units of [`Bounds`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charge(pub(crate) Bounds);

impl<K, V> Weighter<K, Entry<V>> for Charge {
    fn weight(&self, _: &K, entry: &Entry<V>) -> u64 {
        entry.weight.saturating_mul(self.0.entries).max(self.0.capacity)
    }
}

#[cfg(test)]
mod tests {
    use gabion_config::ByteSize;
    use proptest::prelude::*;

    use super::*;

    fn bounds(entries: usize, capacity: u64, parallel: u64) -> Bounds {
        let capacity = ByteSize::new(capacity);
        let config = CacheConfig { entries, capacity, ..CacheConfig::default() };
        Bounds::with_parallelism(&config, parallel)
    }

    proptest! {
        #[test]
        fn full_shards_are_within_both_bounds(
            entries in 1_usize..10_000_000,
            capacity in 1_u64..1 << 42,
            parallel in 1_u64..4096,
        ) {
            let bounds = bounds(entries, capacity, parallel);
            let per_shard = bounds.share() / bounds.capacity;
            prop_assert!(per_shard * bounds.shards <= bounds.entries);
            let bytes = u128::from(bounds.share()) * u128::from(bounds.shards);
            prop_assert!(bytes / u128::from(bounds.entries) <= u128::from(bounds.capacity));
            prop_assert!(bounds.largest <= bounds.capacity);
            prop_assert!(per_shard >= 1);
        }
    }

    #[test]
    fn a_small_cache_is_one_shard_that_takes_an_entry_of_its_whole_capacity() {
        let bounds = bounds(4, 1000, 256);
        assert_eq!((bounds.shards, bounds.largest), (1, 1000));
    }

    #[test]
    fn the_default_takes_an_entry_of_megabytes_on_a_big_machine() {
        assert!(bounds(1000, 64 << 20, 1024).largest >= 4 << 20);
    }
}
