use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use gabion_config::Rate;
use proptest::prelude::*;

use super::*;
use crate::quota::Quota;

fn now<T>(future: impl Future<Output = T>) -> T {
    let Poll::Ready(value) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the memory store never waits");
    };
    value
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn charge(key: &[u8], quota: Quota, cost: u32) -> Charge<'_> {
    Charge { limit: "test", key, quota, cost }
}

#[test]
fn the_memory_store_conforms() {
    now(super::super::conformance::run(MemoryRateStore::with_capacity(1000)));
}

#[test]
fn a_million_keys_take_the_configured_table_and_no_more() {
    let store = MemoryRateStore::with_capacity(1_000_000);
    let before = store.memory();
    let quota = Quota::new(Rate::per_second(1), 10);
    let refused = (0..1_000_000_u32)
        .filter(|i| !now(store.decide(&[charge(&i.to_be_bytes(), quota, 1)], at(1))).is_allowed())
        .count();
    println!("1 M keys: {before} bytes before, {} after, {refused} refused", store.memory());
    assert!(before <= 32 << 20);
    assert_eq!((store.memory(), refused), (before, 0));
}

#[test]
fn a_table_at_its_capacity_forgets_few_keys() {
    let store = MemoryRateStore::with_capacity(10_000);
    let quota = Quota::new(Rate::per_second(1), 10);
    let keys: Vec<_> = (0..10_000_u32).map(u32::to_be_bytes).collect();
    for key in &keys {
        now(store.decide(&[charge(key, quota, 10)], at(1)));
    }
    let forgotten = keys
        .iter()
        .filter(|key| now(store.decide(&[charge(&key[..], quota, 1)], at(1))).is_allowed())
        .count();
    assert!(forgotten <= 100, "{forgotten} of 10000 keys had their burst again");
}

#[test]
fn a_key_that_is_charged_twice_is_told_the_longer_wait() {
    let store = MemoryRateStore::with_capacity(100);
    let quota = Quota::new(Rate::per_second(1), 5);
    now(store.decide(&[charge(b"key", quota, 5)], at(1)));
    let charges = [charge(b"key", quota, 1), charge(b"key", quota, 3)];
    let Decision::Deny { charge, retry_after, .. } = now(store.decide(&charges, at(1))) else {
        panic!("nothing is left of the quota");
    };
    assert_eq!((charge, retry_after), (1, Duration::from_secs(3)));
}

#[test]
fn threads_together_never_pass_the_bound() {
    let store = MemoryRateStore::with_capacity(100);
    let quota = Quota::new(Rate::per_second(1000), 50);
    let (time, admitted) = (AtomicU64::new(1), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let when = at(time.fetch_add(10_000, Ordering::Relaxed));
                    // Two limits at once take the path with several locks.
                    let other = Charge { limit: "other", ..charge(b"key", quota, 1) };
                    let charges = [charge(b"key", quota, 1), other];
                    if now(store.decide(&charges, when)).is_allowed() {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let elapsed = time.load(Ordering::Relaxed) / 1_000_000_000;
    let bound = 1000 * (elapsed + 1) + 50;
    let admitted = admitted.load(Ordering::Relaxed);
    assert!(admitted <= bound && admitted > 500, "{admitted} admitted, bound {bound}");
}

proptest! {
    /// Against the obvious model: one number per key, nothing ever evicted.
    #[test]
    fn the_store_decides_as_a_map_would(
        steps in prop::collection::vec((0..6_u8, 0..6_u8, 0..4_u32, 0..300_000_000_u64), 1..200)
    ) {
        let store = MemoryRateStore::with_capacity(1000);
        let quota = Quota::new(Rate::per_second(10), 5);
        let mut model: HashMap<u8, Instant> = HashMap::new();
        let mut time = 1;
        for (a, b, cost, pause) in steps {
            time += pause;
            let (keys, when) = ([[a], [b]], at(time));
            let charges = [charge(&keys[0], quota, cost), charge(&keys[1], quota, 1)];
            let decided = now(store.decide(&charges, when)).is_allowed();

            let mut next = model.clone();
            let fits = [(a, cost), (b, 1)].iter().all(|(key, cost)| {
                let tat = next.get(key).copied().unwrap_or_default();
                match gcra(tat, quota, *cost, when) {
                    Verdict::Allow { tat, .. } => { next.insert(*key, tat); true }
                    Verdict::Deny { .. } => false,
                }
            });
            prop_assert_eq!(decided, fits);
            if fits {
                model = next;
            }
        }
    }
}

#[test]
fn a_wait_of_the_told_time_is_enough() {
    let store = MemoryRateStore::with_capacity(10);
    let quota = Quota::new(Rate::per_second(2), 1);
    assert!(now(store.decide(&[charge(b"k", quota, 1)], at(1))).is_allowed());
    let Decision::Deny { retry_after, .. } = now(store.decide(&[charge(b"k", quota, 1)], at(1)))
    else {
        panic!("not refused");
    };
    assert_eq!(retry_after, Duration::from_millis(500));
    assert!(now(store.decide(&[charge(b"k", quota, 1)], at(1) + retry_after)).is_allowed());
}
