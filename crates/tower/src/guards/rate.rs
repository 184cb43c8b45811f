use std::sync::Arc;

use arc_swap::ArcSwap;
use gabion_errors::{Rejection, ToProblem};
use gabion_limits::{
    metrics::LimitMetrics,
    quota::Quota,
    rate::{Charge, Decision, Exceeded, RateStore},
};

use crate::{Exchange, Guard, RateRule};

/// What a limit counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Address,
    Caller,
}

/// A rate limit: takes one unit of the key's quota, or refuses with 429.
///
/// The response tells what is left in `RateLimit` and `RateLimit-Policy`.
pub struct RateGuard<S> {
    limit: &'static str,
    by: By,
    /// The rule whose routes it is for; `None`: all but the exempt ones.
    only: Option<RateRule>,
    store: Arc<S>,
    quota: ArcSwap<Quota>,
    metrics: LimitMetrics,
}

impl<S: RateStore> RateGuard<S> {
    /// A limit per client address, an IPv6 one by its /64.
    #[must_use]
    pub fn by_address(limit: &'static str, quota: Quota, store: Arc<S>) -> Self {
        Self::new(limit, By::Address, None, quota, store)
    }

    /// A limit per caller; requests that nobody has signed pass.
    #[must_use]
    pub fn by_caller(limit: &'static str, quota: Quota, store: Arc<S>) -> Self {
        Self::new(limit, By::Caller, None, quota, store)
    }

    /// A limit per client address, for the routes of one rule.
    #[must_use]
    pub fn only(limit: &'static str, rule: RateRule, quota: Quota, store: Arc<S>) -> Self {
        Self::new(limit, By::Address, Some(rule), quota, store)
    }

    fn new(
        limit: &'static str,
        by: By,
        only: Option<RateRule>,
        quota: Quota,
        store: Arc<S>,
    ) -> Self {
        let (quota, metrics) = (ArcSwap::from_pointee(quota), LimitMetrics::new(limit));
        Self { limit, by, only, store, quota, metrics }
    }

    /// From now on this quota; what was used stays used.
    pub fn set_quota(&self, quota: Quota) {
        self.quota.store(Arc::new(quota));
    }

    /// What a client is told that went too far.
    const fn detail(&self) -> &'static str {
        match (self.by, self.only) {
            (By::Caller, _) => "this account has used up its quota of requests",
            (By::Address, Some(RateRule::Login)) => {
                "this address has used up its quota of logins and refreshes"
            }
            (By::Address, _) => "this address has used up its quota of requests",
        }
    }

    fn applies(&self, rule: RateRule) -> bool {
        rule != RateRule::Exempt && self.only.is_none_or(|only| only == rule)
    }
}

impl<S: RateStore> Guard for RateGuard<S> {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        if !self.applies(exchange.contract().rate) {
            return Ok(());
        }
        let address = exchange.client.rate_key();
        let key = match (self.by, &exchange.principal) {
            (By::Address, _) => address.as_bytes(),
            (By::Caller, Some(caller)) => caller.username.as_str().as_bytes(),
            (By::Caller, None) => return Ok(()),
        };
        let quota = **self.quota.load();
        let charge = Charge { limit: self.limit, key, quota, cost: 1 };
        match self.store.decide(&[charge], exchange.now).await {
            Decision::Allow { standing, .. } => {
                self.metrics.allow.increment(1);
                exchange.note_standing(self.limit, quota, standing);
                Ok(())
            }
            Decision::Deny { standing, retry_after, .. } => {
                self.metrics.deny.increment(1);
                exchange.note_standing(self.limit, quota, standing);
                let exceeded = Exceeded { limit: self.limit, retry_after };
                let problem = exceeded.to_problem().detail(self.detail());
                Err(Rejection::new(problem).caused_by(exceeded))
            }
        }
    }
}
