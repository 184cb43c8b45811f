use std::time::Duration;

use gabion_config::{ByteSize, settings};

const DAY: Duration = Duration::from_secs(86_400);

settings! {
    /// The bounds of a cache and how long its entries live (section `cache`).
    pub struct CacheConfig {
        /// Most entries.
        restart entries: usize = 1000, in 1..=1_000_000;
        /// Most bytes, as the cache's weigher counts them; it holds together with `entries`.
        restart capacity: ByteSize = ByteSize::mib(64), in ByteSize::kib(1)..=ByteSize::gib(1024);
        /// How long a loaded value is used, give or take the jitter (a tenth).
        live ttl: Duration = Duration::from_secs(3600), in Duration::from_millis(1)..=DAY * 366;
    }
}

#[cfg(test)]
mod tests {
    use gabion_config::{Reader, Settings};

    use super::*;

    #[test]
    fn a_cache_without_room_is_refused() {
        let mut reader = Reader::from_text([("cache.entries", "0")]);
        let config = CacheConfig::default().read("cache", &mut reader);
        assert_eq!(reader.finish().len(), 1);
        assert_eq!(config, CacheConfig::default());
    }

    #[test]
    fn all_three_keys_are_read() {
        let text = [("cache.entries", "7"), ("cache.capacity", "2MiB"), ("cache.ttl", "5s")];
        let mut reader = Reader::from_text(text);
        let config = CacheConfig::default().read("cache", &mut reader);
        assert!(reader.finish().is_empty());
        let (capacity, ttl) = (ByteSize::mib(2), Duration::from_secs(5));
        assert_eq!(config, CacheConfig { entries: 7, capacity, ttl });
    }
}
