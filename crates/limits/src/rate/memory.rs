use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;
use gabion_clock::Instant;
use metrics::Counter;

use super::{
    charge::{Charge, Decision, MAX_CHARGES, RateStore},
    sync::WAYS,
    table::{Bucket, Held, LATEST, Updated},
};
use crate::{
    gcra::{Standing, Verdict, gcra, next_tat, standing_at},
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

    #[inline]
    fn place(&self, charge: &Charge<'_>) -> Place {
        let mut hasher = self.hasher.build_hasher();
        // The hasher takes each with its length, so no two pairs run together.
        hasher.write(charge.limit.as_bytes());
        hasher.write(charge.key);
        let hash = hasher.finish();
        Place { bucket: (hash >> self.shift) as usize, tag: tag(hash) }
    }

    /// Takes one charge, or tells why not. A call of its own, so that no loop of a caller is around it.
    #[inline(never)]
    fn take(&self, index: usize, charge: &Charge<'_>, now: Instant) -> Decision {
        let &Charge { quota, cost, .. } = charge;
        let Updated { before, after, .. } = self.update(charge, now, |tat| {
            // A peek changes nothing. And what is later than the table can tell does not fit.
            next_tat(tat, quota, cost, now).filter(|next| cost > 0 && *next <= LATEST)
        });
        match after {
            Some(after) => {
                Decision::Allow { charge: index, standing: standing_at(after, quota, now) }
            }
            None => judge(index, charge, before, now),
        }
    }

    /// What [`take`](Self::take) would say, by reading alone.
    fn look(&self, index: usize, charge: &Charge<'_>, now: Instant) -> Decision {
        let place = self.place(charge);
        let tat = self.buckets[place.bucket].find(place.tag).map(Held::tat);
        judge(index, charge, tat.unwrap_or_default(), now)
    }

    /// Looks at all before it takes any; what was taken before somebody else was faster goes back.
    fn decide_all(&self, charges: &[Charge<'_>], now: Instant) -> Decision {
        let nothing = Decision::Allow { charge: 0, standing: UNLIMITED };
        let looks = charges.iter().enumerate().map(|(i, charge)| self.look(i, charge, now));
        let looked = looks.reduce(stricter).unwrap_or(nothing);
        if !looked.is_allowed() {
            return looked;
        }
        let mut decided: Option<Decision> = None;
        for (i, charge) in charges.iter().enumerate() {
            let one = self.take(i, charge, now);
            if !one.is_allowed() {
                for taken in &charges[..i] {
                    self.give_back(taken, now);
                }
                return one;
            }
            decided = Some(decided.map_or(one, |least| stricter(least, one)));
        }
        decided.unwrap_or(nothing)
    }

    fn give_back(&self, charge: &Charge<'_>, now: Instant) {
        self.adjust(charge, now, |ahead| ahead.saturating_sub(charge.quota.nanos(charge.cost)));
    }

    /// Moves a key's state by what `change` makes of how far it is ahead of `now`.
    fn adjust(&self, charge: &Charge<'_>, now: Instant, change: impl Fn(u64) -> u64) {
        self.update(charge, now, |tat| {
            let ahead = tat.as_nanos().saturating_sub(now.as_nanos());
            Some(Instant::from_nanos(now.as_nanos().saturating_add(change(ahead))))
        });
    }

    /// Sets a key's state to what `change` makes of it.
    #[inline]
    fn update(
        &self,
        charge: &Charge<'_>,
        now: Instant,
        change: impl Fn(Instant) -> Option<Instant>,
    ) -> Updated {
        let place = self.place(charge);
        let updated = self.buckets[place.bucket].update(place.tag, now, change);
        if updated.evicted {
            self.evictions.increment(1);
        }
        updated
    }
}

impl RateStore for MemoryRateStore {
    async fn decide(&self, charges: &[Charge<'_>], now: Instant) -> Decision {
        match charges {
            [charge] => self.take(0, charge, now),
            _ if charges.len() > MAX_CHARGES => {
                let standing = Standing { remaining: 0, ..UNLIMITED };
                Decision::Deny { charge: MAX_CHARGES, standing, retry_after: UNLIMITED.reset }
            }
            _ => self.decide_all(charges, now),
        }
    }

    async fn settle(&self, charges: &[Charge<'_>], now: Instant) {
        for charge in charges {
            self.adjust(charge, now, |ahead| {
                let most = charge.quota.nanos(charge.quota.burst()).saturating_mul(2);
                // What is owed already is kept, also when a smaller quota came in between.
                ahead.saturating_add(charge.quota.nanos(charge.cost)).min(most.max(ahead))
            });
        }
    }

    async fn refund(&self, charges: &[Charge<'_>], now: Instant) {
        for charge in charges {
            self.give_back(charge, now);
        }
    }
}

/// The decision about a key in the state `tat`.
#[inline]
fn judge(index: usize, charge: &Charge<'_>, tat: Instant, now: Instant) -> Decision {
    match gcra(tat, charge.quota, charge.cost, now) {
        Verdict::Allow { tat, standing } if tat <= LATEST => {
            Decision::Allow { charge: index, standing }
        }
        // Later than the table can tell: such a quota ends before its burst does.
        Verdict::Allow { standing, .. } => {
            let (standing, retry_after) = (Standing { remaining: 0, ..standing }, standing.reset);
            Decision::Deny { charge: index, standing, retry_after }
        }
        Verdict::Deny { retry_after, standing } => {
            Decision::Deny { charge: index, standing, retry_after }
        }
    }
}

/// The part of a hash that tells keys of one bucket apart; zero names an unused slot.
const fn tag(hash: u64) -> u32 {
    let tag = hash as u32;
    if tag == 0 { 1 } else { tag }
}

/// The standing of a decision without charges.
const UNLIMITED: Standing = Standing { remaining: u32::MAX, reset: std::time::Duration::ZERO };

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

#[cfg(test)]
mod tests;
