use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gabion_clock::UnixTime;
use serde::Serialize;

use super::SigningKeys;
use crate::{Roles, Session, SessionId};

/// Issues access tokens.
#[derive(Clone)]
pub struct Issuer {
    keys: Arc<dyn SigningKeys>,
    issuer: Arc<str>,
    audience: Arc<str>,
    ttl: Duration,
}

#[derive(Serialize)]
struct Body<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    sid: String,
    roles: Vec<&'a str>,
}

impl Issuer {
    /// Signs with the present key of `keys` (a [`SigningKey`](super::SigningKey), or a
    /// [`KeyRing`](crate::KeyRing) that rotates), in the name of `issuer`, for `audience`; each token
    /// is good for `ttl`, which is rounded up to whole seconds.
    pub fn new(
        keys: impl SigningKeys,
        issuer: impl Into<Arc<str>>,
        audience: impl Into<Arc<str>>,
        ttl: Duration,
    ) -> Self {
        let ttl = Duration::from_millis(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        let ttl = Duration::from_secs(ttl.as_millis().div_ceil(1000).max(1) as u64);
        Self { keys: Arc::new(keys), issuer: issuer.into(), audience: audience.into(), ttl }
    }

    /// How long its tokens are good.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// A token for `session` whose owner has `roles`; it never outlives the session.
    #[must_use]
    pub fn issue(&self, session: &Session, roles: &Roles, now: UnixTime) -> String {
        let iat = now.as_secs();
        let exp = iat.saturating_add(self.ttl.as_secs()).min(session.expires_at.as_secs());
        let body = Body {
            iss: &self.issuer,
            aud: &self.audience,
            sub: session.username.as_str(),
            exp: exp.max(iat + 1),
            nbf: iat,
            iat,
            jti: SessionId::random().to_string(),
            sid: session.id.to_string(),
            roles: roles.iter().collect(),
        };
        // Text, numbers and lists of text always serialise.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let key = self.keys.signing_key();
        let mut token = String::with_capacity(key.prefix().len() + body.len() * 2);
        token.push_str(key.prefix());
        URL_SAFE_NO_PAD.encode_string(body, &mut token);
        // Signing fails only when the cryptography library has no memory or no randomness; a token
        // without a signature is refused by every verifier.
        let signature = key.sign(&token).unwrap_or_default();
        token.push('.');
        token.push_str(&signature);
        token
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Issuer");
        debug.field("issuer", &self.issuer).field("audience", &self.audience);
        debug.field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
