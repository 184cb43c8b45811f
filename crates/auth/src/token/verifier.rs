use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gabion_clock::UnixTime;

use super::{
    Claims, KeyResolver,
    claims::RawClaims,
    header::{ACCESS_TOKEN, Header},
    strict::{Text, Texts},
};
use crate::{Roles, SessionId, Username, credentials::MAX_TOKEN};

/// A token is not accepted. The client is never told which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is longer than 8 KiB.
    #[error("the token is longer than 8 KiB")]
    TooLong,
    /// It is not three parts of canonical base64url, or its header is not strict JSON.
    #[error("the token is malformed")]
    Malformed,
    /// It is a token of another kind.
    #[error("the token is of another type")]
    Type,
    /// No key has the name it gives.
    #[error("the token names no known key")]
    Key,
    /// Its algorithm is not the key's.
    #[error("the token's algorithm is not the key's")]
    Algorithm,
    /// The signature is not the key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim is missing, of the wrong type, twice there or at odds with another.
    #[error("the token's claims are not what they must be")]
    Claims,
    /// Another issued it.
    #[error("the token has another issuer")]
    Issuer,
    /// It is for others.
    #[error("the token is for another audience")]
    Audience,
    /// It is not good yet.
    #[error("the token is not valid yet")]
    NotYet,
    /// It is not good any more.
    #[error("the token has expired")]
    Expired,
}

/// Verifies access tokens: signature first, then every claim, all of them required.
///
/// It needs no private key. A service that only verifies has the public keys of the issuer and no
/// [`Issuer`](super::Issuer) of its own:
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use gabion_auth::{KeyResolver, Verifier, VerifyingKey};
/// use serde_json::json;
///
/// /// The issuer's published keys.
/// struct Published(Vec<Arc<VerifyingKey>>);
///
/// impl KeyResolver for Published {
///     fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
///         self.0.iter().find(|key| Some(key.id().as_str()) == kid).cloned()
///     }
/// }
///
/// let set = json!({ "keys": [{
///     "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "2026-a",
///     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
/// }]});
/// let keys = set["keys"].as_array().into_iter().flatten();
/// let keys: Result<Vec<_>, _> = keys.map(|jwk| VerifyingKey::from_jwk(jwk).map(Arc::new)).collect();
/// let verifier = Verifier::new(Published(keys?), "login", "reports", Duration::from_secs(30));
/// # Ok::<(), gabion_auth::InvalidJwk>(())
/// ```
pub struct Verifier {
    keys: Box<dyn KeyResolver>,
    issuer: Arc<str>,
    audience: Arc<str>,
    leeway: Duration,
    longest: Option<Duration>,
}

impl Verifier {
    /// Takes tokens of `issuer` for `audience`; clocks may differ by `leeway`.
    pub fn new(
        keys: impl KeyResolver,
        issuer: impl Into<Arc<str>>,
        audience: impl Into<Arc<str>>,
        leeway: Duration,
    ) -> Self {
        let keys = Box::new(keys);
        Self { keys, issuer: issuer.into(), audience: audience.into(), leeway, longest: None }
    }

    /// Lets no token live longer than `life` after its `iat`, whatever its `exp` says.
    ///
    /// Whoever remembers ended sessions for that long has then remembered them long enough, even
    /// for tokens that were issued under an earlier configuration.
    #[must_use]
    pub fn longest(mut self, life: Duration) -> Self {
        self.longest = Some(life);
        self
    }

    /// How far clocks may differ.
    #[must_use]
    pub fn leeway(&self) -> Duration {
        self.leeway
    }

