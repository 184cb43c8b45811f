use gabion_clock::UnixTime;

use crate::{Claims, Roles, Scope, SessionId, Username, token::Expires};

/// Who a request comes from, after all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose token it is.
    pub username: Username,
    /// The session that the token belongs to; for an API key, the key's own id.
    pub session: SessionId,
    /// What the account may do now, whatever the token says.
    pub roles: Roles,
    /// How it has shown who it is.
    pub via: Via,
    /// When the token was issued.
    pub issued_at: UnixTime,
    /// When the token begins to be good; not before it was issued.
    pub not_before: UnixTime,
    /// When the token expires.
    pub expires_at: UnixTime,
}

/// How somebody has shown who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// By an access token of a session that a login began: nothing holds it back but its roles.
    Login,
    /// By an API key.
    ApiKey {
        /// What the key may be used for.
        scopes: Roles,
    },
}

impl Principal {
    /// Whether it is a machine with an API key, not somebody who logged in.
    #[must_use]
    pub const fn is_api_key(&self) -> bool {
        matches!(self.via, Via::ApiKey { .. })
    }

    /// Whether `scope` lets it in; who logged in is never held back.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        match (&self.via, scope) {
            (Via::Login, _) | (Via::ApiKey { .. }, Scope::Any) => true,
            (Via::ApiKey { scopes }, Scope::Named(name)) => scopes.contains(name),
            (Via::ApiKey { .. }, Scope::Login) => false,
        }
    }
}

impl Expires for Principal {
    fn not_before(&self) -> UnixTime {
        self.not_before
    }

    fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

impl From<Claims> for Principal {
    fn from(claims: Claims) -> Self {
        Self {
            not_before: claims.not_before(),
            username: claims.subject,
            session: claims.session,
            roles: claims.roles,
            via: Via::Login,
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
        }
    }
}
