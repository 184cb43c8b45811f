use std::{sync::Arc, time::Duration};

use gabion_clock::UnixTime;
use serde::de::MapAccess;

use super::{
    KeyResolver, TokenError, Verifier,
    cache::Expires,
    claims::seconds,
    header::ACCESS_TOKEN,
    strict::{Members, Strict, Text, Texts, ignore},
};
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

/// Verifies access tokens of an outside issuer: as strictly as [`Verifier`] does ours, by the profile of
/// RFC 9068.
///
/// Its keys are usually a key set that is fetched: `RemoteJwks` of the crate `gabion-client`.
pub struct OutsideVerifier {
    inner: Verifier,
    types: &'static [&'static str],
}

/// What some issuers write in place of it, who have not come to RFC 9068 yet.
const PLAIN: &str = "jwt";

impl OutsideVerifier {
    /// Takes tokens of `issuer` for `audience`; clocks may differ by `leeway`.
    pub fn new(
        keys: impl KeyResolver,
        issuer: impl Into<Arc<str>>,
        audience: impl Into<Arc<str>>,
        leeway: Duration,
    ) -> Self {
        Self { inner: Verifier::new(keys, issuer, audience, leeway), types: &[ACCESS_TOKEN] }
    }

    /// Takes tokens of `typ` `JWT` as well.
    ///
    /// An issuer's other tokens, as those that tell a client who has logged in, may have the same
    /// `typ`: then the audience alone tells them apart.
    #[must_use]
    pub fn or_plain(self) -> Self {
        Self { types: &[ACCESS_TOKEN, PLAIN], ..self }
    }

    /// Lets no token live longer than `life` after its `iat`, whatever its `exp` says.
    #[must_use]
    pub fn longest(self, life: Duration) -> Self {
        Self { inner: self.inner.longest(life), ..self }
    }

    /// How far clocks may differ.
    #[must_use]
    pub fn leeway(&self) -> Duration {
        self.inner.leeway()
    }

    /// The present epoch of its keys: see [`KeyResolver::epoch`].
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    /// What `token` says, if it is to be believed at `now`. Of the claims that RFC 9068 §2.2 asks for,
    /// `client_id` may be missing.
    ///
    /// # Errors
    ///
    /// Any deviation: see [`TokenError`].
    pub fn verify(&self, token: &str, now: UnixTime) -> Result<OutsideClaims, TokenError> {
        let payload = self.inner.signed(token, self.types)?;
        let raw = Raw::parse(&payload).map_err(|_| TokenError::Claims)?;
        self.inner.hold_to_names(raw.iss.as_ref(), raw.aud.as_ref())?;
        let mut claims = raw.complete(self.inner.names())?;
        let (issued_at, not_before) = (claims.issued_at, claims.not_before);
        self.inner.hold_to_time(&mut claims.expires_at, issued_at, not_before, now)?;
        Ok(claims)
    }
}

/// The claims as written; each is present or missing, and of its type.
#[derive(Default)]
struct Raw<'a> {
    iss: Option<Text<'a>>,
    aud: Option<Texts<'a>>,
    sub: Option<Text<'a>>,
    jti: Option<Text<'a>>,
    iat: Option<u64>,
    nbf: Option<u64>,
    exp: Option<u64>,
    client_id: Option<Text<'a>>,
    scope: Option<Text<'a>>,
}

impl<'de> Members<'de> for Raw<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "iss" => self.iss = Some(map.next_value()?),
            "aud" => self.aud = Some(map.next_value()?),
            "sub" => self.sub = Some(map.next_value()?),
            "jti" => self.jti = Some(map.next_value()?),
            "iat" => self.iat = seconds(map)?,
            "nbf" => self.nbf = seconds(map)?,
            "exp" => self.exp = seconds(map)?,
            "client_id" => self.client_id = Some(map.next_value()?),
            "scope" => self.scope = Some(map.next_value()?),
            _ => ignore(map)?,
        }
        Ok(())
    }
}

impl<'a> Raw<'a> {
    fn parse(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Strict<Self>>(json).map(|strict| strict.0)
    }

    fn complete(
        self,
        (issuer, audience): (Arc<str>, Arc<str>),
    ) -> Result<OutsideClaims, TokenError> {
        let required = |text: Option<Text<'_>>| {
            let text = text.filter(|text| !text.0.is_empty());
            text.map(|text| text.0.into_owned()).ok_or(TokenError::Claims)
        };
        let issued_at = UnixTime::from_secs(self.iat.ok_or(TokenError::Claims)?);
        let scope = self.scope.map(|scope| scope.0.into_owned()).unwrap_or_default();
        Ok(OutsideClaims {
            issuer,
            audience,
            subject: required(self.sub)?,
            id: required(self.jti)?,
            client: self.client_id.map(|client| client.0.into_owned()),
            scopes: Roles::new(scope.split(' ').filter(|scope| !scope.is_empty())),
            issued_at,
            not_before: self.nbf.map_or(issued_at, UnixTime::from_secs),
            expires_at: UnixTime::from_secs(self.exp.ok_or(TokenError::Claims)?),
        })
    }
}
