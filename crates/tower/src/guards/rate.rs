mod all;
mod by;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use gabion_clock::Instant;
use gabion_errors::{Rejection, ToProblem};
use gabion_limits::{
    ClientAddr, LimitMode,
    gcra::Standing,
    metrics::LimitMetrics,
    quota::Quota,
    rate::{Charge, Decision, Exceeded, HeavyHitters, RateStore},
};

use self::by::Key;
pub use self::{all::AllRates, by::By};
use crate::{Exchange, Guard, RateRule};

/// A rate limit: takes what the request costs from its key's quota, or refuses with 429.
///
/// The response tells what is left in `RateLimit` and `RateLimit-Policy`. Whose quota it is says
/// [`By`]; how much it is may be chosen for each request ([`quota_by`](Self::quota_by)), as may what the
/// request costs ([`cost_by`](Self::cost_by)), also when that is known only after the work
/// ([`late_costs`](Self::late_costs)).
///
/// ```
/// use std::sync::Arc;
/// use gabion_config::Rate;
/// use gabion_limits::{quota::Quota, rate::MemoryRateStore};
/// use gabion_tower::guards::{By, RateGuard};
///
/// let store = Arc::new(MemoryRateStore::with_capacity(10_000));
/// let (usual, large) = (Quota::new(Rate::per_minute(60), 10), Quota::new(Rate::per_second(50), 100));
/// let limit = RateGuard::new("reports", By::CALLER.and(By::ROUTE), usual, store)
///     .quota_by(move |exchange| {
///         let caller = exchange.principal.as_ref()?;
///         caller.roles.contains("partner").then_some(large)
///     })
///     .cost_by(|exchange| if exchange.param("format") == Some("pdf") { 5 } else { 1 });
/// ```
pub struct RateGuard<S> {
    limit: &'static str,
    by: By,
    /// The rule whose routes it is for; `None`: all but the exempt ones.
    only: Option<RateRule>,
    store: Arc<S>,
    rule: ArcSwap<Rule>,
    quotas: Option<Chooses<Option<Quota>>>,
    costs: Option<Chooses<u32>>,
    late_costs: bool,
    metrics: LimitMetrics,
    refused: Box<HeavyHitters>,
}

type Chooses<T> = Box<dyn Fn(&Exchange) -> T + Send + Sync>;

/// What can change while it is used.
#[derive(Clone, Copy)]
struct Rule {
    quota: Quota,
    mode: LimitMode,
    ipv6_prefix: u8,
}

/// A key that a limit refuses often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OftenRefused {
    /// The limit's name.
    pub limit: &'static str,
    /// The key in words: an address as `2001:db8::/64`, a user name, the id of an API key, a route's name.
    pub key: String,
    /// How often, at least; a refusal counts half after ten minutes.
    pub refusals: u64,
}

impl<S: RateStore> RateGuard<S> {
    /// A limit on all routes but the exempt ones, of one unit for each request.
    ///
    /// # Panics
    ///
    /// When `limit` has other characters than ASCII letters, digits, `-` and `_`: it stands in header
    /// fields and metric labels.
    #[must_use]
    pub fn new(limit: &'static str, by: By, quota: Quota, store: Arc<S>) -> Self {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(limit.bytes().all(named), "the limit {limit:?} has characters that no name has");
        let mode = LimitMode::Enforce;
        let rule = Rule { quota, mode, ipv6_prefix: ClientAddr::SUBSCRIBER };
        Self {
            limit,
            by,
            only: None,
            store,
            rule: ArcSwap::from_pointee(rule),
            quotas: None,
            costs: None,
            late_costs: false,
            metrics: LimitMetrics::new(limit),
            refused: Box::default(),
        }
    }

    /// A limit per client address, an IPv6 one by its /64.
    #[must_use]
    pub fn by_address(limit: &'static str, quota: Quota, store: Arc<S>) -> Self {
        Self::new(limit, By::ADDRESS, quota, store)
    }

