//! Access tokens: nothing panics, no token is taken that was not issued, and a right signature over
//! anything else than the right claims is not enough.
//!
//! An input of one line is a token; of two lines, header and claims that are signed as they are.

#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use gabion_auth::{KeyId, KeyResolver, SigningKey, Verifier, VerifyingKey};
use gabion_clock::UnixTime;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LEEWAY: Duration = Duration::from_secs(30);
const SECRET: [u8; 32] = [7; 32];

/// What the issuer writes, with identifiers that are the same in each process.
const HEADER: &[u8] = br#"{"alg":"HS256","kid":"k1","typ":"at+jwt"}"#;
const CLAIMS: &[u8] = br#"{"iss":"gabion","aud":"gabion","sub":"ann","exp":1800003600,"nbf":1800000000,"iat":1800000000,"jti":"00000000000000000000000000000001","sid":"00000000000000000000000000000002","roles":["user"]}"#;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let id = KeyId::parse("k1").expect("a name");
    SigningKey::hs256_named(id, &SECRET).expect("32 bytes are enough")
});
static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Verifier::new(One(KEY.verifying_key()), "gabion", "gabion", LEEWAY));
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let token = signed(HEADER, CLAIMS);
    assert!(VERIFIER.verify(&token, NOW).is_ok());
    token
});

struct One(Arc<VerifyingKey>);

impl KeyResolver for One {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        (kid? == self.0.id().as_str()).then(|| Arc::clone(&self.0))
    }
}

fuzz_target!(|input: &[u8]| {
    let cut = input.iter().position(|byte| *byte == b'\n');
    let Some((header, claims)) = cut.and_then(|at| input.split_at_checked(at)) else {
        // What is not UTF-8 never gets as far as a token.
        let Ok(token) = str::from_utf8(input) else { return };
        assert_eq!(VERIFIER.verify(token, NOW).is_ok(), token == *GOOD, "{token}");
        return;
    };
    let claims = &claims[1..];
    if VERIFIER.verify(&signed(header, claims), NOW).is_ok() {
        must_be_right(header, claims);
    }
});

/// What an accepted token says, read by another parser.
fn must_be_right(header: &[u8], claims: &[u8]) {
    let header: Value = serde_json::from_slice(header).expect("the header is JSON");
    assert_eq!((&header["alg"], &header["kid"]), (&"HS256".into(), &"k1".into()));
    assert!(header.get("crit").is_none());
    let claims: Value = serde_json::from_slice(claims).expect("the claims are JSON");
    assert_eq!(claims["iss"], "gabion");
    let audience = &claims["aud"];
    let listed = audience.as_array().is_some_and(|list| list.iter().any(|one| one == "gabion"));
    assert!(audience == "gabion" || listed);
    let seconds = |name: &str| claims[name].as_u64().expect("times are whole seconds");
    let (now, leeway) = (NOW.as_secs(), LEEWAY.as_secs());
    assert!(seconds("exp") > seconds("iat") && now < seconds("exp") + leeway);
    assert!(seconds("nbf") <= now + leeway && seconds("iat") <= now + leeway);
    for name in ["sub", "sid", "jti"] {
        assert!(!claims[name].as_str().expect("identifiers are text").is_empty());
    }
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", base64url(header), base64url(claims));
    let key = EncodingKey::from_secret(&SECRET);
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("signs");
    format!("{message}.{signature}")
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
