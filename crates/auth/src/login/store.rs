use std::{future::Future, time::Duration};

use gabion_clock::{Instant, UnixTime};

use super::policy::{NEVER, Record};
use crate::StoreError;

/// The name of an account or of an address, as a keyed hash: what somebody typed as a name may be a
/// password in the wrong field, and no record of failures says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailureKey([u8; 16]);

impl FailureKey {
    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// What failed logins are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureScope {
    /// The name of an account, whether there is one or not.
    Account,
    /// The address of the client; of IPv6 its /64.
    Address,
}

/// The failed logins of one account or address, as they outlive a process.
///
/// A store keeps it as it is and needs to understand `key` and `kept_until` only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRecord {
    /// Whose.
    pub key: FailureKey,
    /// What it is the key of.
    pub scope: FailureScope,
    /// Failures since the last success.
    pub consecutive: u32,
    /// Failures of the present window.
    pub recent: u32,
    /// When that window ends.
    pub window_ends: UnixTime,
    /// How many waits were imposed.
    pub waits: u32,
    /// When the present wait ends.
    pub wait_ends: UnixTime,
    /// When the failures of the day are worked off.
    pub paid_by: UnixTime,
    /// When this was last changed.
    pub changed_at: UnixTime,
    /// From then on the record is worth nothing.
    pub kept_until: UnixTime,
}

/// Keeps failed logins from one process to the next.
///
/// It is written in batches, beside the requests. Two processes may write at the same time, as during
/// a hand-over: of each record the last write holds.
pub trait FailureStore: Send + Sync + 'static {
    /// Adds these records or replaces those of the same keys; all or none.
    fn save_failures(
        &self,
        records: &[FailureRecord],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// At most `limit` records: those that are kept longest, and of the same end those with more
    /// consecutive failures.
    fn failures(
        &self,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<FailureRecord>, StoreError>> + Send;

    /// Forgets records that are kept until before `now`, and of the others all but `keep`, in the
    /// order of [`failures`](Self::failures); returns how many.
    fn prune_failures(
        &self,
        now: UnixTime,
        keep: u32,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// One moment on both clocks: what lies between the record of a process and that of a store.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// On the process's own clock.
    pub now: Instant,
    /// On the wall.
    pub unix: UnixTime,
}

impl Moment {
    /// Rounded up: nobody is let in early by a fraction.
    fn on_the_wall(self, at: Instant) -> UnixTime {
        if at == NEVER {
            return UnixTime::from_millis(u64::MAX);
        }
        let ahead = at.saturating_since(self.now);
        if ahead.is_zero() {
            let behind = millis(self.now.saturating_since(at));
            return UnixTime::from_millis(self.unix.as_millis().saturating_sub(behind));
        }
        self.unix + (ahead + Duration::from_nanos(999_999))
    }

    fn on_the_clock(self, at: UnixTime) -> Instant {
        let behind = self.unix.saturating_since(at);
        if behind.is_zero() {
            return self.now + at.saturating_since(self.unix);
        }
        let nanos = u64::try_from(behind.as_nanos()).unwrap_or(u64::MAX);
        Instant::from_nanos(self.now.as_nanos().saturating_sub(nanos))
    }

    pub(super) fn write(
        self,
        key: FailureKey,
        scope: FailureScope,
        record: &Record,
        kept_until: Instant,
    ) -> FailureRecord {
        FailureRecord {
            key,
            scope,
            consecutive: record.consecutive,
            recent: record.recent,
            window_ends: self.on_the_wall(record.window_ends),
            waits: record.waits,
            wait_ends: self.on_the_wall(record.until),
            paid_by: self.on_the_wall(record.paid_by),
            changed_at: self.on_the_wall(record.changed_at),
            kept_until: self.on_the_wall(kept_until),
        }
    }

    pub(super) fn read(self, stored: &FailureRecord) -> Record {
        Record {
            pending: 0,
            consecutive: stored.consecutive,
            recent: stored.recent,
            window_ends: self.on_the_clock(stored.window_ends),
            waits: stored.waits,
            until: self.on_the_clock(stored.wait_ends),
            paid_by: self.on_the_clock(stored.paid_by),
            changed_at: self.on_the_clock(stored.changed_at),
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
