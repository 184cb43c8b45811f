//! The table of rate limits against the obvious model: a map from keys to what they owe.

#![no_main]

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arbitrary::Arbitrary;
use gabion_clock::Instant;
use gabion_config::Rate;
use gabion_limits::{
    gcra::Standing,
    quota::Quota,
    rate::{Charge, Decision, MAX_CHARGES, MemoryRateStore, RateStore},
};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Step {
    /// Time that passes before it.
    pause: Pause,
    what: What,
    charges: Vec<OneCharge>,
}

#[derive(Debug, Arbitrary)]
enum Pause {
    None,
    Nanos(u16),
    Millis(u16),
    Hours(u16),
}

#[derive(Debug, Arbitrary)]
enum What {
    Decide,
    Settle,
    Refund,
}

#[derive(Debug, Arbitrary)]
struct OneCharge {
    key: u8,
    limit: bool,
    per: Per,
    count: u32,
    burst: u32,
    cost: u16,
}

#[derive(Debug, Arbitrary)]
enum Per {
    Second,
    Minute,
    Hour,
}

/// Few, so that they meet often and their buckets never overflow.
const KEYS: u8 = 4;

fuzz_target!(|steps: Vec<Step>| {
    let store = MemoryRateStore::with_capacity(4096);
    let mut model = Model::default();
    let mut now: u64 = 86_400_000_000_000;
    for step in steps.iter().take(64) {
        now += match step.pause {
            Pause::None => 0,
            Pause::Nanos(nanos) => u64::from(nanos),
            Pause::Millis(millis) => u64::from(millis) * 1_000_000,
            Pause::Hours(hours) => u64::from(hours) * 3_600_000_000_000,
        };
        let keys: Vec<[u8; 1]> = step.charges.iter().map(|one| [one.key % KEYS]).collect();
        let charges = step.charges.iter().zip(&keys).take(MAX_CHARGES + 1);
        let charges: Vec<Charge<'_>> = charges.map(|(one, key)| one.charge(key)).collect();
        let at = Instant::from_nanos(now);
        match step.what {
            What::Decide => {
                let decided = ready(store.decide(&charges, at));
                assert_eq!(decided, model.decide(&charges, now), "{charges:?}");
            }
            What::Settle => {
                ready(store.settle(&charges, at));
                for charge in &charges {
                    let whole = nanos(charge, charge.quota.burst());
                    let owed = model.owed(charge, now);
                    let most = owed.max(2 * whole);
                    model.owe(charge, (owed + nanos(charge, charge.cost)).min(most), now);
                }
            }
            What::Refund => {
                ready(store.refund(&charges, at));
                for charge in &charges {
                    let owed = model.owed(charge, now);
                    model.owe(charge, owed.saturating_sub(nanos(charge, charge.cost)), now);
                }
            }
        }
    }
});

impl OneCharge {
    fn charge<'a>(&self, key: &'a [u8]) -> Charge<'a> {
        let rate = match self.per {
            Per::Second => Rate::per_second(self.count % 10_000_000),
            Per::Minute => Rate::per_minute(self.count % 10_000_000),
            Per::Hour => Rate::per_hour(self.count % 10_000_000),
        };
        // Beyond that the table's 64 bits of nanoseconds saturate, and the model's do not.
        let quota = Quota::new(rate, self.burst % 100_000);
        let limit = if self.limit { "address" } else { "caller" };
        Charge { limit, key, quota, cost: u32::from(self.cost) }
    }
}

/// When each key owes nothing any more, in nanoseconds.
#[derive(Default)]
struct Model(HashMap<(bool, u8), u128>);

impl Model {
    /// All charges, each after those before it, or none.
    fn decide(&mut self, charges: &[Charge<'_>], now: u64) -> Decision {
        if charges.len() > MAX_CHARGES {
            let standing = Standing { remaining: 0, reset: Duration::ZERO };
            let retry_after = Duration::ZERO;
            return Decision::Deny { charge: MAX_CHARGES, standing, retry_after };
        }
        let mut after = Self(self.0.clone());
        let (mut least, mut longest) = (None, None);
        for (index, charge) in charges.iter().enumerate() {
            let (owed, whole) = (after.owed(charge, now), nanos(charge, charge.quota.burst()));
            let with_cost = owed + nanos(charge, charge.cost);
            if charge.cost > 0 && with_cost > whole {
                let never = charge.cost > charge.quota.burst();
                let wait = duration(if never { whole } else { with_cost - whole });
                if longest.is_none_or(|(_, _, longest)| wait > longest) {
                    longest = Some((index, standing(charge, owed), wait));
                }
                continue;
            }
            after.owe(charge, with_cost, now);
            let standing = standing(charge, with_cost);
            if least.is_none_or(|(_, least): (_, Standing)| standing.remaining < least.remaining) {
                least = Some((index, standing));
            }
        }
        if let Some((charge, standing, retry_after)) = longest {
            return Decision::Deny { charge, standing, retry_after };
        }
        *self = after;
        let free = Standing { remaining: u32::MAX, reset: Duration::ZERO };
        let (charge, standing) = least.unwrap_or((0, free));
        Decision::Allow { charge, standing }
    }

    fn owed(&self, charge: &Charge<'_>, now: u64) -> u128 {
        let whole_at = self.0.get(&name(charge)).copied().unwrap_or_default();
        whole_at.saturating_sub(u128::from(now))
    }

    fn owe(&mut self, charge: &Charge<'_>, owed: u128, now: u64) {
        self.0.insert(name(charge), u128::from(now) + owed);
    }
}

fn name(charge: &Charge<'_>) -> (bool, u8) {
    (charge.limit == "address", charge.key[0])
}

fn nanos(charge: &Charge<'_>, units: u32) -> u128 {
    charge.quota.refill(1).as_nanos() * u128::from(units)
}

fn standing(charge: &Charge<'_>, owed: u128) -> Standing {
    let free = nanos(charge, charge.quota.burst()).saturating_sub(owed);
    let remaining = u32::try_from(free / charge.quota.refill(1).as_nanos()).unwrap_or(u32::MAX);
    Standing { remaining, reset: duration(owed) }
}

fn duration(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).expect("bounded by the quotas"))
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a store in memory never waits"),
    }
}
