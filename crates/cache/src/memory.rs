mod bounds;
mod displaced;
mod jitter;
#[cfg(test)]
mod tests;

use std::{
    borrow::Borrow,
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hash},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use gabion_clock::Instant;

pub(crate) use self::displaced::Displaced;
pub use self::jitter::Jitter;
use self::{
    bounds::{Bounds, Charge},
    displaced::Displace,
};
use crate::{
    CacheConfig, CacheSnapshot, Measured, Weigher,
    metrics::{Event, Events},
    snapshot::Holding,
};

/// A bounded table of values that expire.
///
/// It never holds more than `entries` entries nor more than `capacity` bytes, and never answers with
/// a value past its lifetime. Above 256 entries and 8 MiB it is split into shards, up to four per
/// core, each with 128 entries and 4 MiB or more; chance fills some before the others, so a full
/// cache holds some 95 to 100 % of its bound. An entry heavier than 97 % of a shard's bytes is not
/// stored (of all bytes while there are fewer than 34 entries). An expired entry keeps its room until
/// it is replaced, invalidated or evicted.
///
/// Keys are hashed with SipHash under random keys, so a client that chooses keys cannot make them
/// collide.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use gabion_cache::{CacheConfig, MemoryCache};
/// use gabion_clock::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let pages: MemoryCache<String, Arc<str>> = MemoryCache::new("pages", &CacheConfig::default());
///
/// pages.insert("/".into(), "welcome".into(), Duration::from_secs(60), clock.now());
/// assert_eq!(pages.get("/", clock.now()).as_deref(), Some("welcome"));
///
/// clock.advance(Duration::from_secs(67));
/// assert_eq!(pages.get("/", clock.now()), None);
/// ```
pub struct MemoryCache<K, V, W = Measured> {
    name: &'static str,
    table: Table<K, V>,
    bounds: Bounds,
    weigher: W,
    jitter: Jitter,
    /// Draws the jitter; its keys are not the table's, so lifetimes tell nothing about buckets.
    draws: RandomState,
    /// Bytes in the table. Added before an entry goes in and taken after it went out: never less
    /// than what is there.
    weight: AtomicU64,
    events: Events,
}

type Table<K, V> = quick_cache::sync::Cache<K, Entry<V>, Charge, RandomState, Displace>;

/// A value with the end of its lifetime.
#[derive(Clone)]
pub(crate) struct Entry<V> {
    pub(crate) value: V,
    pub(crate) expires: Instant,
    /// Bytes, weighed once: the table relies on it not to change.
    weight: u64,
}

/// What a look-up found.
pub(crate) enum Found<V> {
    Fresh(Entry<V>),
    Expired,
    Nothing,
}

impl<K: Hash + Eq, V: Clone> MemoryCache<K, V, Measured>
where
    Measured: Weigher<K, V>,
{
    /// An empty cache; `name` is its label in the metrics. Of `config`, `ttl` is not used: every
    /// insertion brings its own.
    #[must_use]
    pub fn new(name: &'static str, config: &CacheConfig) -> Self {
        Self::with_weigher(name, config, Measured)
    }
}

impl<K: Hash + Eq, V: Clone, W: Weigher<K, V>> MemoryCache<K, V, W> {
    /// As `new`, with a weigher of the caller's. At most 4 194 304 entries and 1 TiB; higher bounds
    /// become these.
    #[must_use]
    pub fn with_weigher(name: &'static str, config: &CacheConfig, weigher: W) -> Self {
        let bounds = Bounds::new(config);
        Self {
            name,
            table: Table::with_options(
                bounds.options(),
                Charge(bounds),
                RandomState::new(),
                Displace,
            ),
            bounds,
            weigher,
            jitter: Jitter::default(),
            draws: RandomState::new(),
            weight: AtomicU64::new(0),
            events: Events::new(name),
        }
    }

