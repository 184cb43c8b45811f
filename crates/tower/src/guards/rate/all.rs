use std::{array, sync::Arc};

use gabion_errors::Rejection;
use gabion_limits::{
    LimitMode,
    rate::{Charge, Decision, MAX_CHARGES, RateStore},
};

use super::{Asked, RateGuard};
use crate::{Exchange, Guard};

/// Rate limits that take from all of them or from none; see [`RateGuard::all`].
///
/// Those in the mode shadow are asked after the others have let the request pass, each by itself.
pub struct AllRates<S, const N: usize>([Arc<RateGuard<S>>; N]);

impl<S: RateStore, const N: usize> AllRates<S, N> {
    pub(super) fn new(guards: [Arc<RateGuard<S>>; N]) -> Self {
        const { assert!(N > 0 && N <= MAX_CHARGES, "a decision has one to eight charges") }
        let shared = guards.iter().all(|guard| Arc::ptr_eq(&guard.store, &guards[0].store));
        assert!(shared, "limits that are decided together share one store");
        Self(guards)
    }

    /// Asks those that refuse, and notes what is left; tells which others there are.
    async fn enforce(&self, exchange: &mut Exchange) -> Result<[bool; N], Rejection> {
        let now = exchange.now;
        let asked: [Option<Asked<'_>>; N] = array::from_fn(|i| self.0[i].ask(exchange));
        let mode = |asked: &Option<Asked<'_>>| asked.as_ref().map(|asked| asked.mode);
        let shadows = array::from_fn(|i| mode(&asked[i]) == Some(LimitMode::Shadow));
        let mut wanted =
            (0..N).filter(|i| mode(&asked[*i]) == Some(LimitMode::Enforce)).filter_map(|guard| {
                Some(Taken { guard, charge: asked[guard].as_ref()?.charge(self.0[guard].limit) })
            });
        let Some(first) = wanted.next() else { return Ok(shadows) };
        let (mut taken, mut count) = ([first; N], 1);
        for next in wanted {
            taken[count] = next;
            count += 1;
        }
        let charges = taken.map(|taken| taken.charge);
        let store = &self.0[0].store;
        let decision = store.decide(&charges[..count], now).await;
        let (binding, standing, wait) = match decision {
            Decision::Allow { charge, standing } => (charge, standing, None),
            Decision::Deny { charge, standing, retry_after } => {
                (charge, standing, Some(retry_after))
            }
        };
        let mut left = [standing; N];
        for at in (0..count).filter(|at| *at != binding) {
            // The store tells of one of them; the others are looked at without taking anything.
            let peek = store.decide(&[Charge { cost: 0, ..charges[at] }], now).await;
            let (Decision::Allow { standing, .. } | Decision::Deny { standing, .. }) = peek;
            left[at] = standing;
        }
        let refusal = wait.and_then(|wait| {
            let guard = taken[binding].guard;
            self.0[guard].denied(asked[guard].as_ref()?, wait, now)
        });
        let noted = taken.map(|taken| (taken.guard, taken.charge.quota));
        for ((guard, quota), standing) in noted.into_iter().zip(left).take(count) {
            let limit = &self.0[guard];
            if wait.is_none() {
                limit.metrics.allow.increment(1);
            }
            exchange.note_standing(limit.limit, quota, standing);
        }
        refusal.map_or(Ok(shadows), Err)
    }
}

/// What is asked for one of the limits.
#[derive(Clone, Copy)]
struct Taken<'c> {
    guard: usize,
    charge: Charge<'c>,
}

impl<S: RateStore, const N: usize> Guard for AllRates<S, N> {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let mut there = self.0.iter().filter(|limit| limit.applies(exchange));
        match (there.next(), there.next()) {
            (None, _) => return Ok(()),
            // On most routes, and then there is nothing to be joined.
            (Some(only), None) => return only.check(exchange).await,
            _ => {}
        }
        let shadows = self.enforce(exchange).await?;
        for (limit, shadow) in self.0.iter().zip(shadows) {
            if shadow {
                limit.check(exchange).await?;
            }
        }
        Ok(())
    }

    async fn settle(&self, exchange: &mut Exchange) {
        for limit in &self.0 {
            limit.settle(exchange).await;
        }
    }
}

#[cfg(test)]
mod tests;