    /// A limit per caller; requests that nobody has signed pass.
    #[must_use]
    pub fn by_caller(limit: &'static str, quota: Quota, store: Arc<S>) -> Self {
        Self::new(limit, By::CALLER, quota, store)
    }

    /// A limit per client address, for the routes of one rule.
    #[must_use]
    pub fn only(limit: &'static str, rule: RateRule, quota: Quota, store: Arc<S>) -> Self {
        Self::new(limit, By::ADDRESS, quota, store).for_rule(rule)
    }

    /// Several limits as one guard that takes from all of them or from none: what one refuses has not
    /// used up the others.
    ///
    /// # Panics
    ///
    /// When they do not share one store.
    #[must_use]
    pub fn all<const N: usize>(guards: [Arc<Self>; N]) -> AllRates<S, N> {
        AllRates::new(guards)
    }

    /// The same for the routes of one rule alone.
    #[must_use]
    pub fn for_rule(mut self, rule: RateRule) -> Self {
        self.only = Some(rule);
        self
    }

    /// The same with the quota that `choose` names for a request, by its tier, route or tenant; where it
    /// names none, the guard's own. A changed quota never resets what a key has used.
    #[must_use]
    pub fn quota_by(
        mut self,
        choose: impl Fn(&Exchange) -> Option<Quota> + Send + Sync + 'static,
    ) -> Self {
        self.quotas = Some(Box::new(choose));
        self
    }

    /// The same with what `choose` says that a request costs; nothing, and it passes. What costs more
    /// than the burst never fits.
    #[must_use]
    pub fn cost_by(mut self, choose: impl Fn(&Exchange) -> u32 + Send + Sync + 'static) -> Self {
        self.costs = Some(Box::new(choose));
        self
    }

    /// The same, also taking what a handler [charges](Exchange::charge) or
    /// [gives back](Exchange::refund) while it answers.
    #[must_use]
    pub fn late_costs(mut self) -> Self {
        self.late_costs = true;
        self
    }

    /// From now on this quota; what was used stays used.
    pub fn set_quota(&self, quota: Quota) {
        self.rule.rcu(|rule| Rule { quota, ..**rule });
    }

    /// From now on this mode; what was used stays used. While it is off nothing is taken.
    pub fn set_mode(&self, mode: LimitMode) {
        self.rule.rcu(|rule| Rule { mode, ..**rule });
    }

    /// Counts IPv6 addresses by so many leading bits, where it did by 64. Networks that differ from
    /// those before are counted anew.
    pub fn set_ipv6_prefix(&self, bits: u8) {
        self.rule.rcu(|rule| Rule { ipv6_prefix: bits, ..**rule });
    }

    /// The `most` keys that were refused most often, also those that the mode shadow let through.
    #[must_use]
    pub fn often_refused(&self, most: usize, now: Instant) -> Vec<OftenRefused> {
        let ipv6_prefix = self.rule.load().ipv6_prefix;
        let top = self.refused.top(most, now).into_iter().filter(|it| it.at_least > 0);
        let told = top.map(|it| OftenRefused {
            limit: self.limit,
            key: self.by.text(&it.key, ipv6_prefix),
            refusals: it.at_least,
        });
        told.collect()
    }

    fn applies(&self, exchange: &Exchange) -> bool {
        let rule = exchange.contract().rate;
        rule != RateRule::Exempt && self.only.is_none_or(|only| only == rule)
    }

