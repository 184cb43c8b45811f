use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Since when something lasts, if it does.
#[derive(Debug, Default)]
pub(super) struct Mark(
    /// The tick plus one; zero while it does not last.
    AtomicU64,
);

impl Mark {
    pub(super) fn set(&self, now_ms: u64) {
        self.0.store(now_ms.saturating_add(1), Relaxed);
    }

    pub(super) fn set_if_clear(&self, now_ms: u64) {
        // Most calls find what they want by reading, which costs a tenth of an exchange.
        if self.0.load(Relaxed) == 0 {
            let _ = self.0.compare_exchange(0, now_ms.saturating_add(1), Relaxed, Relaxed);
        }
    }

    pub(super) fn clear(&self) {
        if self.0.load(Relaxed) != 0 {
            self.0.store(0, Relaxed);
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    pub(super) fn has_lasted(&self, span: Duration, now_ms: u64) -> bool {
        let mark = self.0.load(Relaxed);
        mark != 0 && u128::from((now_ms.saturating_add(1)).saturating_sub(mark)) >= span.as_millis()
    }
}
