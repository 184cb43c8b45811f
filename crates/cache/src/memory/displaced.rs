use quick_cache::Lifecycle;

use crate::memory::Entry;

/// Hands out what an insertion displaced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Displace;

/// Entries that left the table; they are dropped with this, after every lock is released.
#[must_use = "drop it outside the locks"]
pub(crate) struct Displaced<K, V> {
    first: Option<(K, Entry<V>)>,
    more: Vec<(K, Entry<V>)>,
    /// Bytes they held.
    pub(crate) weight: u64,
    /// Those that gave way to stay inside the bounds; the others were replaced.
    pub(crate) evicted: u64,
}

impl<K, V> Displaced<K, V> {
    pub(crate) fn take(&mut self, key: K, entry: Entry<V>) {
        self.weight += entry.weight;
        if self.first.is_none() {
            self.first = Some((key, entry));
        } else {
            self.more.push((key, entry));
        }
    }
}

impl<K, V> Default for Displaced<K, V> {
    fn default() -> Self {
        Self { first: None, more: Vec::new(), weight: 0, evicted: 0 }
    }
}

impl<K, V> Lifecycle<K, Entry<V>> for Displace {
    type RequestState = Displaced<K, V>;

    // Not called for an entry that is replaced by a new one of its key.
    fn before_evict(&self, displaced: &mut Self::RequestState, _: &K, _: &mut Entry<V>) {
        displaced.evicted += 1;
    }

    fn on_evict(&self, displaced: &mut Self::RequestState, key: K, entry: Entry<V>) {
        displaced.take(key, entry);
    }
}
