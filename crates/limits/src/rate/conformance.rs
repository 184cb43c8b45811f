//! What every [`RateStore`] must do; a backend's test is one call to [`run`].
//!
//! Stores that take their own time and ignore `now` must be given one that this suite moves.

use std::time::Duration;

use gabion_clock::Instant;
use gabion_config::Rate;

use super::{Charge, Decision, MAX_CHARGES, RateStore};
use crate::quota::Quota;

/// Runs every check on a store that holds no keys yet.
///
/// # Panics
///
/// When the store breaks one of the promises, naming it.
pub async fn run(store: impl RateStore) {
    let now = Instant::from_nanos(86_400_000_000_000);
    burst_then_refusal(&store, now).await;
    refill(&store, now).await;
    limits_and_keys_do_not_meet(&store, now).await;
    all_or_none(&store, now).await;
    peek(&store, now).await;
    settle_and_refund(&store, now).await;
    quota_change_keeps_what_was_used(&store, now).await;
    too_many_charges(&store, now).await;
}

fn charge(key: &str, cost: u32) -> Charge<'_> {
    let quota = Quota::new(Rate::per_second(10), 5);
    Charge { limit: "conformance", key: key.as_bytes(), quota, cost }
}

async fn takes(store: &impl RateStore, charge: Charge<'_>, now: Instant) -> bool {
    store.decide(&[charge], now).await.is_allowed()
}

async fn burst_then_refusal(store: &impl RateStore, now: Instant) {
    for i in 0..5 {
        assert!(takes(store, charge("burst", 1), now).await, "unit {i} of the burst was refused");
    }
    let refusal = store.decide(&[charge("burst", 1)], now).await;
    let Decision::Deny { charge: 0, standing, retry_after } = refusal else {
        panic!("a unit beyond the burst was not refused: {refusal:?}");
    };
    assert_eq!(standing.remaining, 0, "a refused key has units left");
    assert_eq!(retry_after, Duration::from_millis(100), "the wait is not one interval");
}

async fn refill(store: &impl RateStore, now: Instant) {
    assert!(takes(store, charge("refill", 5), now).await);
    let later = now + Duration::from_millis(100);
    assert!(takes(store, charge("refill", 1), later).await, "a unit did not come back in time");
    assert!(
        !takes(store, charge("refill", 1), later).await,
        "two units came back for one interval"
    );
}

async fn limits_and_keys_do_not_meet(store: &impl RateStore, now: Instant) {
    assert!(takes(store, charge("ab", 5), now).await);
    assert!(takes(store, charge("abc", 5), now).await, "a longer key shared a quota");
    let other = Charge { limit: "conformance2", ..charge("ab", 5) };
    assert!(takes(store, other, now).await, "another limit shared a quota");
    let shifted = Charge { limit: "conformancea", key: b"b", ..charge("", 5) };
    assert!(takes(store, shifted, now).await, "limit and key run together");
}

async fn all_or_none(store: &impl RateStore, now: Instant) {
    assert!(takes(store, charge("full", 5), now).await);
    let both = [charge("open", 1), charge("full", 1)];
    let refusal = store.decide(&both, now).await;
    assert!(matches!(refusal, Decision::Deny { charge: 1, .. }), "{refusal:?} for a full key");
    assert!(takes(store, charge("open", 5), now).await, "a refused decision took units");
    let twice = [charge("twice", 3), charge("twice", 3)];
    assert!(!store.decide(&twice, now).await.is_allowed(), "one key paid once for two charges");
}

async fn peek(store: &impl RateStore, now: Instant) {
    assert!(takes(store, charge("peek", 3), now).await);
    for _ in 0..3 {
        let peek = store.decide(&[charge("peek", 0)], now).await;
        let Decision::Allow { standing, .. } = peek else { panic!("a peek was refused") };
        assert_eq!(standing.remaining, 2, "a peek took units");
    }
}

async fn settle_and_refund(store: &impl RateStore, now: Instant) {
    assert!(takes(store, charge("late", 5), now).await);
    store.settle(&[charge("late", 2)], now).await;
    let soon = now + Duration::from_millis(200);
    assert!(!takes(store, charge("late", 1), soon).await, "a late cost was forgotten");
    store.refund(&[charge("late", 3)], soon).await;
    assert!(takes(store, charge("late", 1), soon).await, "a refund was forgotten");
    store.settle(&[charge("debt", 1000)], now).await;
    let whole = now + Duration::from_secs(1);
    assert!(takes(store, charge("debt", 5), whole).await, "a debt exceeds one more burst");
}

async fn quota_change_keeps_what_was_used(store: &impl RateStore, now: Instant) {
    assert!(takes(store, charge("change", 5), now).await);
    let larger = Charge { quota: Quota::new(Rate::per_second(10), 6), ..charge("change", 1) };
    assert!(takes(store, larger, now).await, "a larger quota did not hold at once");
    assert!(!takes(store, larger, now).await, "a changed quota reset what was used");
}

async fn too_many_charges(store: &impl RateStore, now: Instant) {
    let charges = [charge("many", 1); MAX_CHARGES + 1];
    assert!(!store.decide(&charges, now).await.is_allowed(), "more charges than the bound passed");
    assert!(store.decide(&[], now).await.is_allowed(), "no charge was refused");
}
