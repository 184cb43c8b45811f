//! Access tokens of every algorithm: nothing panics, no token is taken that was not issued, and a right
//! signature over anything else than the right claims is not enough.
//!
//! An input of one line is a token. Of two lines, it is header and claims that are signed as they are, by
//! the key that the header names. What begins with the line `jwk` is a public key of somebody else.

#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use gabion_auth::{
    Algorithm, KeyId, KeyResolver, OutsideVerifier, SigningKey, Verifier, VerifyingKey,
};
use gabion_clock::UnixTime;
use jsonwebtoken::{EncodingKey, crypto};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LEEWAY: Duration = Duration::from_secs(30);
const SECRET: [u8; 32] = [7; 32];
const ED25519: &[u8] = include_bytes!("keys/ed25519.pk8");
const P256: &[u8] = include_bytes!("keys/p256.pk8");
const RSA: &[u8] = include_bytes!("keys/rsa2048.pk8");

/// What the issuer writes, with identifiers that are the same in each process.
const CLAIMS: &[u8] = br#"{"iss":"gabion","aud":"gabion","sub":"ann","exp":1800003600,"nbf":1800000000,"iat":1800000000,"jti":"00000000000000000000000000000001","sid":"00000000000000000000000000000002","roles":["user"]}"#;

/// A key of ours, and the same for the other implementation that signs here.
struct Key {
    ours: SigningKey,
    theirs: EncodingKey,
    /// A token that must be taken.
    good: String,
}

impl Key {
    fn header(&self) -> String {
        let (alg, kid) = (self.ours.algorithm(), self.ours.id());
        format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt"}}"#)
    }

    /// Whether it made `token`, as far as that can be told without verifying it: an ES256 signature is
    /// another one each time.
    fn made(&self, token: &str) -> bool {
        if self.ours.algorithm() != Algorithm::Es256 {
            return token == self.good;
        }
        let parts = |token: &str| token.rsplit_once('.').map(|(message, _)| message.to_owned());
        parts(token) == parts(&self.good) && VERIFIER.verify(token, NOW).is_ok()
    }

    fn signed(&self, header: &[u8], claims: &[u8]) -> String {
        let message = format!("{}.{}", base64url(header), base64url(claims));
        let algorithm = self.ours.algorithm().as_str().parse().expect("a registered name");
        let signature = crypto::sign(message.as_bytes(), &self.theirs, algorithm).expect("signs");
        format!("{message}.{signature}")
    }
}

static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let id = |number: usize| KeyId::parse(&format!("k{number}")).expect("a name");
    let pair = |number, algorithm, document| {
        SigningKey::from_pkcs8_named(id(number), algorithm, document).expect("a key")
    };
    let keys = [
        (
            SigningKey::hs256_named(id(1), &SECRET).expect("32 bytes are enough"),
            EncodingKey::from_secret(&SECRET),
        ),
        (pair(2, Algorithm::EdDsa, ED25519), EncodingKey::from_ed_der(ED25519)),
        (pair(3, Algorithm::Es256, P256), EncodingKey::from_ec_der(P256)),
        // The RSAPrivateKey (RFC 8017 §A.1.2) inside.
        (pair(4, Algorithm::Rs256, RSA), EncodingKey::from_rsa_der(&RSA[26..])),
    ];
    let keys = keys.into_iter().map(|(ours, theirs)| {
        let mut key = Key { ours, theirs, good: String::new() };
        key.good = key.signed(key.header().as_bytes(), CLAIMS);
        key
    });
    keys.collect()
});

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let verifier = Verifier::new(Ring, "gabion", "gabion", LEEWAY);
    for key in KEYS.iter() {
        verifier.verify(&key.good, NOW).expect("a good token");
    }
    verifier
});

static OUTSIDE: LazyLock<OutsideVerifier> =
    LazyLock::new(|| OutsideVerifier::new(Ring, "gabion", "gabion", LEEWAY));

struct Ring;

impl KeyResolver for Ring {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        let key = KEYS.iter().find(|key| Some(key.ours.id().as_str()) == kid)?;
        Some(key.ours.verifying_key())
    }
}

fuzz_target!(|input: &[u8]| {
    if let Some(jwk) = input.strip_prefix(b"jwk\n") {
        return public_key(jwk);
    }
    let cut = input.iter().position(|byte| *byte == b'\n');
    let Some((header, claims)) = cut.and_then(|at| input.split_at_checked(at)) else {
        // What is not UTF-8 never gets as far as a token.
        let Ok(token) = str::from_utf8(input) else { return };
        assert_eq!(VERIFIER.verify(token, NOW).is_ok(), KEYS.iter().any(|key| key.made(token)));
        return;
    };
    let claims = &claims[1..];
    // An RSA signature takes a thousand times as long as a MAC: no key signs that is not named.
    let named = |key: &&Key| header.windows(2).any(|two| two == key.ours.id().as_str().as_bytes());
    for key in KEYS.iter().take(1).chain(KEYS.iter().skip(1).find(named)) {
        let token = key.signed(header, claims);
        let outside = OUTSIDE.verify(&token, NOW).is_ok();
        if outside {
            must_be_right(key, header, claims, &["sub", "jti"], &["exp", "iat"]);
        }
        if VERIFIER.verify(&token, NOW).is_ok() {
            let times = ["exp", "iat", "nbf"];
            must_be_right(key, header, claims, &["sub", "jti", "sid"], &times);
            assert!(outside, "ours has every claim of another issuer's");
        }
    }
});

/// What an accepted token says, read by another parser.
fn must_be_right(key: &Key, header: &[u8], claims: &[u8], texts: &[&str], times: &[&str]) {
    let header: Value = serde_json::from_slice(header).expect("the header is JSON");
    let (alg, kid) = (key.ours.algorithm().as_str(), key.ours.id().as_str());
    assert_eq!((&header["alg"], &header["kid"]), (&alg.into(), &kid.into()));
    assert!(header.get("crit").is_none());
    let claims: Value = serde_json::from_slice(claims).expect("the claims are JSON");
    assert_eq!(claims["iss"], "gabion");
    let audience = &claims["aud"];
    let listed = audience.as_array().is_some_and(|list| list.iter().any(|one| one == "gabion"));
    assert!(audience == "gabion" || listed);
    let seconds = |name: &str| claims[name].as_u64().expect("times are whole seconds");
    let (now, leeway) = (NOW.as_secs(), LEEWAY.as_secs());
    assert!(seconds("exp") > seconds("iat") && now < seconds("exp") + leeway);
    for name in times.iter().filter(|name| **name != "exp") {
        assert!(seconds(name) <= now + leeway);
    }
    for name in texts.iter().copied() {
        assert!(!claims[name].as_str().expect("identifiers are text").is_empty());
    }
}

/// A key that is taken says what it is, and holds no secret.
fn public_key(jwk: &[u8]) {
    let Ok(jwk) = serde_json::from_slice::<Value>(jwk) else { return };
    let Ok(key) = VerifyingKey::from_jwk(&jwk) else { return };
    assert!(jwk["kty"] != "oct" && jwk.get("d").is_none() && jwk.get("k").is_none());
    assert!(jwk.get("alg").is_none_or(|alg| *alg == key.algorithm().as_str()));
    let published = key.to_jwk().expect("a public key");
    let again = VerifyingKey::from_jwk(&published).expect("its own form");
    assert_eq!((again.id(), again.to_jwk()), (key.id(), Some(published)));
}

/// Written again, so that no code is judged by itself.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0, |bits: u32, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}
