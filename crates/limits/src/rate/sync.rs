//! What the table needs of the machine; its model under `loom` has the same with other means.

pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Keys per bucket: what fits into 64 bytes beside the lock.
pub(super) const WAYS: usize = 5;

/// Waits a moment for who was faster, after so many `tries`; it needs some nanoseconds.
pub(super) fn pause(tries: u32) {
    // It may have lost its core: give it ours instead of burning it.
    if tries.is_multiple_of(64) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}
