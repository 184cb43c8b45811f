use gabion_clock::UnixTime;

use crate::{Claims, Roles, SessionId, Username, token::Expires};

/// Who a request comes from, after all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose token it is.
    pub username: Username,
    /// The session that the token belongs to.
    pub session: SessionId,
    /// What the account may do now, whatever the token says.
    pub roles: Roles,
    /// When the token was issued.
    pub issued_at: UnixTime,
    /// When the token begins to be good; not before it was issued.
    pub not_before: UnixTime,
    /// When the token expires.
    pub expires_at: UnixTime,
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
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
        }
    }
}
