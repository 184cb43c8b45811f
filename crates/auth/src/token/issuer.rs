use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gabion_clock::UnixTime;
use serde::Serialize;

use super::SigningKey;
use crate::{Roles, Session, SessionId};

/// Issues access tokens.
#[derive(Debug, Clone)]
pub struct Issuer {
    key: SigningKey,
    /// The encoded header with its dot: the same for each token.
    prefix: String,
    issuer: Arc<str>,
    audience: Arc<str>,
    ttl: Duration,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
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
    /// Signs with `key`, in the name of `issuer`, for `audience`; each token is good for `ttl`,
    /// which is rounded up to whole seconds.
    pub fn new(
        key: SigningKey,
        issuer: impl Into<Arc<str>>,
        audience: impl Into<Arc<str>>,
        ttl: Duration,
    ) -> Self {
        let header =
            Header { alg: key.algorithm().as_str(), kid: key.id().as_str(), typ: "at+jwt" };
        let prefix = encode(&header) + ".";
        let ttl = Duration::from_millis(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        let ttl = Duration::from_secs(ttl.as_millis().div_ceil(1000).max(1) as u64);
        Self { key, prefix, issuer: issuer.into(), audience: audience.into(), ttl }
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
        let mut token = self.prefix.clone() + &encode(&body);
        // Signing fails only for a key of another family than its algorithm, which no constructor
        // of `SigningKey` makes; a token without a signature is refused by every verifier.
        let signature = self.key.sign(&token).unwrap_or_default();
        token.push('.');
        token.push_str(&signature);
        token
    }
}

fn encode(part: &impl Serialize) -> String {
    // Text, numbers and lists of text always serialise.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).unwrap_or_default())
}
