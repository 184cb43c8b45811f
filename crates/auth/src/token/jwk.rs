//! Public keys as JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037).

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RsaPublicKeyComponents,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{Algorithm, InvalidKeyId, KeyId};

/// Not a public key that verifies access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidJwk {
    /// It is no JSON object.
    #[error("a JWK is a JSON object")]
    NotAnObject,
    /// A member is missing or not what it must be.
    #[error("the JWK's member {0} is missing or malformed")]
    Member(&'static str),
    /// Its name is none.
    #[error("the JWK's member kid is not usable")]
    KeyId(#[from] InvalidKeyId),
    /// It is of a kind or on a curve that we do not verify with.
    #[error("the JWK is neither OKP on Ed25519, nor EC on P-256, nor RSA")]
    Unsupported,
    /// It is a secret, which would let whoever reads it sign.
    #[error("the JWK is a shared secret, only public keys are taken")]
    Symmetric,
    /// It has its private half with it.
    #[error("the JWK holds a private key, only public keys are taken")]
    Private,
    /// It is for something else than signatures.
    #[error("the JWK is not for verifying signatures")]
    Use,
    /// Its `alg` is another one than its kind has here.
    #[error("the JWK's alg does not go with its kind, or is not supported")]
    Algorithm,
    /// It can be broken, or everybody can sign for it.
    #[error(
        "an RSA key needs 2048 to 8192 bits and an odd exponent from 3 to 2^33, a key on Ed25519 a \
         point of its large order"
    )]
    Weak,
    /// Its numbers are no key.
    #[error("the JWK's numbers are no key")]
    NotAKey,
}

/// The public half of a key.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Public {
    Ed25519([u8; 32]),
    /// The uncompressed point: 4, x, y.
    P256([u8; 65]),
    /// Modulus and exponent, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Public {
    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// What verifies with it, ready: its point or its modulus is looked at here and never again.
    pub(super) fn prepare(&self) -> Result<ParsedPublicKey, InvalidJwk> {
        let prepared = match self {
            Self::Ed25519(x) => ParsedPublicKey::new(&ED25519, x),
            Self::P256(point) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point),
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
        };
        prepared.map_err(|_| InvalidJwk::NotAKey)
    }

    /// The name and the key of a public JWK.
    pub(super) fn from_jwk(jwk: &Value) -> Result<(KeyId, Self), InvalidJwk> {
        let jwk = jwk.as_object().ok_or(InvalidJwk::NotAnObject)?;
        let kind = text(jwk, "kty")?;
        if kind == "oct" {
            return Err(InvalidJwk::Symmetric);
        }
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.contains_key(*name))
        {
            return Err(InvalidJwk::Private);
        }
        verifies(jwk)?;
        let id = KeyId::parse(text(jwk, "kid")?)?;
        let public = match kind {
            "OKP" if text(jwk, "crv")? == "Ed25519" => Self::ed25519(fixed(jwk, "x")?)?,
            "EC" if text(jwk, "crv")? == "P-256" => Self::p256(fixed(jwk, "x")?, fixed(jwk, "y")?),
            "RSA" => Self::rsa(number(jwk, "n")?, number(jwk, "e")?)?,
            _ => return Err(InvalidJwk::Unsupported),
        };
        match jwk.get("alg") {
            Some(alg) if alg.as_str() != Some(public.algorithm().as_str()) => {
                Err(InvalidJwk::Algorithm)
            }
            _ => Ok((id, public)),
        }
    }

    fn ed25519(x: [u8; 32]) -> Result<Self, InvalidJwk> {
        let mut y = x;
        y[31] &= 0x7f;
        if SMALL_ORDER.contains(&y) { Err(InvalidJwk::Weak) } else { Ok(Self::Ed25519(x)) }
    }

    fn p256(x: [u8; 32], y: [u8; 32]) -> Self {
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&x);
        point[33..].copy_from_slice(&y);
        Self::P256(point)
    }

    fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<Self, InvalidJwk> {
        let bits = |number: &[u8]| {
            number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
        };
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        let sound = (2048..=8192).contains(&bits(&n)) && (2..=33).contains(&bits(&e));
        if sound && odd(&n) && odd(&e) { Ok(Self::Rsa { n, e }) } else { Err(InvalidJwk::Weak) }
    }

    /// Its members, `kty` among them.
    fn members(&self) -> Value {
        match self {
            Self::Ed25519(x) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(x) }),
            Self::P256(point) => json!({
                "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]),
            }),
            Self::Rsa { n, e } => json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }),
        }
    }

    pub(super) fn to_jwk(&self, id: &KeyId) -> Value {
        let mut jwk = self.members();
        jwk["kid"] = id.as_str().into();
        jwk["alg"] = self.algorithm().as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The name that follows from the key (RFC 7638): every implementation finds the same one.
    pub(super) fn thumbprint(&self) -> KeyId {
        // The required members in lexicographic order, without any space (§3.3).
        let canonical = match self {
            Self::Ed25519(x) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x))
            }
            Self::P256(point) => format!(
                r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                encode(&point[1..33]),
                encode(&point[33..])
            ),
            Self::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n))
            }
        };
        KeyId::of_thumbprint(encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref()))
    }
}

/// Whether its owner lets it verify signatures (RFC 7517 §4.2, §4.3).
fn verifies(jwk: &Map<String, Value>) -> Result<(), InvalidJwk> {
    if jwk.get("use").is_some_and(|name| name != "sig") {
        return Err(InvalidJwk::Use);
    }
    let may = |list: &Value| {
        list.as_array().is_some_and(|list| list.iter().any(|operation| operation == "verify"))
    };
    if jwk.get("key_ops").is_some_and(|list| !may(list)) {
        return Err(InvalidJwk::Use);
    }
    Ok(())
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, InvalidJwk> {
    jwk.get(name).and_then(Value::as_str).ok_or(InvalidJwk::Member(name))
}

fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, InvalidJwk> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).map_err(|_| InvalidJwk::Member(name))
}

/// A coordinate has its full length, also with leading zeros (RFC 7518 §6.2.1.2).
fn fixed(jwk: &Map<String, Value>, name: &'static str) -> Result<[u8; 32], InvalidJwk> {
    bytes(jwk, name)?.try_into().map_err(|_| InvalidJwk::Member(name))
}

/// A number has no leading zeros (RFC 7518 §2); some issuers send one all the same.
fn number(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, InvalidJwk> {
    let mut number = bytes(jwk, name)?;
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    Ok(number)
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The points on Ed25519 of order 1, 2, 4 and 8 without their sign. Under such a key, which no secret
/// makes, anybody's signatures verify; RFC 8032 leaves refusing it to us. A point that is spelled in another
/// way verifies nothing.
pub(super) const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    spelled(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    // One below the field's prime.
    spelled(0xec, 0xff, 0x7f),
];

const fn spelled(first: u8, rest: u8, last: u8) -> [u8; 32] {
    let mut y = [rest; 32];
    y[0] = first;
    y[31] = last;
    y
}
