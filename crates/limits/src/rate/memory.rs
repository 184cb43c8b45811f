use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::RandomState;
use gabion_clock::Instant;
use metrics::Counter;

use super::{
    charge::{Charge, Decision, MAX_CHARGES, RateStore},
    table::{Bucket, Claim, Locked, WAYS, tag},
};
use crate::{
    gcra::{Standing, Verdict, gcra},
    metrics::RATE_EVICTIONS,
};

/// Rate limit states in a table of fixed size, made once.
///
/// A key that has not been seen for as long as its quota takes to come back costs nothing: its slot
/// is free. When five keys of one bucket are all in use, a sixth takes the slot of the one whose
/// quota is whole soonest, which then has its burst again; `gabion_rate_evictions_total` counts that,
/// and a table for as many keys as are in use at once keeps it near zero.
///
/// Keys meet by a keyed 64-bit hash: two different keys share a state with a chance of one in 2³²
/// per neighbour, and then get less, never more.
#[derive(Debug)]
pub struct MemoryRateStore {
    /// A power of two of them, chosen by a hash's upper bits.
    buckets: Box<[Bucket]>,
    shift: u32,
    hasher: RandomState,
    evictions: Counter,
}

/// A charge with its place in the table.
#[derive(Clone, Copy, Default)]
struct Place {
    bucket: usize,
    tag: u32,
}

