use std::sync::{Arc, PoisonError, RwLock};

use bytes::BytesMut;
use gabion_errors::Rejection;
use gabion_limits::{
    metrics::LimitMetrics,
    quota::Quota,
    rate::{Charge, Decision, Exceeded, RateStore, policy_field, standing_field},
};
use http::{HeaderName, HeaderValue, response};

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
    policy: RwLock<Policy>,
    metrics: LimitMetrics,
}

#[derive(Clone)]
struct Policy {
    quota: Quota,
    field: HeaderValue,
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

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
        let (policy, metrics) = (RwLock::new(Policy::new(limit, quota)), LimitMetrics::new(limit));
        Self { limit, by, only, store, policy, metrics }
    }

    /// From now on this quota; what was used stays used.
    pub fn set_quota(&self, quota: Quota) {
        let policy = Policy::new(self.limit, quota);
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    fn quota(&self) -> Quota {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).quota
    }

    fn applies(&self, rule: RateRule) -> bool {
        rule != RateRule::Exempt && self.only.is_none_or(|only| only == rule)
    }
}

impl Policy {
    fn new(limit: &'static str, quota: Quota) -> Self {
        // Names of limits are ours and made of letters; the rest are digits.
        let field = HeaderValue::from_str(&policy_field(limit, quota));
        Self { quota, field: field.unwrap_or(HeaderValue::from_static("")) }
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
        let charge = Charge { limit: self.limit, key, quota: self.quota(), cost: 1 };
        match self.store.decide(&[charge], exchange.now).await {
            Decision::Allow { standing, .. } => {
                self.metrics.allow.increment(1);
                exchange.note_standing(self.limit, standing);
                Ok(())
            }
            Decision::Deny { standing, retry_after, .. } => {
                self.metrics.deny.increment(1);
                exchange.note_standing(self.limit, standing);
                Err(Exceeded { limit: self.limit, retry_after }.into())
            }
        }
    }

    fn stamp(&self, exchange: &Exchange, response: &mut response::Parts) {
        let noted = exchange.standings.iter().flatten().find(|(limit, _)| *limit == self.limit);
        let Some((limit, standing)) = noted else { return };
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner).field.clone();
        response.headers.append(RATE_LIMIT_POLICY, policy);
        let mut field = BytesMut::with_capacity(40);
        standing_field(&mut field, limit, *standing);
        if let Ok(value) = HeaderValue::from_maybe_shared(field.freeze()) {
            response.headers.append(RATE_LIMIT, value);
        }
    }
}
