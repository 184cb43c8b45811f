use std::{sync::Arc, time::Duration};

use foldhash::quality::RandomState;
use gabion_clock::UnixTime;
use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};

use super::Claims;

/// What stops being true at a time.
pub trait Expires {
    /// That time.
    fn expires_at(&self) -> UnixTime;
}

/// Remembers tokens that were verified, so that a client's next request is not verified again.
///
/// The key is the whole token, compared byte by byte, under a hash with a random seed. Only what
/// was verified may be put in; whether it has expired is asked at each look, and whether its
/// session has ended is for the caller to ask. Bounded by count.
pub struct VerifiedTokens<V = Claims> {
    tokens: Cache<Box<str>, Arc<V>, UnitWeighter, RandomState>,
    leeway: Duration,
}

impl<V: Expires> VerifiedTokens<V> {
    /// How many tokens are remembered unless told otherwise.
    pub const DEFAULT_ENTRIES: usize = 10_000;

    /// Room for `entries` tokens; each counts as expired `leeway` after its time, as for the
    /// [`Verifier`](super::Verifier).
    #[must_use]
    pub fn new(entries: usize, leeway: Duration) -> Self {
        let entries = entries.max(1);
        let hasher = RandomState::default();
        let lifecycle = DefaultLifecycle::default();
        let tokens = Cache::with(entries, entries as u64, UnitWeighter, hasher, lifecycle);
        Self { tokens, leeway }
    }

    /// What was found when `token` was verified, unless it has expired at `now`.
    #[must_use]
    pub fn get(&self, token: &str, now: UnixTime) -> Option<Arc<V>> {
        self.tokens.get(token).filter(|found| now < found.expires_at() + self.leeway)
    }

    /// Remembers what verifying `token` found; the least used make room.
    pub fn insert(&self, token: &str, found: Arc<V>) {
        self.tokens.insert(token.into(), found);
    }

    /// How many tokens are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}
