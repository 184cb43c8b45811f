mod config;

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering::Relaxed},
    },
};

pub use self::config::ConnectionConfig;
use crate::{
    client_addr::{ClientAddr, RateKeyBytes},
    metrics::LimitMetrics,
};

const SHARDS: usize = 16;
/// The last places of the total, for probes.
const RESERVED: u32 = 16;
/// A shard that holds less than a quarter of what it has room for gives memory back, from this size.
const SHRINK_FROM: usize = 64;

type Shard = HashMap<RateKeyBytes, u32, RandomState>;

/// The open connections, in all and by address.
///
/// The places are counted before the first byte is read, so that a flood of connections costs an
/// `accept` and a `close` each. It differs from [admission](crate::admission), which counts requests:
/// a connection without one costs memory, not time.
///
/// Its memory is bounded by the total: an address without a connection is forgotten.
#[derive(Debug)]
pub struct ConnectionTable {
    total: AtomicU32,
    per_address: AtomicU32,
    ipv6_prefix: AtomicU8,
    open: AtomicU32,
    /// Keyed with a secret, since clients choose their addresses out of large networks.
    hasher: RandomState,
    /// Connections per address, never zero.
    shards: [Mutex<Shard>; SHARDS],
    total_metrics: LimitMetrics,
    address_metrics: LimitMetrics,
}

/// There is no place for another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionsFull {
    /// Not for anybody.
    #[error("all connections are in use")]
    Total,
    /// Not for this address.
    #[error("all connections of the address are in use")]
    PerAddress,
}

/// A place among the connections, given back when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    table: Arc<ConnectionTable>,
    /// Whose it is, once that is known.
    key: Option<RateKeyBytes>,
    reserved: bool,
}

impl ConnectionTable {
    /// An empty table.
    #[must_use]
    pub fn new(config: &ConnectionConfig) -> Self {
        let hasher = RandomState::new();
        Self {
            total: AtomicU32::new(config.total),
            per_address: AtomicU32::new(config.per_address),
            ipv6_prefix: AtomicU8::new(ClientAddr::SUBSCRIBER),
            open: AtomicU32::new(0),
            shards: std::array::from_fn(|_| Mutex::new(Shard::with_hasher(hasher.clone()))),
            hasher,
            total_metrics: LimitMetrics::new("connections"),
            address_metrics: LimitMetrics::new("connections_per_address"),
        }
    }

    /// Takes a place for a connection from `peer`.
    ///
    /// # Errors
    ///
    /// When all places, or all places of the address, are taken.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<ConnectionPermit, ConnectionsFull> {
        let mut permit = self.admit_unnamed()?;
        permit.name(peer)?;
        Ok(permit)
    }

    /// Takes a place for a connection whose client is to be named, as a proxy does that makes all
    /// connections itself. Until [`ConnectionPermit::name`] it counts towards the total alone.
    ///
    /// # Errors
    ///
    /// When all places are taken.
    pub fn admit_unnamed(self: &Arc<Self>) -> Result<ConnectionPermit, ConnectionsFull> {
        let total = self.total.load(Relaxed);
        let others = self.open.fetch_add(1, Relaxed);
        if others >= total {
            self.open.fetch_sub(1, Relaxed);
            self.total_metrics.deny.increment(1);
            return Err(ConnectionsFull::Total);
        }
        self.total_metrics.allow.increment(1);
        // A small total keeps half of its places for everybody.
        let reserved = others >= total - RESERVED.min(total / 2);
        Ok(ConnectionPermit { table: Arc::clone(self), key: None, reserved })
    }

    /// Takes new bounds. Connections beyond them stay until they end.
    pub fn set(&self, config: &ConnectionConfig) {
        self.total.store(config.total, Relaxed);
        self.per_address.store(config.per_address, Relaxed);
    }

    /// Counts new connections of IPv6 addresses by so many leading bits, where it did by 64.
    pub fn set_ipv6_prefix(&self, bits: u8) {
        self.ipv6_prefix.store(bits, Relaxed);
    }

    /// How many connections there are.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Relaxed) as usize
    }

    fn enter(&self, key: RateKeyBytes) -> bool {
        let mut shard = self.shard(key);
        let count = shard.get(&key).copied().unwrap_or(0);
        let fits = count < self.per_address.load(Relaxed);
        if fits {
            shard.insert(key, count + 1);
        }
        fits
    }

    fn exit(&self, key: RateKeyBytes) {
        let mut shard = self.shard(key);
        match shard.get_mut(&key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                shard.remove(&key);
                if shard.capacity() > SHRINK_FROM && shard.len() < shard.capacity() / 4 {
                    let room = shard.len() * 2;
                    shard.shrink_to(room);
                }
            }
        }
    }

    fn shard(&self, key: RateKeyBytes) -> MutexGuard<'_, Shard> {
        // The map itself uses the hash's upper and lower bits.
        let index = (self.hasher.hash_one(key) >> 32) as usize % SHARDS;
        // Nothing panics while it holds the lock.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionPermit {
    /// Counts the connection as one of `client` from now on.
    ///
    /// # Errors
    ///
    /// When all places of the address are taken; the connection counts as before then.
    pub fn name(&mut self, client: IpAddr) -> Result<(), ConnectionsFull> {
        let key = ClientAddr::new(client).rate_key_of(self.table.ipv6_prefix.load(Relaxed));
        if !self.table.enter(key) {
            self.table.address_metrics.deny.increment(1);
            return Err(ConnectionsFull::PerAddress);
        }
        self.table.address_metrics.allow.increment(1);
        if let Some(before) = self.key.replace(key) {
            self.table.exit(before);
        }
        Ok(())
    }

    /// Whether this is one of the last 16 places, which are for probes: the caller answers nothing
    /// else on it. A total below 32 reserves half of itself.
    #[must_use]
    pub const fn reserved(&self) -> bool {
        self.reserved
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.table.exit(key);
        }
        self.table.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
