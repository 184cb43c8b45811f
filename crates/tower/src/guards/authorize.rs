use gabion_auth::{Authorizer, Demand};
use gabion_errors::Rejection;

use crate::{Exchange, Guard, RouteContract};

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
        let RouteContract { path: route, method, access: needs, scope, .. } = contract;
        let demand = Demand { route, method, needs: *needs, scope: *scope };
        Ok(self.0.authorize(exchange.principal.as_deref(), &demand)?)
    }
}
