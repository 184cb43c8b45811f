//! What the files of keys say.

use std::{borrow::Cow, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gabion_clock::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::{Zeroize, Zeroizing};

use super::{
    KeyRing,
    keys::{Half, Keys, Older, Signer},
};
use crate::token::{Algorithm, KeyId, SigningKey, VerifyingKey};

/// What is wrong with a file; never a piece of it.
pub(super) type Problem = Cow<'static, str>;

/// A secret in a file of its own.
pub(super) struct Secret {
    pub(super) id: Option<KeyId>,
    pub(super) created_at: Option<UnixTime>,
    pub(super) secret: Zeroizing<Vec<u8>>,
}

/// A private JWK set.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    keys: Vec<Jwk>,
}

/// A JSON Web Key, with the time of its making as `iat`. A secret is in `k` (RFC 7518 §6.4); a key pair
/// has its public members and, while it signs, its PKCS#8 document in `pkcs8`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    /// Unless it signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    verifies_until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<Hidden>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pkcs8: Option<Hidden>,
}

/// A secret in base64url, wiped when dropped.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Hidden(String);

impl Hidden {
    fn new(secret: &[u8]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(secret))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

const NO_JSON: &str = "is not readable as a JSON Web Key";

pub(super) fn secret_json(secret: &[u8], made: UnixTime) -> Result<Zeroizing<Vec<u8>>, Problem> {
    json_of(&Jwk {
        kty: "oct".into(),
        alg: Algorithm::Hs256.to_string(),
        iat: Some(made.as_secs()),
        k: Some(Hidden::new(secret)),
        ..Jwk::default()
    })
}

pub(super) fn secret(json: &[u8]) -> Result<Secret, Problem> {
    // The parser's own message may quote the file.
    let jwk: Jwk = serde_json::from_slice(json).map_err(|_| NO_JSON)?;
    if jwk.kty != "oct" || jwk.alg != Algorithm::Hs256.as_str() {
        return Err("is not a key for HS256".into());
    }
    let id = jwk.kid.as_deref().map(name).transpose()?;
    Ok(Secret { id, created_at: jwk.iat.map(UnixTime::from_secs), secret: bytes(jwk.k.as_ref())? })
}

pub(super) fn ring_json(keys: &Keys) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut set = Set { keys: Vec::new() };
    for older in &keys.older {
        let mut jwk = match &older.half {
            Half::Secret(key) => Jwk::private(key)?,
            Half::Public(key) => Jwk::public(key),
        };
        jwk.iat = older.created_at.map(UnixTime::as_secs);
        jwk.verifies_until = Some(older.until.as_secs());
        set.keys.push(jwk);
    }
    let mut jwk = Jwk::private(&keys.signer.key)?;
    jwk.iat = keys.signer.created_at.map(UnixTime::as_secs);
    set.keys.push(jwk);
    json_of(&set)
}

/// Keys of distinct names, of which exactly one signs.
pub(super) fn ring(json: &[u8]) -> Result<Keys, Problem> {
    let set: Set = serde_json::from_slice(json).map_err(|_| "is not a readable JWK set")?;
    if set.keys.len() > KeyRing::MAX_KEYS {
        return Err(format!("has more than {} keys", KeyRing::MAX_KEYS).into());
    }
    let (mut signer, mut older) = (None, Vec::new());
    let mut seen: Vec<&str> = Vec::new();
    for jwk in &set.keys {
        let kid = jwk.kid.as_deref().ok_or("has a key without a kid")?;
        if seen.contains(&kid) {
            return Err("has two keys of one kid".into());
        }
        seen.push(kid);
        let id = name(kid)?;
        let told = |problem: &str| Problem::from(format!("has a key {id} that {problem}"));
        let created_at = jwk.iat.map(UnixTime::from_secs);
        match jwk.verifies_until {
            None if signer.is_some() => return Err("has two keys without verifies_until".into()),
            None => signer = Some(Signer { key: jwk.whole(&id).map_err(told)?, created_at }),
            Some(until) => {
                let until = UnixTime::from_secs(until);
                older.push(Older { half: jwk.half(&id).map_err(told)?, created_at, until });
            }
        }
    }
    let signer = signer.ok_or("has no key without verifies_until, which would sign")?;
    Ok(Keys { signer, older })
}

