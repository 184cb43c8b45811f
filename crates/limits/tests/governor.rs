//! Beside `governor`, which decides by the same algorithm: one quota, one unit or more at a time.

use std::{
    future::Future,
    num::NonZeroU32,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use gabion_clock::Instant;
use gabion_config::Rate;
use gabion_limits::{
    quota::Quota,
    rate::{Charge, Decision, MemoryRateStore, RateStore},
};
use governor::{RateLimiter, clock::FakeRelativeClock};
use proptest::prelude::*;

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory store never waits"),
    }
}

/// Rates whose interval is a whole number of nanoseconds: governor rounds the others down, we up.
const RATES: [u32; 6] = [1, 4, 10, 125, 1000, 1_000_000];

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not zero")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_decision_and_every_wait_is_that_of_governor(
        rate in prop::sample::select(&RATES[..]),
        burst in 1..40_u32,
        // Pauses are tenths of the time that a unit takes to come back.
        steps in prop::collection::vec((0..5_u8, 1..6_u32, 0..30_u64), 1..300),
    ) {
        let clock = FakeRelativeClock::default();
        let theirs = governor::Quota::per_second(nonzero(rate)).allow_burst(nonzero(burst));
        let peer = RateLimiter::dashmap_with_clock(theirs, clock.clone());
        let (ours, quota) = (MemoryRateStore::with_capacity(100), Quota::new(Rate::per_second(rate), burst));
        let mut now = Instant::from_nanos(1_000_000_000);
        for (key, cost, tenths) in steps {
            let pause = Duration::from_nanos(1_000_000_000 / u64::from(rate) * tenths / 10);
            clock.advance(pause);
            now = now + pause;
            let charge = Charge { limit: "beside", key: &[key], quota, cost };
            let decided = at_once(ours.decide(&[charge], now));
            match (peer.check_key_n(&key, nonzero(cost)), decided) {
                (Ok(Ok(())), Decision::Allow { .. }) => {}
                (Ok(Err(until)), Decision::Deny { retry_after, .. }) => {
                    prop_assert_eq!(until.wait_time_from(governor::clock::Clock::now(&clock)), retry_after);
                }
                // More than the burst never fits.
                (Err(_), Decision::Deny { .. }) => prop_assert!(cost > burst),
                (theirs, ours) => prop_assert!(false, "governor: {theirs:?}, here: {ours:?}"),
            }
        }
    }
}

#[cfg(feature = "governor")]
mod governed {
    use std::sync::Arc;

    use gabion_errors::ToProblem;
    use gabion_limits::governed::Governed;

    use super::*;

    #[test]
    fn a_used_up_quota_tells_when_a_unit_comes_back() {
        let clock = FakeRelativeClock::default();
        let quota = governor::Quota::per_second(nonzero(4)).allow_burst(nonzero(2));
        let limiter = RateLimiter::dashmap_with_clock(quota, clock.clone());
        let limit = Governed::new("uploads", Arc::new(limiter));
        assert!(limit.check(&"ann").is_ok() && limit.check(&"ann").is_ok());
        let exceeded = limit.check(&"ann").expect_err("a third of two");
        assert_eq!((exceeded.limit, exceeded.retry_after), ("uploads", Duration::from_millis(250)));
        assert_eq!(exceeded.to_problem().status(), 429);
        assert!(limit.check(&"bob").is_ok());
        clock.advance(exceeded.retry_after);
        assert!(limit.check(&"ann").is_ok());
    }

    #[test]
    fn a_cost_is_taken_whole_or_not_at_all() {
        let clock = FakeRelativeClock::default();
        let quota = governor::Quota::per_second(nonzero(1)).allow_burst(nonzero(5));
        let limiter = RateLimiter::dashmap_with_clock(quota, clock);
        let limit = Governed::new("uploads", Arc::new(limiter));
        assert!(limit.check_n(&1, nonzero(3)).is_ok());
        let exceeded = limit.check_n(&1, nonzero(4)).expect_err("seven of five");
        assert_eq!(exceeded.retry_after, Duration::from_secs(2));
        assert!(limit.check_n(&1, nonzero(2)).is_ok());
        let never = limit.check_n(&1, nonzero(6)).expect_err("more than the burst");
        assert_eq!(never.retry_after, Duration::MAX);
    }

    #[test]
    fn what_it_decides_is_counted() {
        let recorder = metrics_util::debugging::DebuggingRecorder::new();
        let shown = recorder.snapshotter();
        metrics::with_local_recorder(&recorder, || {
            let quota = governor::Quota::per_hour(nonzero(1));
            let limit = Governed::new("uploads", Arc::new(RateLimiter::keyed(quota)));
            let _ = (limit.check(&1), limit.check(&1), limit.check(&1));
        });
        let mut counted: Vec<_> = shown
            .snapshot()
            .into_vec()
            .into_iter()
            .map(|(key, _, _, value)| {
                let labels = key.key().labels();
                (labels.map(|l| l.value().to_owned()).collect::<Vec<_>>(), format!("{value:?}"))
            })
            .collect();
        counted.sort();
        let count = |decision: &str| {
            let found = counted.iter().find(|(labels, _)| labels.contains(&decision.to_owned()));
            found.map(|(_, value)| value.clone())
        };
        assert_eq!(count("allow").as_deref(), Some("Counter(1)"));
        assert_eq!(count("deny").as_deref(), Some("Counter(2)"));
    }
}
