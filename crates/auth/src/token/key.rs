use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;
use jsonwebtoken::{DecodingKey, EncodingKey, crypto};

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256 (RFC 7518 §3.2).
    Hs256,
}

impl Algorithm {
    /// Its registered name, as a token's `alg` spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
        }
    }

    const fn backend(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a key, a token's `kid`: 1 to 64 of `A-Z a-z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

/// Not the name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id has 1 to 64 characters of letters, digits, '-' and '_'")]
pub struct InvalidKeyId;

impl KeyId {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// When it is empty, too long or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyId> {
        let accepted = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(accepted) {
            return Err(InvalidKeyId);
        }
        Ok(Self(text.into()))
    }

    /// A name that follows from the secret and tells nothing of it.
    fn of_secret(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, b"gabion key id");
        Self(
            tag.as_ref()
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .into(),
        )
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A secret is too short for its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an HS256 key needs at least 32 bytes")]
pub struct WeakKey;

/// A key that signs tokens. Its bytes are wiped when the last copy is dropped.
#[derive(Clone)]
pub struct SigningKey {
    id: KeyId,
    algorithm: Algorithm,
    key: EncodingKey,
    verifying: Arc<VerifyingKey>,
}

impl SigningKey {
    /// Fewest bytes of an HS256 key (RFC 7518 §3.2).
    pub const MIN_HS256: usize = 32;

    /// A key for HS256, named after its secret; the secret must be random, never a password.
    ///
    /// # Errors
    ///
    /// When it has fewer than [`MIN_HS256`](Self::MIN_HS256) bytes.
    pub fn hs256(secret: &[u8]) -> Result<Self, WeakKey> {
        Self::hs256_named(KeyId::of_secret(secret), secret)
    }

    /// The same under a name of its own.
    ///
    /// # Errors
    ///
    /// When the secret has fewer than [`MIN_HS256`](Self::MIN_HS256) bytes.
    pub fn hs256_named(id: KeyId, secret: &[u8]) -> Result<Self, WeakKey> {
        if secret.len() < Self::MIN_HS256 {
            return Err(WeakKey);
        }
        let algorithm = Algorithm::Hs256;
        Ok(Self {
            id: id.clone(),
            algorithm,
            key: EncodingKey::from_secret(secret),
            verifying: Arc::new(VerifyingKey {
                id,
                algorithm,
                key: DecodingKey::from_secret(secret),
            }),
        })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn verifying_key(&self) -> Arc<VerifyingKey> {
        Arc::clone(&self.verifying)
    }

    /// The signature of `message` in base64url.
    pub(crate) fn sign(&self, message: &str) -> Result<String, jsonwebtoken::errors::Error> {
        crypto::sign(message.as_bytes(), &self.key, self.algorithm.backend())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SigningKey");
        debug.field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A key that verifies tokens, for exactly one algorithm. Its bytes are wiped when it is dropped.
pub struct VerifyingKey {
    id: KeyId,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl VerifyingKey {
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

    /// Whether `signature`, canonical base64url without padding, is this key's of `message`.
    pub(crate) fn verify(&self, message: &str, signature: &str) -> bool {
        let verified =
            crypto::verify(signature, message.as_bytes(), &self.key, self.algorithm.backend());
        verified.unwrap_or(false)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("VerifyingKey");
        debug.field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Finds the key that a token names.
///
/// `kid` is the sender's claim and nothing more: it is compared with known names, never used as a
/// path, a query or an address.
pub trait KeyResolver: Send + Sync + 'static {
    /// The key of that name; without a name, the only key if the resolver takes such tokens.
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>>;
}

impl<R: KeyResolver + ?Sized> KeyResolver for Arc<R> {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        (**self).resolve(kid)
    }
}
