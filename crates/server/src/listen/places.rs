use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::streams::STREAMS;

/// Which of the places for what goes on side by side over HTTP/2 are taken: one for each stream.
#[derive(Debug, Default)]
pub(super) struct Places(AtomicU64);

impl Places {
    /// The first free place; `None` when more is asked for than a client may have streams, as after
    /// resets that are not worked off yet.
    pub(super) fn take(&self) -> Option<u32> {
        let used = self.0.fetch_update(Relaxed, Relaxed, |used| {
            let free = used.trailing_ones();
            (free < STREAMS).then(|| used | 1 << free)
        });
        used.ok().map(u64::trailing_ones)
    }

    /// `place` is free again.
    pub(super) fn give_back(&self, place: u32) {
        self.0.fetch_and(!(1 << place), Relaxed);
    }
}
