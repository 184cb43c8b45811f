use crate::metrics::{Event, Events};

/// What a cache holds and has done since it was made; for a status page.
///
/// The counts are read one after another while others go on counting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheSnapshot {
    /// The cache's name.
    pub name: &'static str,
    /// Entries held, expired ones that nobody has replaced yet included.
    pub entries: usize,
    /// Most entries.
    pub max_entries: usize,
    /// Bytes held, by the weigher.
    pub weight: u64,
    /// Most bytes.
    pub capacity: u64,
    /// Look-ups that found a living value.
    pub hits: u64,
    /// Look-ups that found the value known to be absent.
    pub negatives: u64,
    /// Look-ups that found nothing to use.
    pub misses: u64,
    /// Misses due to an entry past its lifetime.
    pub expired: u64,
    /// Loads begun.
    pub loads: u64,
    /// Loads that ended with an error.
    pub load_failures: u64,
    /// Callers that waited for the load of another.
    pub joined: u64,
    /// Entries that gave way to stay inside the bounds, or were too heavy to be stored.
    pub evicted: u64,
    /// Entries and loads under way that were invalidated.
    pub invalidated: u64,
}

/// What a snapshot tells beside the counts of events.
pub(crate) struct Holding {
    pub(crate) name: &'static str,
    pub(crate) entries: usize,
    pub(crate) max_entries: usize,
    pub(crate) weight: u64,
    pub(crate) capacity: u64,
}

impl CacheSnapshot {
    pub(crate) fn new(holding: &Holding, events: &Events) -> Self {
        Self {
            name: holding.name,
            entries: holding.entries,
            max_entries: holding.max_entries,
            weight: holding.weight,
            capacity: holding.capacity,
            hits: events.total(Event::Hit),
            negatives: events.total(Event::Negative),
            misses: events.total(Event::Miss),
            expired: events.total(Event::Expired),
            loads: events.total(Event::Load),
            load_failures: events.total(Event::LoadFailed),
            joined: events.total(Event::Joined),
            evicted: events.total(Event::Evicted),
            invalidated: events.total(Event::Invalidated),
        }
    }

    /// The share of look-ups answered from memory, 0 to 1; `None` before the first.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        let answered = self.hits + self.negatives;
        let all = answered + self.misses;
        (all > 0).then(|| answered as f64 / all as f64)
    }
}
