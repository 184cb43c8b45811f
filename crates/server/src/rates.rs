//! How often: the rate limits, which all faces of the server share.

use std::sync::Arc;

use gabion_clock::Instant;
use gabion_limits::rate::{MemoryRateStore, QuotaConfig};
use gabion_tower::{
    RateRule,
    guards::{By, OftenRefused, RateGuard},
};

use crate::settings::LimitsConfig;

/// Keys that are told of those most often refused.
const TOLD: usize = 10;

type Limit = RateGuard<MemoryRateStore>;

/// The limits and the one store of their states.
pub struct Rates {
    store: Arc<MemoryRateStore>,
    /// Of every address.
    pub(crate) address: Arc<Limit>,
    /// Of every address on the routes that hash passwords.
    pub(crate) login: Arc<Limit>,
    /// Of everybody who has shown who it is.
    pub(crate) caller: Arc<Limit>,
}

impl Rates {
    /// Limits as `limits` says, with a table for about `keys` keys in use at once.
    #[must_use]
    pub fn new(keys: usize, limits: &LimitsConfig) -> Self {
        let store = Arc::new(MemoryRateStore::with_capacity(keys));
        let limit = |name, by, config: &QuotaConfig| {
            RateGuard::new(name, by, config.build(), Arc::clone(&store))
        };
        let rate = &limits.rate;
        let login = limit("login", By::ADDRESS, &rate.login).for_rule(RateRule::Login);
        let this = Self {
            address: Arc::new(limit("address", By::ADDRESS, &rate.address)),
            login: Arc::new(login),
            caller: Arc::new(limit("caller", By::CALLER, &rate.caller)),
            store,
        };
        this.set(limits);
        this
    }

    /// From now on as `limits` says; what was used stays used.
    pub fn set(&self, limits: &LimitsConfig) {
        let rate = &limits.rate;
        let all = [
            (&self.address, &rate.address),
            (&self.login, &rate.login),
            (&self.caller, &rate.caller),
        ];
        for (limit, config) in all {
            limit.set_quota(config.build());
            limit.set_mode(config.mode);
            limit.set_ipv6_prefix(limits.ipv6_prefix);
        }
    }

    /// The table's memory in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.store.memory()
    }

    /// Whom the limits refuse most, the worst first.
    #[must_use]
    pub fn often_refused(&self, now: Instant) -> Vec<OftenRefused> {
        let limits = [&self.address, &self.login, &self.caller].into_iter();
        let mut told: Vec<_> = limits.flat_map(|limit| limit.often_refused(TOLD, now)).collect();
        told.sort_by_key(|it| std::cmp::Reverse(it.refusals));
        told.truncate(TOLD);
        told
    }
}
