//! The table under [`MemoryRateStore`](super::MemoryRateStore): buckets of one cache line.
//!
//! A key that has a slot is changed by one compare-exchange, without a lock. Only who gives a slot to
//! another key takes the bucket's lock, so that no key ever has two.
//!
//! A slot changes hands in three steps: its state becomes vacant, its tag changes, its state is set.
//! A reader loads the tag, the state, and the tag again. If both tags are its own, so is the state:
//! another key's state is stored only after the tag has changed. And what it then wants to exchange
//! carries a version that each change of hands moves on.

use std::hint::select_unpredictable;

use gabion_clock::Instant;

use super::sync::{AtomicU32, AtomicU64, Ordering, WAYS, pause};

/// The lowest bits of a state: how often its slot has changed hands.
const VERSION_BITS: u32 = 6;
const VERSION: u64 = (1 << VERSION_BITS) - 1;

/// The last arrival time that a state can tell: nine years after the clock's origin.
pub(super) const LATEST: Instant = Instant::from_nanos(u64::MAX >> VERSION_BITS);

/// The slots of some keys, together one cache line, so that a decision touches no other.
#[repr(align(64))]
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// One while somebody gives a slot to another key.
    lock: AtomicU32,
    tags: [AtomicU32; WAYS],
    /// The theoretical arrival time of each slot's key in nanoseconds, above the version. A time of
    /// zero is vacant: no quota was used, and only who has the lock may use the slot.
    states: [AtomicU64; WAYS],
}

/// The state of a key as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    slot: usize,
    state: u64,
}

/// What became of a state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Updated {
    /// What it was.
    pub(super) before: Instant,
    /// What it is now; `None` when it was left alone.
    pub(super) after: Option<Instant>,
    /// Another key lost a state in use for it.
    pub(super) evicted: bool,
}

/// What a new key took.
enum Claim {
    /// A slot that nobody used, or whose quota was whole again.
    Free,
    /// The slot of a key that was still in use.
    Evict,
    /// Nothing: the key got a slot in the meantime.
    Present,
}

impl Held {
    /// The arrival time that it tells.
    pub(super) const fn tat(self) -> Instant {
        Instant::from_nanos(self.state >> VERSION_BITS)
    }
}

impl Bucket {
    /// The state of `tag`, which was its state at one moment of this call.
    #[inline]
    pub(super) fn find(&self, tag: u32) -> Option<Held> {
        // All of them, without a branch for each: which one it is cannot be predicted.
        let found = self.tags.iter().enumerate().fold(WAYS, |found, (slot, own)| {
            select_unpredictable(own.load(Ordering::Acquire) == tag, slot, found)
        });
        let state = self.states.get(found)?.load(Ordering::Acquire);
        let unchanged = self.tags[found].load(Ordering::Relaxed) == tag;
        (unchanged && !is_vacant(state)).then_some(Held { slot: found, state })
    }

    /// Sets the state of `tag` to what `change` makes of it; `None` leaves it. `change` is asked again when
    /// somebody else was faster.
    #[inline]
    pub(super) fn update(
        &self,
        tag: u32,
        now: Instant,
        change: impl Fn(Instant) -> Option<Instant>,
    ) -> Updated {
        // Not in the loop: compilers make branches there of what cannot be predicted.
        match self.try_update(tag, now, &change) {
            Some(updated) => updated,
            None => self.insist(tag, now, &change),
        }
    }

    #[cold]
    fn insist(
        &self,
        tag: u32,
        now: Instant,
        change: &impl Fn(Instant) -> Option<Instant>,
    ) -> Updated {
        loop {
            if let Some(updated) = self.try_update(tag, now, change) {
                return updated;
            }
        }
    }

    /// `None` when somebody else was faster.
    #[inline]
    fn try_update(
        &self,
        tag: u32,
        now: Instant,
        change: &impl Fn(Instant) -> Option<Instant>,
    ) -> Option<Updated> {
        let held = self.find(tag);
        let before = held.map_or(Instant::ORIGIN, Held::tat);
        let after = change(before);
        let mut updated = Updated { before, after, evicted: false };
        let Some(next) = after else { return Some(updated) };
        match held {
            Some(held) => self.replace(held, next).then_some(updated),
            None => match self.claim(tag, next, now) {
                Claim::Free => Some(updated),
                Claim::Evict => {
                    updated.evicted = true;
                    Some(updated)
                }
                Claim::Present => None,
            },
        }
    }

    /// Sets the state that was read as `held` to `tat`; false if it has changed since.
    #[inline]
    fn replace(&self, held: Held, tat: Instant) -> bool {
        let state = packed(tat, held.state);
        let exchanged = self.states[held.slot].compare_exchange(
            held.state,
            state,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        exchanged.is_ok()
    }

    /// Gives a slot to `tag` with the state `tat`: one that is vacant or whole, or else the one that is
    /// whole soonest.
    #[cold]
    fn claim(&self, tag: u32, tat: Instant, now: Instant) -> Claim {
        let locked = self.lock();
        let claimed = locked.claim(tag, tat, now);
        drop(locked);
        claimed
    }

    fn lock(&self) -> Locked<'_> {
        let mut tries = 0;
        while self.lock.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            tries += 1;
            pause(tries);
        }
        Locked(self)
    }
}

/// A bucket whose slots nobody else gives away.
struct Locked<'a>(&'a Bucket);

impl Locked<'_> {
    fn claim(&self, tag: u32, tat: Instant, now: Instant) -> Claim {
        let Bucket { tags, states, .. } = self.0;
        let own = tags.iter().position(|own| own.load(Ordering::Relaxed) == tag);
        if let Some(slot) = own {
            let state = states[slot].load(Ordering::Acquire);
            if !is_vacant(state) {
                return Claim::Present;
            }
            states[slot].store(packed(tat, state), Ordering::Release);
            return Claim::Free;
        }
        let (slot, state) = self.vacate();
        tags[slot].store(tag, Ordering::Release);
        states[slot].store(packed(tat, state.wrapping_add(1)), Ordering::Release);
        if state >> VERSION_BITS <= now.as_nanos() { Claim::Free } else { Claim::Evict }
    }

    /// Makes the slot with the smallest state vacant; what it was.
    fn vacate(&self) -> (usize, u64) {
        let mut tries = 0;
        loop {
            let states = self.0.states.iter().map(|state| state.load(Ordering::Relaxed));
            let (slot, state) =
                states.enumerate().min_by_key(|(_, state)| *state).unwrap_or_default();
            let vacant = state & VERSION;
            let exchanged = self.0.states[slot].compare_exchange(
                state,
                vacant,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if exchanged.is_ok() {
                return (slot, state);
            }
            // Its key was charged just now.
            tries += 1;
            pause(tries);
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.lock.store(0, Ordering::Release);
    }
}

const fn is_vacant(state: u64) -> bool {
    state >> VERSION_BITS == 0
}

/// `tat` with the version of `state`.
const fn packed(tat: Instant, state: u64) -> u64 {
    let tat = if tat.as_nanos() > LATEST.as_nanos() { LATEST } else { tat };
    tat.as_nanos() << VERSION_BITS | state & VERSION
}
