use gabion_auth::{Authorizer, Demand};
use gabion_errors::Rejection;

use crate::{Exchange, Guard};

/// Lets pass only who may use the route: 401 without a principal, 403 with the wrong one.
pub struct AuthorizeGuard<A>(A);

impl<A: Authorizer> AuthorizeGuard<A> {
    /// Asks `authorizer`.
    pub fn new(authorizer: A) -> Self {
        Self(authorizer)
    }
}

impl<A: Authorizer> Guard for AuthorizeGuard<A> {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let contract = exchange.contract();
        let demand =
            Demand { route: contract.path, method: &contract.method, needs: contract.access };
        Ok(self.0.authorize(exchange.principal.as_deref(), &demand)?)
    }
}
