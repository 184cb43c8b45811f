use std::time::Duration;

use gabion_clock::Instant;
use gabion_config::Rate;
use gabion_errors::ToProblem;
use proptest::prelude::*;
use sfv::{BareItem, Item, List, ListEntry, Parser};

use super::*;
use crate::{
    gcra::{Verdict, gcra},
    rate::Exceeded,
};

/// The one item of a field as an implementation that is not ours reads it: its name and the integers
/// of its parameters, which must be these.
fn read(field: &str, parameters: [&str; 2]) -> (String, [i64; 2]) {
    let list: List = Parser::new(field).parse().unwrap_or_else(|e| panic!("{field}: {e}"));
    let [ListEntry::Item(Item { bare_item, params })] = list.as_slice() else {
        panic!("{field} is not one item");
    };
    let BareItem::String(name) = bare_item else { panic!("{field} is not named by a string") };
    assert_eq!(params.len(), 2, "{field}");
    let values = parameters.map(|name| match params.get(name) {
        Some(BareItem::Integer(value)) => i64::from(*value),
        other => panic!("{name} of {field} is {other:?}"),
    });
    (name.as_str().to_owned(), values)
}

fn policy(limit: &str, quota: Quota) -> (String, [i64; 2]) {
    let mut out = String::new();
    policy_field(&mut out, limit, quota);
    read(&out, ["q", "w"])
}

fn standing(limit: &str, quota: Quota, standing: Standing) -> (String, [i64; 2]) {
    let mut out = String::new();
    standing_field(&mut out, limit, quota, standing);
    read(&out, ["r", "t"])
}

#[test]
fn fields_have_the_drafts_form() {
    let quota = Quota::new(Rate::per_minute(20), 20);
    let mut out = String::new();
    policy_field(&mut out, "login", quota);
    assert_eq!(out, "\"login\";q=20;w=60");
    out.clear();
    let left = Standing { remaining: 7, reset: Duration::from_millis(36_001) };
    standing_field(&mut out, "login", quota, left);
    assert_eq!(out, "\"login\";r=7;t=1");
}

#[test]
fn the_window_ends_when_another_unit_is_there() {
    let quota = Quota::new(Rate::per_minute(20), 20);
    for (remaining, reset, secs) in
        [(20, 0, 0), (19, 3000, 3), (19, 1, 1), (0, 60_000, 3), (0, 57_001, 1), (0, 120_000, 63)]
    {
        let left = Standing { remaining, reset: Duration::from_millis(reset) };
        assert_eq!(standing("a", quota, left).1, [i64::from(remaining), secs], "{reset} ms");
    }
}

#[test]
fn no_window_outlasts_retry_after() {
    let quota = Quota::new(Rate::per_minute(20), 20);
    let left = Standing { remaining: 19, reset: Duration::from_secs(3) };
    for (retry_after, told) in [(1, "\"a\";r=19;t=1"), (3, "\"a\";r=19;t=3"), (9, "\"a\";r=19;t=3")]
    {
        let mut out = String::new();
        standing_field_until(retry_after, &mut out, "a", quota, left);
        assert_eq!(out, told);
    }
}

#[test]
fn the_largest_numbers_are_still_integers_of_the_format() {
    let quota = Quota::new(Rate::per_hour(1), u32::MAX);
    let left = Standing { remaining: 0, reset: Duration::MAX };
    assert_eq!(policy("a", quota).1[0], i64::from(u32::MAX));
    standing("a", quota, left);
}

fn quotas() -> impl Strategy<Value = Quota> {
    let count = prop_oneof![1..100_u32, 1..=10_000_000_u32];
    let burst = prop_oneof![1..100_u32, 1..=u32::MAX];
    (count, 0..3_usize, burst).prop_map(|(count, per, burst)| {
        let per = [Rate::per_second, Rate::per_minute, Rate::per_hour][per];
        Quota::new(per(count), burst)
    })
}

proptest! {
    #[test]
    fn any_field_is_read_by_a_parser_of_structured_fields(
        limit in "[a-z][a-z0-9_-]{0,20}", quota in quotas(),
        ahead in any::<u64>(), cost in 0..1000_u32, spread in 1..1000_u64,
    ) {
        let now = Instant::from_nanos(1_000_000_000);
        // Any state, and often one near the bounds of the quota.
        let whole = u64::try_from(quota.refill(quota.burst()).as_nanos()).unwrap();
        let tat = Instant::from_nanos(now.as_nanos().saturating_add(ahead % whole.saturating_mul(2).saturating_add(spread)));
        let (name, [q, w]) = policy(&limit, quota);
        prop_assert_eq!(&name, &limit);
        prop_assert!(q == i64::from(quota.burst()) && w > 0);
        let (left, wait) = match gcra(tat, quota, cost, now) {
            Verdict::Allow { standing, .. } => (standing, None),
            Verdict::Deny { standing, retry_after } => (standing, Some(retry_after)),
        };
        let (name, [r, t]) = standing(&limit, quota, left);
        prop_assert_eq!(&name, &limit);
        prop_assert!((0..=q).contains(&r) && t >= 0, "{r} of {q}, {t}");
        // Within the window there is no more than was told.
        let reset = u64::try_from(left.reset.as_nanos()).unwrap();
        let next = next_unit(quota, left);
        let state = Instant::from_nanos(now.as_nanos().saturating_add(reset));
        if next > 0 {
            let before = Instant::from_nanos(now.as_nanos() + next - 1);
            let peek = gcra(state, quota, 0, before);
            let as_told = matches!(peek, Verdict::Allow { standing, .. } if standing.remaining == left.remaining);
            prop_assert!(as_told, "{peek:?} {left:?}");
        }
        // What costs more than the burst never fits, and any time to try again is as good.
        if let Some(wait) = wait.filter(|_| cost <= quota.burst()) {
            let problem = Exceeded { limit: "x", retry_after: wait }.to_problem();
            let told = problem.retry_after_secs().unwrap();
            prop_assert!(told >= u64::try_from(t).unwrap() && t > 0, "{told} is before {t}");
            prop_assert!(Duration::from_secs(told) >= wait);
        }
    }
}
