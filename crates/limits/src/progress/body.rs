use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::Duration,
};

use crate::time::TimeConfig;

/// Set in [`BodyProgress::wait`] while the service waits.
const WAITING: u64 = 1 << 63;

/// How long a body was waited for, and what came of it.
#[derive(Debug, Default)]
pub(super) struct BodyProgress {
    /// Waiting: the tick at which it would have begun to, had it waited without a pause. Else: the
    /// milliseconds it has waited so far. One word, so that the sweeper never sees half of a change.
    wait: AtomicU64,
    received: AtomicU64,
}

impl BodyProgress {
    pub(super) fn waiting(&self, now_ms: u64) {
        let _ = self.wait.fetch_update(Relaxed, Relaxed, |wait| {
            (wait & WAITING == 0).then(|| WAITING | now_ms.saturating_sub(wait))
        });
    }

    pub(super) fn received(&self, bytes: u64, now_ms: u64) {
        self.received.fetch_add(bytes, Relaxed);
        // Released after the bytes: a sweeper that counts this wait counts them too.
        let _ = self.wait.fetch_update(Release, Relaxed, |wait| {
            (wait & WAITING != 0).then(|| now_ms.saturating_sub(wait & !WAITING))
        });
    }

    pub(super) fn done(&self) {
        if self.wait.load(Relaxed) != 0 || self.received.load(Relaxed) != 0 {
            self.wait.store(0, Relaxed);
            self.received.store(0, Release);
        }
    }

    /// Whether less than the least rate arrived in the time waited, once that exceeds the grace.
    pub(super) fn is_too_slow(&self, now_ms: u64, config: &TimeConfig) -> bool {
        let wait = self.wait.load(Acquire);
        if wait & WAITING == 0 {
            return false;
        }
        let waited = Duration::from_millis(now_ms.saturating_sub(wait & !WAITING));
        waited >= config.body_grace
            && self.received.load(Acquire) < config.body_min_rate.bytes_in(waited)
            // Another body may have begun between the two reads.
            && self.wait.load(Relaxed) == wait
    }
}
