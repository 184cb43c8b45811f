use std::fmt;

use aws_lc_rs::{error::Unspecified, hmac, signature::ParsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{Algorithm, InvalidJwk, KeyId, jwk::Public};

/// A key that verifies tokens, for exactly one algorithm. It is parsed once, not for each token, and
/// its bytes are wiped when it is dropped.
pub struct VerifyingKey {
    id: KeyId,
    algorithm: Algorithm,
    check: Check,
}

enum Check {
    Secret(Box<hmac::Key>),
    Public { key: ParsedPublicKey, public: Public },
}

impl VerifyingKey {
    /// The key of a public JSON Web Key, as a JWK set publishes it (RFC 7517): `OKP` on Ed25519 for
    /// `EdDSA`, `EC` on P-256 for `ES256`, `RSA` of 2048 to 8192 bits for `RS256`.
    ///
    /// `kid` is required. `use`, `key_ops` and `alg` may be missing and are held to where they are
    /// there; other members are ignored, certificates among them. Secrets and private keys are
    /// refused: what holds one is no published key.
    ///
    /// # Errors
    ///
    /// See [`InvalidJwk`].
    pub fn from_jwk(jwk: &Value) -> Result<Self, InvalidJwk> {
        let (id, public) = Public::from_jwk(jwk)?;
        Self::of_public(id, public)
    }

    pub(super) fn of_public(id: KeyId, public: Public) -> Result<Self, InvalidJwk> {
        let (algorithm, key) = (public.algorithm(), public.prepare()?);
        Ok(Self { id, algorithm, check: Check::Public { key, public } })
    }

    pub(super) fn of_secret(id: KeyId, key: Box<hmac::Key>) -> Self {
        Self { id, algorithm: Algorithm::Hs256, check: Check::Secret(key) }
    }

    /// Itself as a JSON Web Key with `kid`, `alg` and `use`; `None` for HS256, which has no public
    /// half.
    #[must_use]
    pub fn to_jwk(&self) -> Option<Value> {
        match &self.check {
            Check::Secret(_) => None,
            Check::Public { public, .. } => Some(public.to_jwk(&self.id)),
        }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The only algorithm whose signatures it takes.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether it takes what `other` takes, under the same name.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let same = match (&self.check, &other.check) {
            // A context does not let itself be compared, what it makes does.
            (Check::Secret(own), Check::Secret(other)) => {
                hmac::verify(own, b"", hmac::sign(other, b"").as_ref()).is_ok()
            }
            (Check::Public { public: own, .. }, Check::Public { public: other, .. }) => {
                own == other
            }
            _ => false,
        };
        same && self.id == other.id
    }

    /// Whether `signature`, canonical base64url without padding, is this key's of `message`.
    pub(crate) fn verify(&self, message: &str, signature: &str) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let verified: Result<(), Unspecified> = match &self.check {
            // In constant time.
            Check::Secret(key) => hmac::verify(key, message.as_bytes(), &signature),
            Check::Public { key, .. } => key.verify_sig(message.as_bytes(), &signature),
        };
        verified.is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("VerifyingKey");
        debug.field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
