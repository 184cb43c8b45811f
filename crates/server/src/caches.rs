//! The caches behind routes.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use gabion_cache::{Cache, CacheConfig, CacheSnapshot, LoadError, Loaded};
use gabion_clock::Instant;
use gabion_errors::{Problem, Rejection, types};

/// Documents that are made once and served often.
pub struct Caches {
    documents: Cache<String, Bytes, Arc<Infallible>>,
    demo: Cache<String, Bytes, Arc<Infallible>>,
}

impl Caches {
    /// Caches of the size in `config` each.
    #[must_use]
    pub fn new(config: &CacheConfig) -> Self {
        Self { documents: Cache::new("documents", config), demo: Cache::new("demo", config) }
    }

    /// The document `name`, made by `make` if it is not there.
    ///
    /// # Errors
    ///
    /// When too many wait for it already.
    pub async fn document(
        &self,
        name: &str,
        now: Instant,
        make: impl FnOnce() -> Bytes + Send,
    ) -> Result<Bytes, Rejection> {
        let load = async { Ok(Loaded::Present(make())) };
        found(self.documents.get_or_load(name, now, load).await)
    }

    /// The demo value of `key`.
    ///
    /// # Errors
    ///
    /// When too many wait for it already.
    pub async fn demo(
        &self,
        key: &str,
        now: Instant,
        load: impl Future<Output = Result<Loaded<Bytes>, Arc<Infallible>>> + Send,
    ) -> Result<Bytes, Rejection> {
        found(self.demo.get_or_load(key, now, load).await)
    }

    /// How long values are used that are loaded from now on.
    pub fn set_ttl(&self, ttl: Duration) {
        self.documents.set_ttl(ttl);
        self.demo.set_ttl(ttl);
    }

    /// For the status page.
    #[must_use]
    pub fn snapshots(&self) -> [CacheSnapshot; 2] {
        [self.documents.snapshot(), self.demo.snapshot()]
    }
}

fn found(result: Result<Option<Bytes>, LoadError<Arc<Infallible>>>) -> Result<Bytes, Rejection> {
    match result {
        Ok(document) => Ok(document.unwrap_or_default()),
        Err(error) => {
            let wait = Duration::from_secs(1);
            let problem = Problem::new(&types::OVERLOADED).retry_after(wait);
            Err(Rejection::new(problem).caused_by(error.to_string()))
        }
    }
}
