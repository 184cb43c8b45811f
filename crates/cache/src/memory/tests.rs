use std::{collections::HashMap, sync::Arc};

use gabion_config::ByteSize;
use proptest::prelude::*;

use super::*;

const TTL: Duration = Duration::from_secs(60);
const T0: Instant = Instant::from_nanos(1 << 40);

fn config(entries: usize, capacity: u64) -> CacheConfig {
    CacheConfig { entries, capacity: ByteSize::new(capacity), ttl: TTL }
}

/// Values are `(stamp, bytes)`.
type Stamped = MemoryCache<u8, (u32, u64), fn(&u8, &(u32, u64)) -> u64>;

fn stamped(entries: usize, capacity: u64) -> Stamped {
    let weigh: fn(&u8, &(u32, u64)) -> u64 = |_, value| value.1;
    MemoryCache::with_weigher("test", &config(entries, capacity), weigh).jitter(Jitter::NONE)
}

#[derive(Debug, Clone)]
enum Step {
    Insert { key: u8, bytes: u64, ttl: u64 },
    Get { key: u8 },
    Invalidate { key: u8 },
    Clear,
    Advance { secs: u64 },
}

fn steps(keys: u8, heaviest: u64) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..keys, 0..heaviest, 0_u64..20).prop_map(|(key, bytes, ttl)| Step::Insert { key, bytes, ttl }),
        6 => (0..keys).prop_map(|key| Step::Get { key }),
        1 => (0..keys).prop_map(|key| Step::Invalidate { key }),
        1 => Just(Step::Clear),
        3 => (0_u64..10).prop_map(|secs| Step::Advance { secs }),
    ];
    prop::collection::vec(step, 1..300)
}

