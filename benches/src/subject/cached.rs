//! Cache hits: ours with lifetimes, counters and keyed hashing beside quick_cache as it comes.

use std::{sync::Arc, time::Duration};

use gabion_auth::{AccountState, Roles, Username};
use gabion_cache::{CacheConfig, ENTRY_OVERHEAD, MemoryCache};
use gabion_clock::Instant;
use gabion_config::ByteSize;

use super::{Order, recorder};

/// Entries that are there; every look-up is a hit.
pub const ENTRIES: usize = 100_000;

const NOW: Instant = Instant::from_nanos(1_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

/// Room to spare for every entry.
fn roomy() -> CacheConfig {
    CacheConfig { entries: ENTRIES * 2, capacity: ByteSize::mib(1024), ..CacheConfig::default() }
}

/// Our cache with numbers for keys and values.
pub struct Ours {
    cache: Arc<MemoryCache<u64, u64>>,
    order: Order,
}

impl Ours {
    /// Full, in skewed order.
    #[must_use]
    pub fn new() -> Self {
        recorder();
        let cache = MemoryCache::new("benched", &roomy());
        (0..ENTRIES as u64).for_each(|key| cache.insert(key, !key, DAY, NOW));
        Self { cache: Arc::new(cache), order: Order::skewed(ENTRIES) }
    }

    /// The next value; its lifetime is asked for.
    #[inline]
    pub fn hit(&mut self) -> Option<u64> {
        self.cache.get(&(self.order.next_index() as u64), NOW)
    }

    /// The same cache for another thread.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { cache: Arc::clone(&self.cache), order: self.order.shifted() }
    }
}

impl Default for Ours {
    fn default() -> Self {
        Self::new()
    }
}

/// quick_cache with the hash that it brings, without lifetimes.
pub struct QuickCache {
    cache: Arc<quick_cache::sync::Cache<u64, u64>>,
    order: Order,
}

impl QuickCache {
    /// Full, in skewed order.
    #[must_use]
    pub fn new() -> Self {
        let cache = quick_cache::sync::Cache::new(ENTRIES * 2);
        (0..ENTRIES as u64).for_each(|key| cache.insert(key, !key));
        Self { cache: Arc::new(cache), order: Order::skewed(ENTRIES) }
    }

    /// The next value.
    #[inline]
    pub fn hit(&mut self) -> Option<u64> {
        self.cache.get(&(self.order.next_index() as u64))
    }

    /// The same cache for another thread.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { cache: Arc::clone(&self.cache), order: self.order.shifted() }
    }
}

impl Default for QuickCache {
    fn default() -> Self {
        Self::new()
    }
}

/// Our cache as the server uses it: names for keys, accounts for values.
pub struct Accounts {
    cache: MemoryCache<Username, AccountState, fn(&Username, &AccountState) -> u64>,
    names: Vec<Username>,
    order: Order,
}

impl Accounts {
    /// Full, in skewed order.
    ///
    /// # Panics
    ///
    /// Never: the names are well formed.
    #[must_use]
    pub fn new() -> Self {
        recorder();
        let name =
            |i| Username::parse(&format!("user-{i:07}")).expect("a name of known characters");
        let names: Vec<Username> = (0..ENTRIES).map(name).collect();
        let weigher: fn(&Username, &AccountState) -> u64 = |_, _| ENTRY_OVERHEAD;
        let cache = MemoryCache::with_weigher("accounts", &roomy(), weigher);
        let roles = Roles::new(["user"]);
        for name in &names {
            let state = AccountState { roles: roles.clone(), enabled: true };
            cache.insert(name.clone(), state, DAY, NOW);
        }
        Self { cache, names, order: Order::skewed(ENTRIES) }
    }

    /// The next account.
    #[inline]
    pub fn hit(&mut self) -> Option<AccountState> {
        self.cache.get(&self.names[self.order.next_index()], NOW)
    }
}

impl Default for Accounts {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_look_up_is_a_hit() {
        let (mut ours, mut peer, mut accounts) = (Ours::new(), QuickCache::new(), Accounts::new());
        for _ in 0..ENTRIES {
            assert!(ours.hit().is_some() && peer.hit().is_some() && accounts.hit().is_some());
        }
    }
}
