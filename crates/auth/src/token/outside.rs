use std::sync::Arc;

use gabion_clock::UnixTime;

use super::{TokenError, cache::Expires, claims::RawClaims, strict::Text};
use crate::Roles;

/// What a verified token of an outside issuer says: the profile of RFC 9068, whose subjects and token
/// ids have the forms of their issuer and whose sessions are not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideClaims {
    /// `iss`, who issued it.
    pub issuer: Arc<str>,
    /// The one of `aud` that it was accepted for.
    pub audience: Arc<str>,
    /// `sub`, whose it is: unique with its issuer, never a name of one's own accounts.
    pub subject: String,
    /// `jti`, its own name.
    pub id: String,
    /// `client_id`, who asked for it, where the issuer says so.
    pub client: Option<String>,
    /// `scope`, what it is for.
    pub scopes: Roles,
    /// `iat`, in whole seconds.
    pub issued_at: UnixTime,
    /// `nbf`, in whole seconds; `iat` where there is none.
    pub not_before: UnixTime,
    /// `exp`, in whole seconds, or the end of the longest life its verifier allows if that is
    /// sooner.
    pub expires_at: UnixTime,
}

impl Expires for OutsideClaims {
    fn not_before(&self) -> UnixTime {
        self.not_before.max(self.issued_at)
    }

    fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

impl OutsideClaims {
    pub(super) fn complete(
        raw: RawClaims<'_>,
        issuer: &Arc<str>,
        audience: &Arc<str>,
    ) -> Result<Self, TokenError> {
        let required = |text: Option<Text<'_>>| {
            let text = text.filter(|text| !text.0.is_empty());
            text.map(|text| text.0.into_owned()).ok_or(TokenError::Claims)
        };
        let issued_at = UnixTime::from_secs(raw.iat.ok_or(TokenError::Claims)?);
        let scope = raw.scope.map(|scope| scope.0.into_owned()).unwrap_or_default();
        Ok(Self {
            issuer: Arc::clone(issuer),
            audience: Arc::clone(audience),
            subject: required(raw.sub)?,
            id: required(raw.jti)?,
            client: raw.client_id.map(|client| client.0.into_owned()),
            scopes: Roles::new(scope.split(' ').filter(|scope| !scope.is_empty())),
            issued_at,
            not_before: raw.nbf.map_or(issued_at, UnixTime::from_secs),
            expires_at: UnixTime::from_secs(raw.exp.ok_or(TokenError::Claims)?),
        })
    }
}
