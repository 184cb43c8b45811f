//! The table under [`MemoryRateStore`](super::MemoryRateStore): buckets of one cache line.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use gabion_clock::Instant;

/// States per bucket: what fits into 64 bytes beside the lock.
pub(super) const WAYS: usize = 5;

/// Names an unused slot; a key whose tag would be zero takes one instead.
const UNUSED: u32 = 0;

/// Five states behind one lock, together one cache line, so that a decision touches no other.
#[repr(align(64))]
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// One while somebody changes the slots.
    lock: AtomicU32,
    /// Changed only under the lock; a tag is stored after its state.
    tags: [AtomicU32; WAYS],
    /// The theoretical arrival time of each slot's key, in nanoseconds.
    tats: [AtomicU64; WAYS],
}

/// What a new key took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// A slot that nobody used, or whose quota was whole again.
    Free,
    /// The slot of a key that was still in use.
    Evict,
}

/// The part of a hash that tells keys of one bucket apart.
pub(super) const fn tag(hash: u64) -> u32 {
    let tag = hash as u32;
    if tag == UNUSED { 1 } else { tag }
}

impl Bucket {
    /// The state of `tag`, read without the lock: old by an instant, never another key's.
    pub(super) fn glance(&self, tag: u32) -> Option<Instant> {
        let slot = self.tags.iter().position(|own| own.load(Ordering::Acquire) == tag)?;
        let tat = self.tats[slot].load(Ordering::Acquire);
        // A slot that changed hands meanwhile carries another tag by now.
        (self.tags[slot].load(Ordering::Acquire) == tag).then(|| Instant::from_nanos(tat))
    }

    /// Waits for the lock; whoever holds it does so for some nanoseconds.
    pub(super) fn lock(&self) -> Locked<'_> {
        let mut tries = 0_u32;
        while self.lock.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            tries += 1;
            // The holder may have lost its core: give it ours instead of burning it.
            if tries.is_multiple_of(64) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        Locked(self)
    }
}

/// A bucket that nobody else changes.
pub(super) struct Locked<'a>(&'a Bucket);

impl Locked<'_> {
    /// The state of `tag`.
    pub(super) fn tat(&self, tag: u32) -> Option<Instant> {
        let slot = self.slot(tag)?;
        Some(Instant::from_nanos(self.0.tats[slot].load(Ordering::Relaxed)))
    }

    /// Stores the state of `tag`, in its own slot or in the one that is soonest or already whole.
    pub(super) fn store(&self, tag: u32, tat: Instant, now: Instant) -> Claim {
        if let Some(slot) = self.slot(tag) {
            self.0.tats[slot].store(tat.as_nanos(), Ordering::Release);
            return Claim::Free;
        }
        let (slot, oldest) = self.oldest();
        // Readers without the lock see the slot unused before they could see another key's state.
        self.0.tags[slot].store(UNUSED, Ordering::Release);
        self.0.tats[slot].store(tat.as_nanos(), Ordering::Release);
        self.0.tags[slot].store(tag, Ordering::Release);
        if oldest <= now.as_nanos() { Claim::Free } else { Claim::Evict }
    }

    fn slot(&self, tag: u32) -> Option<usize> {
        self.0.tags.iter().position(|own| own.load(Ordering::Relaxed) == tag)
    }

    /// The slot with the smallest state; an unused one has zero.
    fn oldest(&self) -> (usize, u64) {
        let tats = self.0.tats.iter().map(|tat| tat.load(Ordering::Relaxed)).enumerate();
        tats.min_by_key(|(_, tat)| *tat).unwrap_or_default()
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.lock.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_bucket_is_one_cache_line() {
        assert_eq!((size_of::<Bucket>(), align_of::<Bucket>()), (64, 64));
    }

    #[test]
    fn a_full_bucket_gives_up_the_key_that_is_whole_first() {
        let bucket = Bucket::default();
        let locked = bucket.lock();
        for tag in 1..=5 {
            assert_eq!(locked.store(tag, at(u64::from(tag) * 10), at(0)), Claim::Free);
        }
        assert_eq!(locked.store(6, at(60), at(5)), Claim::Evict);
        assert_eq!(locked.tat(1), None);
        assert_eq!(locked.store(7, at(70), at(20)), Claim::Free);
        assert_eq!((locked.tat(2), locked.tat(3)), (None, Some(at(30))));
    }

    #[test]
    fn a_glance_sees_what_was_stored() {
        let bucket = Bucket::default();
        bucket.lock().store(9, at(90), at(0));
        assert_eq!((bucket.glance(9), bucket.glance(8)), (Some(at(90)), None));
    }
}
