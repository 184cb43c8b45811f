use gabion_auth::{AuthError, Authenticator, Credentials, bearer};
use gabion_errors::Rejection;

use crate::{Exchange, Guard};

/// Finds out who calls.
///
/// A route that is public is served to everybody, also with a bad token; where a principal is
/// needed, its absence and every fault of its token are a 401.
pub struct AuthenticateGuard<A>(A);

impl<A: Authenticator> AuthenticateGuard<A> {
    /// Asks `authenticator`.
    pub fn new(authenticator: A) -> Self {
        Self(authenticator)
    }
}

impl<A: Authenticator> Guard for AuthenticateGuard<A> {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let needed = exchange.contract().needs_principal();
        let token = match bearer(&exchange.head.headers) {
            Ok(Some(token)) => token,
            Ok(None) => return Ok(()),
            Err(_) if !needed => return Ok(()),
            Err(error) => return Err(AuthError::from(error).into()),
        };
        match self.0.authenticate(Credentials::Bearer(token), exchange.unix).await {
            Ok(principal) => exchange.principal = Some(principal),
            Err(_) if !needed => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
