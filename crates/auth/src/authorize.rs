use http::Method;

use crate::{AuthError, Principal};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Everybody.
    Public,
    /// Everybody with a valid access token or API key.
    Bearer,
    /// Whoever has one of these roles; with none listed, nobody.
    AnyRole(&'static [&'static str]),
}

/// What an API key needs to be let in, beside what its account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// Nothing: every key is let in.
    Any,
    /// This scope.
    Named(&'static str),
    /// Whatever it has, no key is let in: somebody has to log in.
    Login,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    /// The route's template, as `/api/admin/users/{username}`.
    pub route: &'a str,
    /// The request's method.
    pub method: &'a Method,
    /// Who may.
    pub needs: Access,
    /// What an API key needs for it.
    pub scope: Scope,
}

/// Decides what a principal may do. Pure: the same question has the same answer.
pub trait Authorizer: Send + Sync + 'static {
    /// Whether `principal` (nobody, where the request had no credentials) may do what it wants.
    ///
    /// # Errors
    ///
    /// [`AuthError::Missing`] when somebody is needed and nobody there, [`AuthError::Forbidden`]
    /// when it is the wrong one.
    fn authorize(
        &self,
        principal: Option<&Principal>,
        demand: &Demand<'_>,
    ) -> Result<(), AuthError>;
}

/// Decides by the roles of the account and, for API keys, their scopes; nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoleAuthorizer;

impl Authorizer for RoleAuthorizer {
    fn authorize(
        &self,
        principal: Option<&Principal>,
        demand: &Demand<'_>,
    ) -> Result<(), AuthError> {
        if demand.needs == Access::Public {
            return Ok(());
        }
        let principal = principal.ok_or(AuthError::Missing)?;
        let may = match demand.needs {
            Access::Public | Access::Bearer => true,
            Access::AnyRole(roles) => roles.iter().any(|role| principal.roles.contains(role)),
        };
        if may && principal.has(demand.scope) { Ok(()) } else { Err(AuthError::Forbidden) }
    }
}

#[cfg(test)]
mod tests {
    use gabion_clock::UnixTime;

    use super::*;
    use crate::{Roles, SessionId, Username, Via};

    fn ask(roles: Option<&[&str]>, needs: Access) -> Result<(), u16> {
        ask_with(roles, None, needs, Scope::Any)
    }

    fn ask_with(
        roles: Option<&[&str]>,
        scopes: Option<&[&str]>,
        needs: Access,
        scope: Scope,
    ) -> Result<(), u16> {
        let principal = roles.map(|roles| Principal {
            username: Username::parse("ann").unwrap(),
            session: SessionId::from_bits(1),
            roles: Roles::new(roles),
            via: scopes.map_or(Via::Login, |scopes| Via::ApiKey { scopes: Roles::new(scopes) }),
            issued_at: UnixTime::default(),
            not_before: UnixTime::default(),
            expires_at: UnixTime::default(),
        });
        let demand = Demand { route: "/x", method: &Method::GET, needs, scope };
        let decision = RoleAuthorizer.authorize(principal.as_ref(), &demand);
        decision.map_err(|error| gabion_errors::ToProblem::to_problem(&error).status().as_u16())
    }

    #[test]
    fn one_of_the_roles_is_enough_and_none_is_not() {
        let needs = Access::AnyRole(&["admin", "monitor"]);
        assert_eq!(ask(Some(&["monitor", "user"]), needs), Ok(()));
        assert_eq!(ask(Some(&["user"]), needs), Err(403));
        assert_eq!(ask(Some(&["administrator"]), needs), Err(403));
    }

    #[test]
    fn nobody_may_only_what_is_public() {
        assert_eq!(ask(None, Access::Public), Ok(()));
        assert_eq!(ask(None, Access::Bearer), Err(401));
        assert_eq!(ask(None, Access::AnyRole(&["admin"])), Err(401));
        assert_eq!(ask(Some(&[]), Access::Bearer), Ok(()));
    }

    #[test]
    fn a_key_needs_the_role_of_its_account_and_its_own_scope() {
        let (needs, scope) = (Access::AnyRole(&["admin"]), Scope::Named("users"));
        let ask = |role, scopes: &[&str]| ask_with(Some(&[role]), Some(scopes), needs, scope);
        assert_eq!(ask("admin", &["status", "users"]), Ok(()));
        assert_eq!(ask("admin", &["status"]), Err(403));
        assert_eq!(ask("admin", &[]), Err(403));
        assert_eq!(ask("user", &["users"]), Err(403));
        assert_eq!(ask_with(Some(&["admin"]), None, needs, scope), Ok(()));
    }

    #[test]
    fn some_routes_take_no_key_and_some_take_each() {
        let ask = |scopes, scope| ask_with(Some(&[]), scopes, Access::Bearer, scope);
        assert_eq!(ask(Some(&["users"]), Scope::Login), Err(403));
        assert_eq!(ask(None, Scope::Login), Ok(()));
        assert_eq!(ask(Some(&[]), Scope::Any), Ok(()));
    }

    #[test]
    fn a_route_that_lists_no_role_is_closed() {
        assert_eq!(ask(Some(&["admin"]), Access::AnyRole(&[])), Err(403));
    }
}