    /// The present epoch of its keys: see [`KeyResolver::epoch`].
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.keys.epoch()
    }

    /// What `token` of an [`Issuer`](super::Issuer) says, if it is to be believed at `now`.
    ///
    /// # Errors
    ///
    /// Any deviation: see [`TokenError`].
    pub fn verify(&self, token: &str, now: UnixTime) -> Result<Claims, TokenError> {
        let payload = self.signed(token, &[ACCESS_TOKEN])?;
        let raw = RawClaims::parse(&payload).map_err(|_| TokenError::Claims)?;
        let mut claims = self.complete(raw)?;
        self.hold_to_time(&mut claims.expires_at, claims.issued_at, claims.not_before, now)?;
        Ok(claims)
    }

    /// The payload of a token of one of these types that is signed by a key of the issuer.
    pub(super) fn signed(&self, token: &str, types: &[&str]) -> Result<Vec<u8>, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        // A fourth part or any other character fails to decode, and so do padding and unused bits
        // that are set: one token has one spelling.
        let header = decode(header)?;
        let payload = decode(payload)?;
        let header = Header::parse(&header).map_err(|_| TokenError::Malformed)?;
        if !header.is_of(types) {
            return Err(TokenError::Type);
        }
        let key = self.keys.resolve(header.key.as_deref()).ok_or(TokenError::Key)?;
        if header.algorithm.as_deref() != Some(key.algorithm().as_str()) {
            return Err(TokenError::Algorithm);
        }
        if !key.verify(message, signature) {
            return Err(TokenError::Signature);
        }
        Ok(payload)
    }

    /// Whether the token is of the issuer and for us.
    pub(super) fn hold_to_names(
        &self,
        iss: Option<&Text<'_>>,
        aud: Option<&Texts<'_>>,
    ) -> Result<(), TokenError> {
        if *iss.ok_or(TokenError::Claims)?.0 != *self.issuer {
            return Err(TokenError::Issuer);
        }
        let audiences = &aud.ok_or(TokenError::Claims)?.0;
        if !audiences.iter().any(|audience| *audience.0 == *self.audience) {
            return Err(TokenError::Audience);
        }
        Ok(())
    }

    /// Shortens a life that is too long, and asks whether it goes on at `now`.
    pub(super) fn hold_to_time(
        &self,
        expires_at: &mut UnixTime,
        issued_at: UnixTime,
        not_before: UnixTime,
        now: UnixTime,
    ) -> Result<(), TokenError> {
        if let Some(life) = self.longest {
            *expires_at = (*expires_at).min(issued_at + life);
        }
        if *expires_at <= issued_at {
            return Err(TokenError::Claims);
        }
        if now + self.leeway < not_before || now + self.leeway < issued_at {
            return Err(TokenError::NotYet);
        }
        if now >= *expires_at + self.leeway {
            return Err(TokenError::Expired);
        }
        Ok(())
    }

    /// Whom it takes tokens of, and for whom.
    pub(super) fn names(&self) -> (Arc<str>, Arc<str>) {
        (Arc::clone(&self.issuer), Arc::clone(&self.audience))
    }

    fn complete(&self, raw: RawClaims<'_>) -> Result<Claims, TokenError> {
        self.hold_to_names(raw.iss.as_ref(), raw.aud.as_ref())?;
        let required =
            |text: Option<Text<'_>>| text.ok_or(TokenError::Claims).map(|text| text.0.into_owned());
        let sub = required(raw.sub)?;
        // The name must be in its one spelling, since it is compared elsewhere.
        let subject = Username::parse(&sub).ok().filter(|subject| subject.as_str() == sub);
        let identifier = |text: String| text.parse::<SessionId>().map_err(|_| TokenError::Claims);
        let issued_at = UnixTime::from_secs(raw.iat.ok_or(TokenError::Claims)?);
        let roles = raw.roles.unwrap_or_default();
        Ok(Claims {
            issuer: Arc::clone(&self.issuer),
            audience: Arc::clone(&self.audience),
            subject: subject.ok_or(TokenError::Claims)?,
            session: identifier(required(raw.sid)?)?,
            id: identifier(required(raw.jti)?)?.bits(),
            issued_at,
            not_before: UnixTime::from_secs(raw.nbf.ok_or(TokenError::Claims)?),
            expires_at: UnixTime::from_secs(raw.exp.ok_or(TokenError::Claims)?),
            roles: Roles::new(roles.iter().map(|role| &role.0)),
        })
    }
}

/// Takes UTF-8 alone (RFC 7515 §5.2): in members that are ignored the parser of JSON does not look.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok();
    bytes.filter(|bytes| std::str::from_utf8(bytes).is_ok()).ok_or(TokenError::Malformed)
}
