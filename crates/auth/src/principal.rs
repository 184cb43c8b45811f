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
    /// What an API key may be used for; `None` for whoever logged in.
    pub scopes: Option<Roles>,
    /// When the token was issued.
    pub issued_at: UnixTime,
    /// When the token begins to be good; not before it was issued.
    pub not_before: UnixTime,
    /// When the token expires.
    pub expires_at: UnixTime,
}

impl Principal {
    /// Whether it is a machine with an API key, not somebody who logged in.
    #[must_use]
    pub const fn is_api_key(&self) -> bool {
        self.scopes.is_some()
    }

    /// Whether `scope` lets it in; who logged in is never held back.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        match (&self.scopes, scope) {
            (None, _) | (Some(_), Scope::Any) => true,
            (Some(scopes), Scope::Named(name)) => scopes.contains(name),
            (Some(_), Scope::Login) => false,
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
            scopes: None,
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
        }
    }
}