impl Jwk {
    fn public(key: &VerifyingKey) -> Self {
        let jwk = key.to_jwk().unwrap_or_default();
        let text = |name: &str| jwk[name].as_str().map(str::to_owned);
        Self {
            kty: text("kty").unwrap_or_else(|| "oct".to_owned()),
            alg: key.algorithm().to_string(),
            kid: Some(key.id().to_string()),
            usage: text("use"),
            crv: text("crv"),
            x: text("x"),
            y: text("y"),
            n: text("n"),
            e: text("e"),
            ..Self::default()
        }
    }

    fn private(key: &SigningKey) -> Result<Self, Problem> {
        let mut jwk = Self::public(&key.verifying_key());
        let secret =
            key.secret().map_err(|_| "cannot be written: a key does not let itself be read")?;
        let secret = Some(Hidden::new(&secret));
        match key.algorithm() {
            Algorithm::Hs256 => jwk.k = secret,
            _ => jwk.pkcs8 = secret,
        }
        Ok(jwk)
    }

    /// A key that signs.
    fn whole(&self, id: &KeyId) -> Result<SigningKey, &'static str> {
        let algorithm: Algorithm = self.alg.parse().map_err(|_| "is for no algorithm we know")?;
        if algorithm == Algorithm::Hs256 {
            if self.kty != "oct" {
                return Err("is for HS256 and no secret");
            }
            let secret = bytes(self.k.as_ref()).map_err(|_| "has no base64url in k")?;
            let key = SigningKey::hs256_named(id.clone(), &secret);
            return key.map_err(|_| "is shorter than the 32 bytes of HS256");
        }
        let document = bytes(self.pkcs8.as_ref()).map_err(|_| "has no base64url in pkcs8")?;
        let key = SigningKey::from_pkcs8_named(id.clone(), algorithm, &document)
            .map_err(|_| "has no PKCS#8 document of its algorithm in pkcs8")?;
        // Two truths in one file: whichever is wrong, somebody would verify with the other.
        if key.verifying_key().to_jwk() != Some(self.published()) {
            return Err("has public members that are not its private key's");
        }
        Ok(key)
    }

    /// As much of a key as it takes to verify.
    fn half(&self, id: &KeyId) -> Result<Half, &'static str> {
        if self.alg == Algorithm::Hs256.as_str() {
            return self.whole(id).map(Half::Secret);
        }
        let key = VerifyingKey::from_jwk(&self.published());
        let key = key.map_err(|_| "is not a public key of its algorithm")?;
        Ok(Half::Public(Arc::new(key)))
    }

    /// Its public members.
    fn published(&self) -> Value {
        let mut jwk = json!({ "kty": self.kty, "alg": self.alg, "kid": self.kid });
        let rest =
            [("crv", &self.crv), ("x", &self.x), ("y", &self.y), ("n", &self.n), ("e", &self.e)];
        for (name, value) in rest.into_iter().chain([("use", &self.usage)]) {
            if let Some(value) = value {
                jwk[name] = value.as_str().into();
            }
        }
        jwk
    }
}

/// The name of a key of ours, which also stands in paths.
fn name(kid: &str) -> Result<KeyId, Problem> {
    let safe =
        kid.len() <= 64 && kid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let parsed = KeyId::parse(kid).ok().filter(|_| safe);
    parsed.ok_or_else(|| "has a kid that is not 1 to 64 letters, digits, '-' and '_'".into())
}

fn bytes(text: Option<&Hidden>) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let decoded = text.and_then(|text| URL_SAFE_NO_PAD.decode(&text.0).ok());
    Ok(Zeroizing::new(decoded.ok_or("has a secret that is not base64url")?))
}

fn json_of(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, Problem> {
    // As large as most rings: a vector that grows leaves copies behind.
    let mut json = Zeroizing::new(Vec::with_capacity(64 * 1024));
    serde_json::to_writer_pretty(&mut *json, value).map_err(|_| "cannot be written")?;
    json.push(b'\n');
    Ok(json)
}
