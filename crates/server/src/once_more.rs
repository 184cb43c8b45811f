//! Whether a caller may still do what it was let in for.

use gabion_auth::{Authenticator, Authorizer, Credentials, Demand, RoleAuthorizer};
use gabion_clock::Clock;
use gabion_errors::Rejection;
use gabion_tower::RouteContract;

use crate::app::App;

/// Asks again, as at the door, for a request that has been going on for a while: a logout, a changed
/// role or a disabled account would keep it out by now.
///
/// # Errors
///
/// As at the door.
pub(crate) async fn admit(
    app: &App,
    token: &str,
    contract: &RouteContract,
) -> Result<(), Rejection> {
    let credentials = Credentials::Bearer(token);
    let caller = app.authenticator.authenticate(credentials, app.clock.unix()).await?;
    let RouteContract { path: route, method, access: needs, scope, .. } = contract;
    let demand = Demand { route, method, needs: *needs, scope: *scope };
    Ok(RoleAuthorizer.authorize(Some(&caller), &demand)?)
}