    /// What this limit wants to know of a request; `None` when it is outside.
    fn ask<'e>(&self, exchange: &'e Exchange) -> Option<Asked<'e>> {
        if !self.applies(exchange) {
            return None;
        }
        let Rule { quota, mode, ipv6_prefix } = **self.rule.load();
        if mode == LimitMode::Off {
            return None;
        }
        let key = self.by.key(exchange, ipv6_prefix)?;
        let quota = self.quotas.as_ref().and_then(|choose| choose(exchange)).unwrap_or(quota);
        let cost = self.costs.as_ref().map_or(1, |choose| choose(exchange));
        Some(Asked { key, quota, cost, mode })
    }

    fn allowed(&self, exchange: &mut Exchange, quota: Quota, standing: Standing) {
        self.metrics.allow.increment(1);
        exchange.note_standing(self.limit, quota, standing);
    }

    /// Counts a refusal, and says it unless the mode is shadow.
    fn denied(&self, asked: &Asked<'_>, retry_after: Duration, now: Instant) -> Option<Rejection> {
        self.refused.record(asked.key.as_bytes(), now);
        if asked.mode == LimitMode::Shadow {
            self.metrics.shadow_deny.increment(1);
            return None;
        }
        self.metrics.deny.increment(1);
        let exceeded = Exceeded { limit: self.limit, retry_after };
        Some(Rejection::new(exceeded.to_problem().detail(self.detail())).caused_by(exceeded))
    }

    /// What a client is told that went too far.
    const fn detail(&self) -> &'static str {
        match (self.by, self.only) {
            (By::CALLER, _) => "this account has used up its quota of requests",
            (By::API_KEY, _) => "this API key has used up its quota of requests",
            (By::ROUTE, _) => "the quota of requests that all clients share here is used up",
            (By::ADDRESS, Some(RateRule::Login)) => {
                "this address has used up its quota of logins and refreshes"
            }
            (By::ADDRESS, _) => "this address has used up its quota of requests",
            _ => "the quota for requests of this kind is used up",
        }
    }
}

/// A request as one limit sees it.
struct Asked<'e> {
    key: Key<'e>,
    quota: Quota,
    cost: u32,
    mode: LimitMode,
}

impl Asked<'_> {
    fn charge(&self, limit: &'static str) -> Charge<'_> {
        Charge { limit, key: self.key.as_bytes(), quota: self.quota, cost: self.cost }
    }
}

impl<S: RateStore> Guard for RateGuard<S> {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let Some(asked) = self.ask(exchange) else { return Ok(()) };
        let (quota, mode) = (asked.quota, asked.mode);
        match self.store.decide(&[asked.charge(self.limit)], exchange.now).await {
            // Fields about a limit that refuses nobody would make clients hold back for nothing.
            Decision::Allow { .. } if mode == LimitMode::Shadow => {
                self.metrics.allow.increment(1);
                Ok(())
            }
            Decision::Allow { standing, .. } => {
                self.allowed(exchange, quota, standing);
                Ok(())
            }
            Decision::Deny { standing, retry_after, .. } => {
                let refusal = self.denied(&asked, retry_after, exchange.now);
                let Some(rejection) = refusal else { return Ok(()) };
                exchange.note_standing(self.limit, quota, standing);
                Err(rejection)
            }
        }
    }

    async fn settle(&self, exchange: &mut Exchange) {
        let late = exchange.late_cost.units();
        if !self.late_costs || late == 0 {
            return;
        }
        let noted = exchange.noted(self.limit).map(|noted| noted.quota);
        let Some(asked) = self.ask(exchange) else { return };
        // A handler may have taken what the quota was chosen by.
        let quota = noted.unwrap_or(asked.quota);
        let cost = u32::try_from(late.unsigned_abs()).unwrap_or(u32::MAX);
        let charge = Charge { quota, cost, ..asked.charge(self.limit) };
        if late > 0 {
            self.store.settle(&[charge], exchange.now).await;
        } else {
            self.store.refund(&[charge], exchange.now).await;
        }
        if noted.is_none() {
            return;
        }
        let peek = self.store.decide(&[Charge { cost: 0, ..charge }], exchange.now).await;
        if let Decision::Allow { standing, .. } = peek {
            exchange.note_standing(self.limit, quota, standing);
        }
    }
}

#[cfg(test)]
mod tests;
