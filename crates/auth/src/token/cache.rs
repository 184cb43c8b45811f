use std::{sync::Arc, time::Duration};

use foldhash::quality::RandomState;
use gabion_clock::UnixTime;
use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};

use super::Claims;

/// What is true from one time to another.
pub trait Expires {
    /// When it begins: the later one of `nbf` and `iat`.
    fn not_before(&self) -> UnixTime;

    /// When it ends.
    fn expires_at(&self) -> UnixTime;
}

/// Remembers tokens that were verified, so that a client's next request is not verified again.
///
/// The key is the whole token, compared byte by byte, under a hash with a random seed. Only what
/// was verified may be put in; whether it is good yet, since clocks go back, whether it has expired
/// and whether its key might have been taken away is asked at each look; whether its session has
/// ended is for the caller to ask. Bounded by count.
pub struct VerifiedTokens<V = Claims> {
    tokens: Cache<Box<str>, (u64, Arc<V>), UnitWeighter, RandomState>,
    leeway: Duration,
}

impl<V: Expires> VerifiedTokens<V> {
    /// How many tokens are remembered unless told otherwise.
    pub const DEFAULT_ENTRIES: usize = 10_000;

    /// Room for `entries` tokens; each is good from `leeway` before its time to `leeway` after it, as
    /// for the [`Verifier`](super::Verifier).
    #[must_use]
    pub fn new(entries: usize, leeway: Duration) -> Self {
        let entries = entries.max(1);
        let hasher = RandomState::default();
        let lifecycle = DefaultLifecycle::default();
        let tokens = Cache::with(entries, entries as u64, UnitWeighter, hasher, lifecycle);
        Self { tokens, leeway }
    }

    /// What was found when `token` was verified under `epoch`, the keys' present one; unless it is
    /// not good yet or has expired at `now`.
    #[must_use]
    pub fn get(&self, token: &str, epoch: u64, now: UnixTime) -> Option<Arc<V>> {
        let (verified_under, found) = self.tokens.get(token)?;
        let good = verified_under == epoch
            && now + self.leeway >= found.not_before()
            && now < found.expires_at() + self.leeway;
        good.then_some(found)
    }

    /// Remembers what verifying `token` found; the least used make room.
    ///
    /// `epoch` is the keys' own (see [`KeyResolver::epoch`](super::KeyResolver::epoch)), read
    /// *before* the token was verified: a key that was taken away meanwhile then makes the entry
    /// worthless.
    pub fn insert(&self, token: &str, epoch: u64, found: Arc<V>) {
        self.tokens.insert(token.into(), (epoch, found));
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
