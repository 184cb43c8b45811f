#[cfg(test)]
mod tests;

use std::{
    borrow::Borrow,
    fmt,
    future::Future,
    hash::Hash,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use gabion_clock::Instant;

use crate::{
    CacheConfig, CacheSnapshot, Jitter, LoadError, Loaded, Measured, MemoryCache, SharedError,
    Weigher,
    flight::{Boarding, Flights, Lead},
    memory::Found,
    metrics::Event,
    weigher::OrAbsent,
};

/// A [`MemoryCache`] that loads what it misses, each key once at a time.
///
/// - Of many callers that miss a key one loads, the others wait for its result. A failed load is
///   shared with those who wait, never stored.
/// - The load runs in the future of the caller that began it, not in a task: it needs no runtime and
///   no `'static`, and the caller's deadline holds for it. When that caller goes away (or its load
///   panics) one of those who wait begins its own load. A caller that stops polling its future keeps
///   the others waiting, so put a deadline around the whole.
/// - A load that finds nothing is remembered too, for the shorter negative lifetime.
/// - Invalidation wins over loads under way: see [`Self::invalidate`].
/// - Lifetimes count from the `now` of the caller that loads, taken before the load began.
///
/// See the [crate docs](crate) for examples.
pub struct Cache<K, V, E = SharedError, W = Measured> {
    memory: MemoryCache<K, Option<V>, OrAbsent<W>>,
    flights: Flights<K, Result<Option<V>, E>>,
    /// Nanoseconds; live.
    ttl: AtomicU64,
    negative_ttl: Duration,
}

/// Default of [`Cache::negative_ttl`].
const NEGATIVE_TTL: Duration = Duration::from_secs(1);

/// Default of [`Cache::waiters`].
const WAITERS: usize = 1024;

impl<K, V, E> Cache<K, V, E, Measured>
where
    K: Hash + Eq + Clone,
    V: Clone,
    E: Clone,
    Measured: Weigher<K, V>,
{
    /// An empty cache; `name` is its label in the metrics.
    #[must_use]
    pub fn new(name: &'static str, config: &CacheConfig) -> Self {
        Self::with_weigher(name, config, Measured)
    }
}

impl<K, V, E, W> Cache<K, V, E, W>
where
    K: Hash + Eq + Clone,
    V: Clone,
    E: Clone,
    W: Weigher<K, V>,
{
    /// As `new`, with a weigher of the caller's.
    #[must_use]
    pub fn with_weigher(name: &'static str, config: &CacheConfig, weigher: W) -> Self {
        Self {
            memory: MemoryCache::with_weigher(name, config, OrAbsent(weigher)),
            flights: Flights::new(WAITERS),
            ttl: AtomicU64::new(nanos(config.ttl)),
            negative_ttl: NEGATIVE_TTL,
        }
    }

    /// With another spread of lifetimes; a tenth by default.
    #[must_use]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.memory = self.memory.jitter(jitter);
        self
    }

    /// With another lifetime for what is known to be absent; 1 s by default, zero: not remembered.
    #[must_use]
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = ttl;
        self
    }

    /// With another number of callers that may wait for one load; 1024 by default. Those beyond are
    /// refused with [`LoadError::Crowded`].
    #[must_use]
    pub fn waiters(mut self, waiters: usize) -> Self {
        self.flights = Flights::new(waiters);
        self
    }

    /// Changes the lifetime of values loaded from now on.
    pub fn set_ttl(&self, ttl: Duration) {
        self.ttl.store(nanos(ttl), Ordering::Relaxed);
    }

    /// The living value of `key`, without loading; `None` also when it is known to be absent.
    pub fn get<Q>(&self, key: &Q, now: Instant) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.answer(key, now).flatten()
    }

    /// The living value of `key`, loaded by `load` if need be; `None` when there is no such value.
    ///
    /// # Errors
    ///
    /// [`LoadError::Failed`] with what the load said, which may be another caller's load;
    /// [`LoadError::Crowded`] when as many wait for the load of this key as may.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops its load; one of those who wait then begins its own.
    pub async fn get_or_load<Q, F>(
        &self,
        key: &Q,
        now: Instant,
        load: F,
    ) -> Result<Option<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Result<Loaded<V>, E>>,
    {
        if let Some(answer) = self.answer(key, now) {
            return Ok(answer);
        }
        let owned = key.to_owned();
        loop {
            let boarding = self.flights.board(&owned, || match self.memory.find(key, now) {
                Found::Fresh(entry) => Some(entry.value),
                Found::Expired | Found::Nothing => None,
            });
            match boarding {
                Boarding::Answer(answer) => return Ok(answer),
                Boarding::Lead(lead) => {
                    self.memory.events().count(Event::Load);
                    let loaded = load.await;
                    return self.land(lead, loaded, now);
                }
                Boarding::Join(seat) => {
                    self.memory.events().count(Event::Joined);
                    if let Some(outcome) = seat.outcome().await {
                        return outcome.map_err(LoadError::Failed);
                    }
                }
                Boarding::Crowded => return Err(LoadError::Crowded),
            }
        }
    }

    /// Stores a value known from elsewhere, for instance one that was just written. A load under way
    /// may have read what was before: its value is not stored.
    pub fn insert(&self, key: K, value: V, now: Instant) {
        let ttl = self.memory.spread(&key, self.ttl());
        let entry = self.memory.entry(&key, Some(value), ttl, now);
        let displaced = self.flights.detach(&key.clone(), || self.memory.put(key, entry));
        drop(displaced);
    }

    /// Removes `key`; tells whether a value was stored or being loaded.
    ///
    /// When it returns, every [`Self::get_or_load`] that begins sees a load that began later. A load
    /// under way still answers those who wait for it, but is not stored. So change the source first,
    /// then invalidate.
    pub fn invalidate<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (detached, removed) = self.flights.detach(key, || self.memory.remove(key));
        let found = detached || removed.is_some();
        if found {
            self.memory.events().count(Event::Invalidated);
        }
        found
    }

    /// As [`Self::invalidate`], for all keys.
    pub fn clear(&self) {
        let (detached, removed) = self.flights.detach_all(|| self.memory.drain());
        self.memory.events().add(Event::Invalidated, (detached + removed.len()) as u64);
    }

    /// Entries held, absences and expired entries included.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Bytes held, by the weigher.
    pub fn weight(&self) -> u64 {
        self.memory.weight()
    }

    /// Contents and counts.
    #[must_use]
    pub fn snapshot(&self) -> CacheSnapshot {
        self.memory.snapshot()
    }

    /// What memory knows: a value, an absence, or nothing.
    fn answer<Q>(&self, key: &Q, now: Instant) -> Option<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let events = self.memory.events();
        match self.memory.find(key, now) {
            Found::Fresh(entry) => {
                let event = if entry.value.is_some() { Event::Hit } else { Event::Negative };
                events.count(event);
                return Some(entry.value);
            }
            Found::Expired => events.count(Event::Expired),
            Found::Nothing => {}
        }
        events.count(Event::Miss);
        None
    }

    fn land(
        &self,
        lead: Lead<'_, K, Result<Option<V>, E>>,
        loaded: Result<Loaded<V>, E>,
        now: Instant,
    ) -> Result<Option<V>, LoadError<E>> {
        let (value, ttl) = match loaded {
            Ok(Loaded::Present(value)) => (Some(value), self.memory.spread(lead.key(), self.ttl())),
            Ok(Loaded::PresentFor(value, ttl)) => (Some(value), ttl),
            Ok(Loaded::Absent) => (None, self.memory.spread(lead.key(), self.negative_ttl)),
            Err(error) => {
                self.memory.events().count(Event::LoadFailed);
                lead.land(Err(error.clone()), drop);
                return Err(LoadError::Failed(error));
            }
        };
        // Weighed and cloned here, so that little is done under the lock.
        let entry =
            (!ttl.is_zero()).then(|| self.memory.entry(lead.key(), value.clone(), ttl, now));
        let displaced = lead.land(Ok(value.clone()), |key| match entry {
            Some(entry) => (Some(self.memory.put(key, entry)), None),
            None => (None, self.memory.remove(&key)),
        });
        drop(displaced);
        Ok(value)
    }

    fn ttl(&self) -> Duration {
        Duration::from_nanos(self.ttl.load(Ordering::Relaxed))
    }
}

impl<K, V, E, W> fmt::Debug for Cache<K, V, E, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("memory", &self.memory).finish_non_exhaustive()
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
