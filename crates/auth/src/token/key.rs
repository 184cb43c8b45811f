use std::{fmt, sync::Arc};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    error::Unspecified,
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaPublicKeyComponents,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Algorithm, KeyId, VerifyingKey, jwk::Public};

/// A secret is too short for its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an HS256 key needs at least 32 bytes")]
pub struct WeakKey;

/// Not a private key that signs access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// It is not PKCS#8 in DER without encryption, or of another kind, or inconsistent, or too weak.
    #[error("not an unencrypted PKCS#8 document (DER) with {}", wanted(*.0))]
    Pkcs8(Algorithm),
    /// The cryptography library made none.
    #[error("a new key could not be made")]
    Generate,
}

fn wanted(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Hs256 => "a shared secret, which no such document holds",
        Algorithm::EdDsa => "a private key on Ed25519",
        Algorithm::Es256 => "a private key on P-256",
        Algorithm::Rs256 => "a private RSA key of 2048 to 8192 bits",
    }
}

/// A key that signs tokens. Clones share it.
///
/// It is parsed once and not for each token. When the last clone is dropped its bytes are wiped: the
/// copies that we keep by [`zeroize`], those inside of AWS-LC by AWS-LC, which wipes whatever it frees.
/// What was on a stack or in the hands of the allocator of whoever called us we cannot wipe.
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    signer: Signer,
    verifying: Arc<VerifyingKey>,
    /// The encoded header of its tokens with the dot: the same for each.
    prefix: Box<str>,
}

enum Signer {
    Hs256 { key: Box<hmac::Key>, secret: Zeroizing<Vec<u8>> },
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(rsa::KeyPair),
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

impl SigningKey {
    /// Fewest bytes of an HS256 key (RFC 7518 §3.2).
    pub const MIN_HS256: usize = 32;

