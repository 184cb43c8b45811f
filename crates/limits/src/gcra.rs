//! The generic cell rate algorithm in its virtual-scheduling form (ITU-T I.371, annex A).
//!
//! One number per key, the theoretical arrival time (`tat`): when the key's quota will be whole again.
//! A unit moves it forward by one interval; a request that would move it further ahead of `now` than
//! the burst allows is early and does not conform.

use std::{hint::select_unpredictable, time::Duration};

use gabion_clock::Instant;

use crate::quota::Quota;

/// What a key has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Units that could be taken now.
    pub remaining: u32,
    /// The time until the quota is whole again.
    pub reset: Duration,
}

/// The answer, with what the caller needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The cost fits.
    Allow {
        /// The key's new state.
        tat: Instant,
        /// What is left after it.
        standing: Standing,
    },
    /// The cost does not fit; the key's state stays.
    Deny {
        /// When it will fit, if nothing else is taken until then; a cost above the burst never fits
        /// and is told the whole window, or until all is whole again if that is longer.
        retry_after: Duration,
        /// What is left.
        standing: Standing,
    },
}

/// Decides whether `cost` units conform at `now`; a cost of zero peeks.
///
/// A key that was never seen has the state [`Instant::ORIGIN`].
#[must_use]
pub fn gcra(tat: Instant, quota: Quota, cost: u32, now: Instant) -> Verdict {
    if let Some(tat) = next_tat(tat, quota, cost, now) {
        return Verdict::Allow { tat, standing: standing_at(tat, quota, now) };
    }
    let (ahead, whole) = (ahead_of(now, tat), quota.nanos(quota.burst()));
    let ahead_after = ahead.saturating_add(quota.nanos(cost));
    let wait = if cost > quota.burst() { whole.max(ahead) } else { ahead_after - whole };
    let retry_after = Duration::from_nanos(wait);
    Verdict::Deny { retry_after, standing: standing(ahead, quota) }
}

/// The key's state after `cost` units, if they conform at `now`.
#[inline]
pub(crate) fn next_tat(tat: Instant, quota: Quota, cost: u32, now: Instant) -> Option<Instant> {
    let ahead_after = ahead_of(now, tat).saturating_add(quota.nanos(cost));
    let conforms = cost == 0 || ahead_after <= quota.nanos(quota.burst());
    conforms.then(|| Instant::from_nanos(now.as_nanos().saturating_add(ahead_after)))
}

/// What is left at `now` of a key in the state `tat`.
#[inline]
pub(crate) fn standing_at(tat: Instant, quota: Quota, now: Instant) -> Standing {
    standing(ahead_of(now, tat), quota)
}

/// How far `tat` is in the future. Of busy keys about one half is, in no order that a processor could
/// foresee, and a wrong guess throws away what it has fetched of the next key.
#[inline]
fn ahead_of(now: Instant, tat: Instant) -> u64 {
    let (tat, now) = (tat.as_nanos(), now.as_nanos());
    select_unpredictable(tat > now, tat.wrapping_sub(now), 0)
}

/// What is left when the state is `ahead` nanoseconds in the future.
#[inline]
fn standing(ahead: u64, quota: Quota) -> Standing {
    let free = quota.nanos(quota.burst()).saturating_sub(ahead);
    let remaining = u32::try_from(free / quota.interval()).unwrap_or(u32::MAX);
    Standing { remaining: remaining.min(quota.burst()), reset: Duration::from_nanos(ahead) }
}

#[cfg(test)]
mod tests {
    use gabion_config::Rate;
    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_fresh_key_has_its_whole_burst_and_no_more() {
        let quota = Quota::new(Rate::per_second(1), 3);
        let mut tat = Instant::ORIGIN;
        for left in [2, 1, 0] {
            let Verdict::Allow { tat: next, standing } = gcra(tat, quota, 1, at(0)) else {
                panic!("refused with {left} left");
            };
            assert_eq!(standing.remaining, left);
            tat = next;
        }
        assert!(matches!(gcra(tat, quota, 1, at(0)), Verdict::Deny { .. }));
    }

    #[test]
    fn a_peek_takes_nothing_and_is_never_refused() {
        let quota = Quota::new(Rate::per_second(1), 2);
        let full = at(2_000_000_000);
        let peek = gcra(full, quota, 0, at(0));
        let standing = Standing { remaining: 0, reset: Duration::from_secs(2) };
        assert_eq!(peek, Verdict::Allow { tat: full, standing });
    }

    #[test]
    fn a_cost_above_the_burst_never_fits() {
        let quota = Quota::new(Rate::per_second(1), 2);
        let Verdict::Deny { retry_after, .. } = gcra(at(0), quota, 3, at(0)) else { panic!() };
        assert_eq!(retry_after, Duration::from_secs(2));
        // Who owes more than the window waits for all of it.
        let Verdict::Deny { retry_after, .. } = gcra(at(9_000_000_000), quota, 3, at(0)) else {
            panic!()
        };
        assert_eq!(retry_after, Duration::from_secs(9));
    }

    #[test]
    fn extremes_do_not_overflow() {
        let quota = Quota::new(Rate::per_hour(1), u32::MAX);
        let _ = gcra(at(u64::MAX), quota, u32::MAX, at(u64::MAX));
        let _ = gcra(at(u64::MAX), quota, 1, at(0));
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_rate_and_burst(
            rate in 1..2000_u32,
            burst in 1..50_u32,
            steps in prop::collection::vec((0..40_000_000_u64, 1..4_u32), 1..300),
        ) {
            let quota = Quota::new(Rate::per_second(rate), burst);
            let (mut tat, mut now) = (Instant::ORIGIN, 0);
            let mut admitted: Vec<(u64, u64)> = Vec::new();
            for (pause, cost) in steps {
                now += pause;
                if let Verdict::Allow { tat: next, .. } = gcra(tat, quota, cost, at(now)) {
                    tat = next;
                    admitted.push((now, u64::from(cost)));
                }
                let mut sum = 0;
                for (when, cost) in admitted.iter().rev() {
                    sum += cost;
                    let bound = u128::from(now - when) * u128::from(rate) / 1_000_000_000;
                    prop_assert!(u128::from(sum) <= bound + u128::from(burst));
                }
            }
        }

        #[test]
        fn waiting_as_told_is_enough_and_a_nanosecond_less_is_not(
            rate in 1..1_000_000_u32, burst in 1..100_u32, cost in 1..100_u32, ahead in 0..u64::MAX / 4,
        ) {
            let quota = Quota::new(Rate::per_second(rate), burst);
            let (now, tat) = (at(1), at(1 + ahead % quota.nanos(burst).max(1)));
            if let Verdict::Deny { retry_after, .. } = gcra(tat, quota, cost, now) && cost <= burst {
                let then = now + retry_after;
                let allowed = matches!(gcra(tat, quota, cost, then), Verdict::Allow { .. });
                prop_assert!(allowed);
                let early = at(then.as_nanos() - 1);
                let denied = matches!(gcra(tat, quota, cost, early), Verdict::Deny { .. });
                prop_assert!(denied);
            }
        }
    }
}
