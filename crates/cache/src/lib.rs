//! Caching that stays bounded, never serves what expired, and loads once.
//!
//! A cache protects what is behind it. A naive one fails when it is needed: it grows without bound,
//! a hundred callers load the same key the moment it expires, entries made together expire together,
//! unknown keys pass straight through, and a value read just before a change is stored just after it
//! and served for an hour. Eviction is `quick_cache`'s; this is the policy around it.
//!
//! - [`MemoryCache`]: two bounds (entries and bytes) that both hold, and a lifetime per entry, with
//!   jitter. It knows no loads.
//! - [`Cache`]: the same with [`get_or_load`](Cache::get_or_load): one load per key at a time,
//!   remembered absences, and invalidation that wins over loads under way.
//! - [`Loader`]: many loads made one. It remembers nothing.
//! - [`Store`]: a tier that keeps bytes, as one shared by several nodes. [`http`]: what a cache
//!   decides about headers.
//!
//! Accounts, looked up per request by what the token says:
//!
//! ```
//! use std::sync::Arc;
//!
//! use gabion_cache::{Cache, CacheConfig, Loaded};
//! use gabion_clock::{Clock, SystemClock};
//!
//! # async fn find_role(name: &str) -> Result<Option<Arc<str>>, gabion_cache::SharedError> {
//! #     Ok((name == "ann").then(|| "admin".into()))
//! # }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let clock = SystemClock::new();
//! let roles: Cache<String, Arc<str>> = Cache::new("roles", &CacheConfig::default());
//!
//! let load = async { find_role("ann").await.map(Loaded::from) };
//! let role = roles.get_or_load("ann", clock.now(), load).await.unwrap();
//! assert_eq!(role.as_deref(), Some("admin"));
//!
//! // After the change is written: nobody who asks from now on sees the old role.
//! roles.invalidate("ann");
//! # }
//! ```
//!
//! With bounds, weigher and error type of one's own:
//!
//! ```
//! use std::{io::ErrorKind, sync::Arc, time::Duration};
//!
//! use gabion_cache::{Cache, CacheConfig, Jitter, Weigher};
//! use gabion_clock::Instant;
//! use gabion_config::ByteSize;
//!
//! struct Image {
//!     pixels: Vec<u8>,
//! }
//!
//! struct Pixels;
//!
//! impl Weigher<u64, Arc<Image>> for Pixels {
//!     fn weigh(&self, _key: &u64, image: &Arc<Image>) -> u64 {
//!         image.pixels.len() as u64
//!     }
//! }
//!
//! let config = CacheConfig { entries: 50, capacity: ByteSize::mib(8), ..CacheConfig::default() };
//! let images: Cache<u64, Arc<Image>, ErrorKind, Pixels> =
//!     Cache::with_weigher("images", &config, Pixels)
//!         .negative_ttl(Duration::from_secs(5))
//!         .jitter(Jitter::new(0.2));
//!
//! images.insert(7, Arc::new(Image { pixels: vec![0; 4096] }), Instant::ORIGIN);
//! assert_eq!(images.weight(), 4096);
//! ```

mod batch;
mod cache;
mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod flight;
pub mod http;
mod loaded;
mod memory;
pub mod metrics;
mod snapshot;
pub mod store;
mod weigher;

pub use self::{
    batch::{BatchConfig, Loader},
    cache::Cache,
    config::CacheConfig,
    loaded::{LoadError, Loaded, SharedError},
    memory::{Jitter, MemoryCache},
    snapshot::CacheSnapshot,
    store::{MemoryStore, Store, StoreError, Stored},
    weigher::{ENTRY_OVERHEAD, Footprint, Measured, Weigher},
};