    /// A new random key: 256 bits for HS256, a key pair for the others, RSA of 2048 bits. Its name
    /// follows from it; for a key pair it is the thumbprint of RFC 7638.
    ///
    /// An RSA key takes a tenth of a second and sometimes a whole one.
    ///
    /// # Errors
    ///
    /// When the cryptography library cannot make one.
    pub fn generate(algorithm: Algorithm) -> Result<Self, InvalidKey> {
        let signer = match algorithm {
            Algorithm::Hs256 => {
                let mut secret = Zeroizing::new(vec![0; Self::MIN_HS256]);
                rand::fill(&mut secret[..]);
                return Self::hs256(&secret).map_err(|_| InvalidKey::Generate);
            }
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Signer::EdDsa),
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Signer::Es256)
            }
            Algorithm::Rs256 => rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map(Signer::Rs256),
        };
        let signer = signer.map_err(|_| InvalidKey::Generate)?;
        Self::of_pair(None, signer).ok_or(InvalidKey::Generate)
    }

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
        let key = Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret));
        let verifying = VerifyingKey::of_secret(id, key.clone());
        Ok(Self::new(Signer::Hs256 { key, secret: Zeroizing::new(secret.to_vec()) }, verifying))
    }

    /// The private key of an unencrypted PKCS#8 document (RFC 5958) in DER, named by its thumbprint
    /// (RFC 7638).
    ///
    /// `openssl pkcs8 -topk8 -nocrypt -outform DER -in key.pem` makes one of most other forms.
    ///
    /// # Errors
    ///
    /// When the document is of another kind than `algorithm` needs, damaged, or holds an RSA key of
    /// fewer than 2048 bits; always for HS256.
    pub fn from_pkcs8(algorithm: Algorithm, document: &[u8]) -> Result<Self, InvalidKey> {
        Self::read_pkcs8(None, algorithm, document)
    }

    /// The same under a name of its own.
    ///
    /// # Errors
    ///
    /// As [`from_pkcs8`](Self::from_pkcs8).
    pub fn from_pkcs8_named(
        id: KeyId,
        algorithm: Algorithm,
        document: &[u8],
    ) -> Result<Self, InvalidKey> {
        Self::read_pkcs8(Some(id), algorithm, document)
    }

    fn read_pkcs8(
        id: Option<KeyId>,
        algorithm: Algorithm,
        document: &[u8],
    ) -> Result<Self, InvalidKey> {
        let invalid = InvalidKey::Pkcs8(algorithm);
        let signer = match algorithm {
            Algorithm::Hs256 => return Err(invalid),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(document).map(Signer::EdDsa),
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document)
                    .map(Signer::Es256)
            }
            Algorithm::Rs256 => rsa::KeyPair::from_pkcs8(document).map(Signer::Rs256),
        };
        Self::of_pair(id, signer.map_err(|_| invalid)?).ok_or(invalid)
    }

    /// `None` for what is no key pair.
    fn of_pair(id: Option<KeyId>, signer: Signer) -> Option<Self> {
        let public = signer.public()?;
        let id = id.unwrap_or_else(|| public.thumbprint());
        let verifying = VerifyingKey::of_public(id, public).ok()?;
        Some(Self::new(signer, verifying))
    }

    fn new(signer: Signer, verifying: VerifyingKey) -> Self {
        let (alg, kid) = (verifying.algorithm().as_str(), verifying.id().as_str());
        // Three texts always serialise.
        let header = serde_json::to_vec(&Header { alg, kid, typ: "at+jwt" }).unwrap_or_default();
        let prefix = (URL_SAFE_NO_PAD.encode(header) + ".").into();
        Self(Arc::new(Inner { signer, verifying: Arc::new(verifying), prefix }))
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        self.0.verifying.id()
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.verifying.algorithm()
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn verifying_key(&self) -> Arc<VerifyingKey> {
        Arc::clone(&self.0.verifying)
    }

    /// What each of its tokens begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// The signature of `message` in base64url.
    pub(crate) fn sign(&self, message: &str) -> Result<String, Unspecified> {
        self.0.signer.sign(message.as_bytes())
    }

    /// What it can be made of again: the secret of HS256, or a PKCS#8 document.
    pub(crate) fn secret(&self) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let document = match &self.0.signer {
            Signer::Hs256 { secret, .. } => return Ok(secret.clone()),
            Signer::EdDsa(pair) => pair.to_pkcs8v1()?,
            Signer::Es256(pair) => pair.to_pkcs8v1()?,
            Signer::Rs256(pair) => {
                let document: Pkcs8V1Der<'_> = pair.as_der()?;
                return Ok(Zeroizing::new(document.as_ref().to_vec()));
            }
        };
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }
}

impl Signer {
    fn public(&self) -> Option<Public> {
        Some(match self {
            Self::Hs256 { .. } => return None,
            Self::EdDsa(pair) => Public::Ed25519(pair.public_key().as_ref().try_into().ok()?),
            Self::Es256(pair) => Public::P256(pair.public_key().as_ref().try_into().ok()?),
            Self::Rs256(pair) => {
                let RsaPublicKeyComponents { n, e } = pair.public_key().into();
                Public::Rsa { n, e }
            }
        })
    }

    fn sign(&self, message: &[u8]) -> Result<String, Unspecified> {
        // AWS-LC has a generator of its own and takes none of the caller's.
        let unused = SystemRandom::new();
        Ok(match self {
            Self::Hs256 { key, .. } => URL_SAFE_NO_PAD.encode(hmac::sign(key, message)),
            Self::EdDsa(pair) => URL_SAFE_NO_PAD.encode(pair.try_sign(message)?),
            Self::Es256(pair) => URL_SAFE_NO_PAD.encode(pair.sign(&unused, message)?),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &unused, message, &mut signature)?;
                URL_SAFE_NO_PAD.encode(signature)
            }
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SigningKey");
        debug.field("id", self.id()).field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}