impl MemoryRateStore {
    /// A table for about `keys` keys in use at once: 32 MiB for a million, at most 2³⁰ keys.
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        // At 40 % of the slots in use, one key in 300 finds its bucket full.
        let slots = keys.clamp(WAYS, 1 << 30) * 5 / 2;
        let buckets = slots.div_ceil(WAYS).next_power_of_two().max(2);
        Self {
            buckets: (0..buckets).map(|_| Bucket::default()).collect(),
            shift: u64::BITS - buckets.trailing_zeros(),
            hasher: RandomState::default(),
            evictions: metrics::counter!(RATE_EVICTIONS),
        }
    }

    /// The table's memory in bytes; it never changes.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    fn place(&self, charge: &Charge<'_>) -> Place {
        let mut hasher = self.hasher.build_hasher();
        // Slices hash their length too, so no two pairs run together.
        charge.limit.as_bytes().hash(&mut hasher);
        charge.key.hash(&mut hasher);
        let hash = hasher.finish();
        Place { bucket: (hash >> self.shift) as usize, tag: tag(hash) }
    }

    fn decide_one(&self, charge: &Charge<'_>, now: Instant) -> Decision {
        let place = self.place(charge);
        let bucket = &self.buckets[place.bucket];
        // A key that is over its quota is refused by reading alone: an attacker takes no lock.
        if let Some(tat) = bucket.glance(place.tag)
            && let denied @ Decision::Deny { .. } = decision(0, charge, tat, now)
        {
            return denied;
        }
        let locked = bucket.lock();
        let tat = locked.tat(place.tag).unwrap_or_default();
        match gcra(tat, charge.quota, charge.cost, now) {
            Verdict::Allow { tat, standing } => {
                if charge.cost > 0 {
                    self.store(&locked, place, tat, now);
                }
                Decision::Allow { charge: 0, standing }
            }
            Verdict::Deny { retry_after, standing } => {
                Decision::Deny { charge: 0, standing, retry_after }
            }
        }
    }

    fn decide_all(&self, charges: &[Charge<'_>], now: Instant) -> Decision {
        let mut places = [Place::default(); MAX_CHARGES];
        let locks = self.lock_all(charges, &mut places);
        let mut tats = [Instant::ORIGIN; MAX_CHARGES];
        let mut decided: Option<Decision> = None;
        for (i, charge) in charges.iter().enumerate() {
            let place = places[i];
            // The same key twice in one decision pays twice.
            let before =
                places[..i].iter().rposition(|p| (p.bucket, p.tag) == (place.bucket, place.tag));
            let stored =
                || held(&locks, place.bucket).and_then(|l| l.tat(place.tag)).unwrap_or_default();
            let tat = before.map_or_else(stored, |before| tats[before]);
            let one = decision(i, charge, tat, now);
            tats[i] = match gcra(tat, charge.quota, charge.cost, now) {
                Verdict::Allow { tat, .. } => tat,
                Verdict::Deny { .. } => tat,
            };
            decided = Some(decided.map_or(one, |worst| stricter(worst, one)));
        }
        let decided = decided.unwrap_or(Decision::Allow { charge: 0, standing: UNLIMITED });
        if decided.is_allowed() {
            for (i, _) in charges.iter().enumerate().filter(|(_, charge)| charge.cost > 0) {
                if let Some(locked) = held(&locks, places[i].bucket) {
                    self.store(locked, places[i], tats[i], now);
                }
            }
        }
        decided
    }

    /// Locks every bucket of `charges`, always in the table's order, so that nobody waits in a circle.
    fn lock_all(
        &self,
        charges: &[Charge<'_>],
        places: &mut [Place; MAX_CHARGES],
    ) -> [Option<(usize, Locked<'_>)>; MAX_CHARGES] {
        let mut order = [usize::MAX; MAX_CHARGES];
        for (i, charge) in charges.iter().enumerate() {
            places[i] = self.place(charge);
            order[i] = places[i].bucket;
        }
        order.sort_unstable();
        let mut last = usize::MAX;
        order.map(|bucket| {
            let new = bucket != usize::MAX && bucket != last;
            last = bucket;
            new.then(|| (bucket, self.buckets[bucket].lock()))
        })
    }

    /// Moves each key's state by what `change` makes of it.
    fn adjust(
        &self,
        charges: &[Charge<'_>],
        now: Instant,
        change: impl Fn(u64, &Charge<'_>) -> u64,
    ) {
        for charge in charges {
            let place = self.place(charge);
            let locked = self.buckets[place.bucket].lock();
            let tat = locked.tat(place.tag).unwrap_or_default();
            let ahead = tat.as_nanos().saturating_sub(now.as_nanos());
            let tat = now.as_nanos().saturating_add(change(ahead, charge));
            self.store(&locked, place, Instant::from_nanos(tat), now);
        }
    }

    fn store(&self, locked: &Locked<'_>, place: Place, tat: Instant, now: Instant) {
        if locked.store(place.tag, tat, now) == Claim::Evict {
            self.evictions.increment(1);
        }
    }
}

impl RateStore for MemoryRateStore {
    async fn decide(&self, charges: &[Charge<'_>], now: Instant) -> Decision {
        match charges {
            [charge] => self.decide_one(charge, now),
            _ if charges.len() > MAX_CHARGES => {
                let standing = Standing { remaining: 0, ..UNLIMITED };
                Decision::Deny { charge: MAX_CHARGES, standing, retry_after: UNLIMITED.reset }
            }
            _ => self.decide_all(charges, now),
        }
    }

    async fn settle(&self, charges: &[Charge<'_>], now: Instant) {
        self.adjust(charges, now, |ahead, charge| {
            let most = charge.quota.nanos(charge.quota.burst()).saturating_mul(2);
            // What is owed already is kept, also when a smaller quota came in between.
            ahead.saturating_add(charge.quota.nanos(charge.cost)).min(most.max(ahead))
        });
    }

    async fn refund(&self, charges: &[Charge<'_>], now: Instant) {
        self.adjust(charges, now, |ahead, charge| {
            ahead.saturating_sub(charge.quota.nanos(charge.cost))
        });
    }
}

/// The standing of a decision without charges.
const UNLIMITED: Standing = Standing { remaining: u32::MAX, reset: std::time::Duration::ZERO };

fn decision(index: usize, charge: &Charge<'_>, tat: Instant, now: Instant) -> Decision {
    match gcra(tat, charge.quota, charge.cost, now) {
        Verdict::Allow { standing, .. } => Decision::Allow { charge: index, standing },
        Verdict::Deny { retry_after, standing } => {
            Decision::Deny { charge: index, standing, retry_after }
        }
    }
}

/// The answer that binds of two: a refusal before a permission, then the longer wait or the less left.
fn stricter(one: Decision, other: Decision) -> Decision {
    let other_binds = match (&one, &other) {
        (Decision::Allow { standing: a, .. }, Decision::Allow { standing: b, .. }) => {
            b.remaining < a.remaining
        }
        (Decision::Deny { retry_after: a, .. }, Decision::Deny { retry_after: b, .. }) => b > a,
        (one, _) => one.is_allowed(),
    };
    if other_binds { other } else { one }
}

fn held<'l, 'a>(locks: &'l [Option<(usize, Locked<'a>)>], bucket: usize) -> Option<&'l Locked<'a>> {
    locks.iter().flatten().find(|(own, _)| *own == bucket).map(|(_, locked)| locked)
}

#[cfg(test)]
mod tests;