/// Plays the steps against a map with deadlines; `complete`: nothing may be missing either.
fn agrees_with_a_map(cache: &Stamped, steps: &[Step], complete: bool) -> Result<(), TestCaseError> {
    let mut model: HashMap<u8, ((u32, u64), Instant)> = HashMap::new();
    let mut now = T0;
    for (stamp, step) in steps.iter().enumerate() {
        match *step {
            Step::Insert { key, bytes, ttl } => {
                let (value, ttl) = ((stamp as u32, bytes), Duration::from_secs(ttl));
                cache.insert(key, value, ttl, now);
                model.insert(key, (value, now + ttl));
            }
            Step::Get { key } => {
                let expected =
                    model.get(&key).filter(|(_, end)| now < *end).map(|(value, _)| *value);
                let found = cache.get(&key, now);
                prop_assert!(
                    found == expected || (!complete && found.is_none()),
                    "{found:?} {expected:?}"
                );
            }
            Step::Invalidate { key } => {
                let removed = cache.invalidate(&key);
                prop_assert!(model.remove(&key).is_some() == removed || (!complete && !removed));
            }
            Step::Clear => {
                cache.clear();
                prop_assert_eq!((cache.len(), cache.weight()), (0, 0));
                model.clear();
            }
            Step::Advance { secs } => now = now + Duration::from_secs(secs),
        }
        prop_assert!(cache.len() as u64 <= cache.bounds.entries);
        prop_assert!(cache.weight() <= cache.bounds.capacity);
        // Expired entries count: they keep their room.
        let held: Vec<_> = (0..=u8::MAX).filter_map(|key| cache.table.peek(&key)).collect();
        prop_assert_eq!(held.len(), cache.len());
        prop_assert_eq!(held.iter().map(|entry| entry.value.1).sum::<u64>(), cache.weight());
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_roomy_cache_agrees_with_a_map(steps in steps(16, 100)) {
        agrees_with_a_map(&stamped(100, 10_000), &steps, true)?;
    }

    #[test]
    fn a_narrow_cache_forgets_but_never_invents(steps in steps(64, 150)) {
        agrees_with_a_map(&stamped(12, 500), &steps, false)?;
    }

    #[test]
    fn a_cache_of_one_entry_keeps_its_bounds(steps in steps(4, 15)) {
        agrees_with_a_map(&stamped(1, 10), &steps, false)?;
    }

    #[test]
    fn a_sharded_cache_keeps_both_bounds(seed: u64, heaviest in 1_u64..200_000) {
        let weigh: fn(&u64, &u64) -> u64 = |_, bytes| *bytes;
        let cache = MemoryCache::with_weigher("test", &config(1000, 64 << 20), weigh);
        for step in 0..3000_u64 {
            let draw = (seed ^ step).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            cache.insert(draw, draw % heaviest, TTL, T0);
        }
        prop_assert!(cache.len() <= 1000);
        prop_assert!(cache.weight() <= 64 << 20);
    }
}

#[test]
fn a_full_cache_of_light_entries_uses_its_bound() {
    let cache: MemoryCache<u64, u64> = MemoryCache::new("test", &CacheConfig::default());
    for key in 0..20_000 {
        cache.insert(key, key, TTL, T0);
    }
    assert!((950..=1000).contains(&cache.len()), "{}", cache.len());
}

#[test]
fn an_entry_heavier_than_the_capacity_is_not_stored_and_drops_the_old_value() {
    let cache = stamped(10, 100);
    cache.insert(1, (1, 50), TTL, T0);
    cache.insert(1, (2, 101), TTL, T0);
    assert_eq!(cache.get(&1, T0), None);
    assert_eq!((cache.len(), cache.weight()), (0, 0));
}

#[test]
fn an_entry_of_the_whole_capacity_is_stored() {
    let cache = stamped(10, 100);
    cache.insert(1, (1, 50), TTL, T0);
    cache.insert(2, (2, 100), TTL, T0);
    assert_eq!(cache.get(&2, T0), Some((2, 100)));
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_weight_beyond_all_numbers_is_refused() {
    let cache = stamped(10, 100);
    cache.insert(1, (1, u64::MAX), TTL, T0);
    assert_eq!((cache.len(), cache.weight()), (0, 0));
}

#[test]
fn a_value_ends_exactly_with_its_lifetime() {
    let cache = stamped(10, 100);
    cache.insert(1, (1, 1), TTL, T0);
    let end = T0 + TTL;
    assert!(cache.get(&1, Instant::from_nanos(end.as_nanos() - 1)).is_some());
    assert!(cache.get(&1, end).is_none());
}

#[test]
fn entries_made_together_do_not_expire_together() {
    let cache: MemoryCache<u64, u64> = MemoryCache::new("test", &CacheConfig::default());
    for key in 0..200 {
        cache.insert(key, key, TTL, T0);
    }
    let alive = |now| (0..200).filter(|key| cache.get(key, now).is_some()).count();
    assert_eq!(alive(T0 + TTL.mul_f64(0.89)), 200);
    // With 200 even draws a quarter or less is below the middle once in 10^13 runs.
    assert!((50..150).contains(&alive(T0 + TTL)));
    assert_eq!(alive(T0 + TTL.mul_f64(1.11)), 0);
}

#[test]
fn borrowed_text_finds_an_owned_key() {
    let cache: MemoryCache<String, Arc<str>> = MemoryCache::new("test", &CacheConfig::default());
    cache.insert("key".into(), "value".into(), TTL, T0);
    assert_eq!(cache.get("key", T0).as_deref(), Some("value"));
    assert!(cache.invalidate("key"));
    assert_eq!(cache.get("key", T0), None);
}

#[test]
fn the_snapshot_tells_what_happened() {
    let cache = stamped(2, 100);
    for key in 0..3 {
        cache.insert(key, (0, 10), TTL, T0);
    }
    cache.insert(2, (0, 20), TTL, T0);
    for key in 0..3 {
        cache.get(&key, T0);
    }
    cache.get(&2, T0 + TTL);
    cache.invalidate(&2);
    let snapshot = cache.snapshot();
    assert_eq!((snapshot.name, snapshot.entries, snapshot.weight), ("test", 1, 10));
    assert_eq!((snapshot.hits, snapshot.misses, snapshot.expired), (2, 2, 1));
    assert_eq!((snapshot.evicted, snapshot.invalidated), (1, 1));
    assert_eq!(snapshot.hit_ratio(), Some(0.5));
}
