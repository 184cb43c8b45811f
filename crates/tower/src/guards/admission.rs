use std::sync::Arc;

use gabion_errors::Rejection;
use gabion_limits::admission::Admission;

use crate::{Exchange, Guard};

/// Takes a place among the requests in flight, by the route's class, or refuses with 503.
///
/// It stands behind authorization: whoever came this far may use the route, so naming an important
/// path makes nobody important. The place is kept until the answer is complete: an answer that is
/// whole in memory needs no more work, however slowly its client takes it; one that is made as it is
/// sent keeps its place to the end.
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
        exchange.permit = Some(self.0.admit(exchange.contract().class, exchange.now)?);
        Ok(())
    }
}
