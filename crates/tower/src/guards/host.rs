use std::sync::Arc;

use arc_swap::ArcSwap;
use gabion_errors::Rejection;
use gabion_limits::HostRule;

use crate::{Exchange, Guard};

/// Exactly one valid Host, and one that is served here (RFC 9112 §3.2); hyper takes none and two.
#[derive(Debug)]
pub struct HostGuard(ArcSwap<HostRule>);

impl HostGuard {
    /// Checks by `rule`.
    #[must_use]
    pub fn new(rule: HostRule) -> Self {
        Self(ArcSwap::from_pointee(rule))
    }

    /// From now on checks by `rule`.
    pub fn set(&self, rule: HostRule) {
        self.0.store(Arc::new(rule));
    }
}

impl Guard for HostGuard {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let head = &exchange.head;
        let checked = self.0.load().check(head.version, &head.uri, &head.headers);
        // Who does not agree with us about the host may not agree about what comes next either.
        exchange.closes |= checked.is_err();
        Ok(checked?)
    }
}
