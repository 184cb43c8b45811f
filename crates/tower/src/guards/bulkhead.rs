use std::sync::Arc;

use gabion_errors::Rejection;
use gabion_limits::bulkhead::{Bulkhead, BulkheadFull, BulkheadPermit, Entering, Entrance};

use crate::{Exchange, Guard};

/// Takes a place in the bulkhead that the route names, waits for one where all are taken, or refuses
/// with 503. Routes that name none pass.
///
/// It waits, so it stands behind what refuses cheaply and before what hands out places of its own: behind
/// [`AuthorizeGuard`](super::AuthorizeGuard), before [`AdmissionGuard`](super::AdmissionGuard). Its place is
/// held until the answer is complete, so from here on also while a slow client sends its body.
/// A handler that reads bodies does better to ask this guard itself once the body is there.
pub struct BulkheadGuard(Box<[Arc<Bulkhead>]>);

/// A route names a bulkhead that the guard does not have.
#[derive(Debug, thiserror::Error)]
#[error("there is no bulkhead {0:?}")]
struct NoBulkhead(&'static str);

impl BulkheadGuard {
    /// Asks the one of `bulkheads` whose name the route's contract has. A name that is not among them
    /// fails every request of the route, as it is a mistake in the program.
    #[must_use]
    pub fn new(bulkheads: impl IntoIterator<Item = Arc<Bulkhead>>) -> Self {
        Self(bulkheads.into_iter().collect())
    }
}

impl Guard for BulkheadGuard {
    /// # Cancel safety
    ///
    /// Who leaves while it waits has left the queue.
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let Some(name) = exchange.contract().bulkhead else { return Ok(()) };
        let bulkhead = self.0.iter().find(|bulkhead| bulkhead.name() == name);
        let bulkhead = bulkhead.ok_or_else(|| Rejection::internal(NoBulkhead(name)))?;
        exchange.place = Some(match bulkhead.enter()? {
            Entrance::Admit(place) => place,
            // Boxed: rare, and large in every request's future otherwise.
            Entrance::Wait(entering) => Box::pin(wait(entering)).await?,
        });
        Ok(())
    }
}

async fn wait(mut entering: Entering) -> Result<BulkheadPermit, BulkheadFull> {
    let longest = entering.longest();
    match tokio::time::timeout(longest, &mut entering).await {
        Ok(place) => Ok(place),
        Err(_) => entering.give_up(),
    }
}
