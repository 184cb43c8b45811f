use std::collections::HashMap;

use foldhash::quality::RandomState;
use gabion_clock::UnixTime;
use parking_lot::RwLock;

use crate::SessionId;

/// Sessions that ended while tokens of theirs might still be good, in memory.
///
/// Known by session, never by the token's text. Each is forgotten once its last token has expired,
/// so their number is bounded by the logouts within the longest life of a token.
#[derive(Debug, Default)]
pub struct Revocations {
    shards: [Shard; SHARDS],
}

/// Each ended session with the time at which its last token has expired.
type Shard = RwLock<HashMap<SessionId, UnixTime, RandomState>>;

const SHARDS: usize = 16;

impl Revocations {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the session has ended.
    #[must_use]
    pub fn ended(&self, session: SessionId) -> bool {
        self.shard(session).read().contains_key(&session)
    }

    /// Notes that the session has ended; it may be forgotten at `forget_at`.
    pub fn end(&self, session: SessionId, forget_at: UnixTime) {
        let mut shard = self.shard(session).write();
        let until = shard.entry(session).or_default();
        *until = forget_at.max(*until);
    }

    /// Forgets those whose time has come.
    pub fn prune(&self, now: UnixTime) {
        for shard in &self.shards {
            shard.write().retain(|_, forget_at| now < *forget_at);
        }
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, session: SessionId) -> &Shard {
        // The ids are random, so their low bits spread evenly.
        &self.shards[session.bits() as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_session_is_known_until_it_may_be_forgotten() {
        let revocations = Revocations::new();
        let (ended, other) = (SessionId::from_bits(1), SessionId::from_bits(17));
        revocations.end(ended, UnixTime::from_secs(100));
        assert!(revocations.ended(ended) && !revocations.ended(other));
        revocations.prune(UnixTime::from_millis(99_999));
        assert!(revocations.ended(ended));
        revocations.prune(UnixTime::from_secs(100));
        assert!(!revocations.ended(ended) && revocations.is_empty());
    }

    #[test]
    fn a_second_end_never_shortens_the_first() {
        let revocations = Revocations::new();
        revocations.end(SessionId::from_bits(1), UnixTime::from_secs(100));
        revocations.end(SessionId::from_bits(1), UnixTime::from_secs(50));
        revocations.prune(UnixTime::from_secs(60));
        assert_eq!(revocations.len(), 1);
    }
}
