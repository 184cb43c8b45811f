//! A tier that keeps bytes, for instance one that several nodes share.

use std::{error::Error, future::Future, time::Duration};

use bytes::Bytes;
use gabion_clock::Instant;

use crate::{CacheConfig, Jitter, MemoryCache};

/// A value and how long it may still be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The value.
    pub value: Bytes,
    /// What is left of its lifetime; never zero.
    pub ttl: Duration,
}

/// A removal that may not have happened.
#[derive(Debug, thiserror::Error)]
#[error("the cache store failed")]
pub struct StoreError(#[source] pub Box<dyn Error + Send + Sync>);

/// Keeps bytes for their lifetime.
///
/// A cache may forget, so a store that fails answers a miss and drops what it was to keep; the
/// backend counts its failures. Only a removal reports one: whoever removes must know that an old
/// value may still be served. A backend with a clock of its own ignores `now`. Its suite is in the
/// module `conformance` (feature of that name).
pub trait Store: Send + Sync + 'static {
    /// The living value of `key`.
    fn get(&self, key: &str, now: Instant) -> impl Future<Output = Option<Stored>> + Send;

    /// Keeps `value` under `key` for at most `ttl`; zero removes the key.
    fn put(
        &self,
        key: &str,
        value: Bytes,
        ttl: Duration,
        now: Instant,
    ) -> impl Future<Output = ()> + Send;

    /// Removes `key`.
    fn remove(&self, key: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A [`Store`] in the memory of this process; bounded as a [`MemoryCache`].
#[derive(Debug)]
pub struct MemoryStore(MemoryCache<String, Bytes>);

impl MemoryStore {
    /// An empty store; `name` is its label in the metrics.
    #[must_use]
    pub fn new(name: &'static str, config: &CacheConfig) -> Self {
        Self(MemoryCache::new(name, config).jitter(Jitter::NONE))
    }
}

impl Store for MemoryStore {
    async fn get(&self, key: &str, now: Instant) -> Option<Stored> {
        let entry = self.0.living(key, now)?;
        Some(Stored { value: entry.value, ttl: entry.expires.saturating_since(now) })
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration, now: Instant) {
        self.0.insert(key.to_owned(), value, ttl, now);
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.0.invalidate(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gabion_clock::{Clock, ManualClock};

    use super::*;

    #[tokio::test]
    async fn the_memory_store_conforms() {
        let clock = ManualClock::new();
        let store = MemoryStore::new("test", &CacheConfig::default());
        crate::conformance::store(&store, async |span| {
            clock.advance(span);
            clock.now()
        })
        .await;
    }
}