    /// With another spread of lifetimes.
    #[must_use]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The living value of `key`.
    pub fn get<Q>(&self, key: &Q, now: Instant) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.living(key, now).map(|entry| entry.value)
    }

    /// Stores `value` for `ttl`, give or take the jitter. What was stored under `key` is gone, also
    /// when the new value is too heavy to be stored.
    pub fn insert(&self, key: K, value: V, ttl: Duration, now: Instant) {
        let entry = self.entry(&key, value, self.spread(&key, ttl), now);
        drop(self.put(key, entry));
    }

    /// Removes `key`; tells whether it was there, expired or not.
    pub fn invalidate<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let removed = self.remove(key);
        if removed.is_some() {
            self.events.count(Event::Invalidated);
        }
        removed.is_some()
    }

    /// Removes everything that is there when the call begins.
    pub fn clear(&self) {
        let removed = self.drain();
        self.events.add(Event::Invalidated, removed.len() as u64);
    }

    /// Entries held, expired ones that nobody has replaced yet included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes held, by the weigher; during an insertion on another thread also what it brings.
    pub fn weight(&self) -> u64 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Contents and counts.
    #[must_use]
    pub fn snapshot(&self) -> CacheSnapshot {
        let holding = Holding {
            name: self.name,
            entries: self.len(),
            max_entries: self.bounds.entries as usize,
            weight: self.weight(),
            capacity: self.bounds.capacity,
        };
        CacheSnapshot::new(&holding, &self.events)
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// As [`Self::get`], with the end of the lifetime.
    pub(crate) fn living<Q>(&self, key: &Q, now: Instant) -> Option<Entry<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        match self.find(key, now) {
            Found::Fresh(entry) => {
                self.events.count(Event::Hit);
                return Some(entry);
            }
            Found::Expired => self.events.count(Event::Expired),
            Found::Nothing => {}
        }
        self.events.count(Event::Miss);
        None
    }

    /// Looks up without counting.
    #[inline]
    pub(crate) fn find<Q>(&self, key: &Q, now: Instant) -> Found<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        match self.table.get(key) {
            Some(entry) if now < entry.expires => Found::Fresh(entry),
            Some(_) => Found::Expired,
            None => Found::Nothing,
        }
    }

    /// The lifetime of `key` with its jitter.
    pub(crate) fn spread(&self, key: &K, ttl: Duration) -> Duration {
        self.jitter.apply(ttl, self.draws.hash_one(key))
    }

    /// Weighs a value that is to live for exactly `ttl`.
    pub(crate) fn entry(&self, key: &K, value: V, ttl: Duration, now: Instant) -> Entry<V> {
        let weight = self.weigher.weigh(key, &value);
        Entry { value, expires: now + ttl, weight }
    }

    pub(crate) fn put(&self, key: K, entry: Entry<V>) -> Displaced<K, V> {
        let mut displaced = Displaced::default();
        if entry.weight > self.bounds.largest {
            if let Some((key, entry)) = self.remove(&key) {
                displaced.take(key, entry);
            }
            displaced.take(key, entry);
            self.events.count(Event::Evicted);
            return displaced;
        }
        self.weight.fetch_add(entry.weight, Ordering::Relaxed);
        self.table.insert_with_lifecycle(key, entry, &mut displaced);
        self.weight.fetch_sub(displaced.weight, Ordering::Relaxed);
        if displaced.evicted > 0 {
            self.events.add(Event::Evicted, displaced.evicted);
        }
        displaced
    }

    /// Removes without counting; the entry comes back to be dropped outside of locks.
    pub(crate) fn remove<Q>(&self, key: &Q) -> Option<(K, Entry<V>)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let removed = self.table.remove(key)?;
        self.weight.fetch_sub(removed.1.weight, Ordering::Relaxed);
        Some(removed)
    }

    pub(crate) fn drain(&self) -> Vec<(K, Entry<V>)> {
        let removed: Vec<_> = self.table.drain().collect();
        let weight: u64 = removed.iter().map(|(_, entry)| entry.weight).sum();
        self.weight.fetch_sub(weight, Ordering::Relaxed);
        removed
    }
}

impl<K, V, W> fmt::Debug for MemoryCache<K, V, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("name", &self.name).finish_non_exhaustive()
    }
}
