use std::sync::Arc;

use gabion_errors::Rejection;
use gabion_limits::{Class, admission::Admission};

use crate::{Exchange, Guard, RateRule};

/// Takes a place among the requests in flight, by the route's class, or refuses with 503.
///
/// A route's class counts only for a caller who may use it, and for probes; everything else, as a
/// request that matches no route, counts as degraded. The place is kept until the response body ends.
pub struct AdmissionGuard(Arc<Admission>);

impl AdmissionGuard {
    /// Asks `admission`.
    #[must_use]
    pub fn new(admission: Arc<Admission>) -> Self {
        Self(admission)
    }
}

impl Guard for AdmissionGuard {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let contract = exchange.contract();
        let earned = exchange.principal.is_some()
            || contract.rate != RateRule::Standard
            || !matches!(contract.class, Class::Critical);
        let class = if earned { contract.class } else { contract.class.max(Class::Degraded) };
        exchange.permit = Some(self.0.admit(class, exchange.now)?);
        Ok(())
    }
}
