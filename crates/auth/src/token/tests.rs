//! Every way a token can be wrong, and the one way in which it is right.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gabion_clock::UnixTime;
use serde_json::{Value, json};

use super::*;
use crate::{KeyRing, RefreshTokens, Roles, Session, SessionId, Username};

mod algorithms;
mod cache;
mod header;
mod jwk;
mod outside;
mod property;

const SECRET: [u8; 32] = [7; 32];
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const NOW_SECS: u64 = 1_800_000_000;

/// Resolves the one key, also for tokens that name none.
struct Only(SigningKey);

impl KeyResolver for Only {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        let known = kid.is_none_or(|kid| kid == self.0.id().as_str());
        known.then(|| self.0.verifying_key())
    }
}

fn key() -> SigningKey {
    SigningKey::hs256_named(KeyId::parse("k1").unwrap(), &SECRET).unwrap()
}

fn verifier() -> Verifier {
    Verifier::new(Only(key()), "gabion", "gabion", Duration::from_secs(30))
}

fn session() -> Session {
    Session {
        id: SessionId::from_bits(0xabc),
        username: Username::parse("ann").unwrap(),
        generation: 0,
        created_at: NOW,
        refreshed_at: NOW,
        expires_at: NOW + Duration::from_secs(86_400),
        address: String::new(),
    }
}

fn issuer(ttl: u64) -> Issuer {
    Issuer::new(key(), "gabion", "gabion", Duration::from_secs(ttl))
}

fn header() -> Value {
    json!({ "alg": "HS256", "kid": "k1", "typ": "at+jwt" })
}

fn claims() -> Value {
    json!({
        "iss": "gabion", "aud": "gabion", "sub": "ann", "exp": NOW_SECS + 3600, "nbf": NOW_SECS,
        "iat": NOW_SECS, "jti": "0".repeat(32), "sid": "1".repeat(32), "roles": ["user"],
    })
}

/// A token with a right signature over whatever is in it.
fn signed(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = key().sign(&message).unwrap();
    format!("{message}.{signature}")
}

fn with_header(changes: Value) -> String {
    signed(&merged(header(), changes), &claims().to_string())
}

fn with_claims(changes: Value) -> String {
    signed(&header().to_string(), &merged(claims(), changes))
}

fn merged(mut base: Value, changes: Value) -> String {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    base.as_object_mut().unwrap().extend(changes);
    base.to_string()
}

fn without(mut base: Value, member: &str) -> String {
    base.as_object_mut().unwrap().remove(member).unwrap();
    base.to_string()
}

fn verify(token: &str) -> Result<Claims, TokenError> {
    verifier().verify(token, NOW)
}

#[test]
fn what_is_issued_verifies_and_says_what_was_put_in() {
    let token = issuer(3600).issue(&session(), &Roles::new(["user", "admin"]), NOW);
    let claims = verify(&token).unwrap();
    assert_eq!(claims.subject.as_str(), "ann");
    assert_eq!(claims.session, SessionId::from_bits(0xabc));
    assert_eq!(claims.roles, Roles::new(["admin", "user"]));
    assert_eq!((claims.issued_at, claims.not_before), (NOW, NOW));
    assert_eq!(claims.expires_at, NOW + Duration::from_secs(3600));
}

// RFC 9068 s2
#[test]
fn what_is_issued_has_the_registered_form() {
    let token = issuer(60).issue(&session(), &Roles::default(), NOW);
    let parts: Vec<Value> = token
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts[0], header());
    let mut names: Vec<_> = parts[1].as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "nbf", "roles", "sid", "sub"]);
}

// ASVS 7.2.4
#[test]
fn two_tokens_of_one_session_differ() {
    let issuer = issuer(60);
    let token = || issuer.issue(&session(), &Roles::default(), NOW);
    assert_ne!(verify(&token()).unwrap().id, verify(&token()).unwrap().id);
}

#[test]
fn a_token_never_outlives_its_session() {
    let ends = NOW + Duration::from_secs(100);
    let session = Session { expires_at: ends, ..session() };
    let token = issuer(3600).issue(&session, &Roles::default(), NOW);
    assert_eq!(verify(&token).unwrap().expires_at, ends);
}

#[test]
fn the_untouched_token_of_these_tests_is_accepted() {
    verify(&with_claims(json!({}))).unwrap();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        verify(&with_header(json!({ "typ": typ }))).unwrap();
    }
    verify(&signed(&without(header(), "kid"), &claims().to_string())).unwrap();
    verify(&with_claims(json!({ "aud": ["other", "gabion"], "more": { "deep": [1, null] } })))
        .unwrap();
}

// RFC 9068 s2.2
#[test]
fn each_claim_is_required() {
    for name in ["iss", "aud", "exp", "nbf", "iat", "jti", "sub", "sid"] {
        let token = signed(&header().to_string(), &without(claims(), name));
        assert_eq!(verify(&token), Err(TokenError::Claims), "{name}");
    }
}

// CVE-2026-25537
#[test]
fn each_claim_has_its_type() {
    let not_text = [json!(null), json!(true), json!(1), json!(["gabion"]), json!({ "a": 1 })];
    for name in ["iss", "sub", "jti", "sid"] {
        for value in &not_text {
            let token = with_claims(json!({ name: value }));
            assert_eq!(verify(&token), Err(TokenError::Claims), "{name}: {value}");
        }
    }
    for aud in [json!(null), json!(1), json!({}), json!([["gabion"]]), json!(["gabion", 1])] {
        assert_eq!(verify(&with_claims(json!({ "aud": aud }))), Err(TokenError::Claims), "{aud}");
    }
    for roles in [json!("user"), json!(null), json!([1]), json!({})] {
        let token = with_claims(json!({ "roles": roles }));
        assert_eq!(verify(&token), Err(TokenError::Claims), "{roles}");
    }
    let not_times = [
        "null",
        "true",
        "\"4000000000\"",
        "-1",
        "4000000000.5",
        "4e9",
        "1e300",
        "[]",
        "{}",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "-0.0",
        "NaN",
    ];
    for name in ["exp", "nbf", "iat"] {
        for value in not_times {
            let claims =
                without(claims(), name).replacen('{', &format!("{{\"{name}\":{value},"), 1);
            let token = signed(&header().to_string(), &claims);
            assert_eq!(verify(&token), Err(TokenError::Claims), "{name}: {value}");
        }
    }
}

#[test]
fn doubled_claims_are_refused() {
    for name in ["exp", "sub", "aud", "unknown"] {
        let twice = format!("{{\"{name}\":1,\"{name}\":1,");
        let claims = claims().to_string().replacen('{', &twice, 1);
        let token = signed(&header().to_string(), &claims);
        assert_eq!(verify(&token), Err(TokenError::Claims), "{name}");
    }
    let escaped = claims().to_string().replacen('{', "{\"\\u0073ub\":\"admin\",", 1);
    assert_eq!(verify(&signed(&header().to_string(), &escaped)), Err(TokenError::Claims));
}

#[test]
fn identifiers_have_one_spelling() {
    for (name, value) in [
        ("sub", "Ann"),
        ("sub", ""),
        ("sub", "ann\u{0}"),
        ("sid", ""),
        ("sid", "1"),
        ("sid", "ABCDEFABCDEFABCDEFABCDEFABCDEFAB"),
        ("sid", "+1111111111111111111111111111111"),
        ("jti", "00000000-0000-0000-0000-000000000000"),
    ] {
        let token = with_claims(json!({ name: value }));
        assert_eq!(verify(&token), Err(TokenError::Claims), "{name}: {value}");
    }
}

// ASVS 9.2.1, 9.2.3, 8725bis s3.8, s3.9
#[test]
fn issuer_and_audience_must_be_ours() {
    for iss in ["", "Gabion", "gabion ", "https://gabion"] {
        assert_eq!(verify(&with_claims(json!({ "iss": iss }))), Err(TokenError::Issuer), "{iss}");
    }
    for aud in [json!(""), json!("Gabion"), json!([]), json!(["other"]), json!("gabion,other")] {
        let token = with_claims(json!({ "aud": aud }));
        assert_eq!(verify(&token), Err(TokenError::Audience), "{aud}");
    }
}

// ASVS 9.2.1
#[test]
fn times_are_kept_to_the_leeway() {
    let at = |changes, secs: u64| {
        verifier().verify(&with_claims(changes), UnixTime::from_secs(secs)).err()
    };
    assert_eq!(at(json!({}), NOW_SECS + 3629), None);
    assert_eq!(at(json!({}), NOW_SECS + 3630), Some(TokenError::Expired));
    assert_eq!(at(json!({}), NOW_SECS - 30), None);
    assert_eq!(at(json!({}), NOW_SECS - 31), Some(TokenError::NotYet));
    assert_eq!(at(json!({ "nbf": NOW_SECS + 31 }), NOW_SECS), Some(TokenError::NotYet));
    assert_eq!(at(json!({ "iat": NOW_SECS + 31 }), NOW_SECS), Some(TokenError::NotYet));
    assert_eq!(at(json!({ "exp": NOW_SECS }), NOW_SECS), Some(TokenError::Claims));
    assert_eq!(at(json!({ "exp": 0, "iat": 0 }), NOW_SECS), Some(TokenError::Claims));
}

#[test]
fn no_token_outlives_the_longest_life() {
    let verifier = verifier().longest(Duration::from_secs(60));
    let token = with_claims(json!({ "exp": NOW_SECS + 1_000_000 }));
    let at = |secs| verifier.verify(&token, UnixTime::from_secs(NOW_SECS + secs));
    assert_eq!(at(0).unwrap().expires_at, NOW + Duration::from_secs(60));
    assert_eq!(at(90), Err(TokenError::Expired));
}

// 8725bis s3.15, RFC 7515 s2, s5.2
#[test]
fn only_three_parts_of_canonical_base64url_are_a_token() {
    let token = with_claims(json!({}));
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three parts") };
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{signature}."),
        format!("{token}.AAAA"),
        format!("{token}.AAAA.AAAA"),
        format!(".{token}"),
        format!("{token}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}==.{signature}"),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{header}. {payload}.{signature}"),
        format!("{header}.{payload}.{signature}?"),
        token.replace('_', "/").replace('-', "+") + "+",
        format!("{token}\u{e9}"),
        json!({ "protected": header, "payload": payload, "signature": signature }).to_string(),
        json!({ "payload": payload, "signatures": [] }).to_string(),
    ] {
        assert!(verify(&bad).is_err(), "{bad}");
    }
}

#[test]
fn unused_bits_that_are_set_are_refused() {
    // The last of 43 characters has two unused bits: four spellings, one of them canonical.
    let token = with_claims(json!({}));
    let stem = &token[..token.len() - 1];
    let alphabet = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']);
    let accepted: Vec<String> = alphabet
        .map(|last| format!("{stem}{last}"))
        .filter(|token| verify(token).is_ok())
        .collect();
    assert_eq!(accepted, [token]);
    // A payload whose signature is right and whose own spelling is not.
    let claims = claims().to_string();
    let padded = if claims.len().is_multiple_of(3) { format!("{claims} ") } else { claims };
    let mut payload = URL_SAFE_NO_PAD.encode(&padded);
    let last = payload.pop().unwrap();
    payload.push(char::from(last as u8 + 1));
    let message = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header().to_string()));
    let token = format!("{message}.{}", key().sign(&message).unwrap());
    assert_eq!(verify(&token), Err(TokenError::Malformed));
}

#[test]
fn a_changed_bit_anywhere_is_refused() {
    let token = issuer(3600).issue(&session(), &Roles::default(), NOW);
    for i in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[i] = if bytes[i] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(verify(&changed).is_err(), "{i}: {changed}");
    }
}

#[test]
fn size_number_and_depth_are_bounded() {
    let long = with_claims(json!({ "pad": "x".repeat(9000) }));
    assert_eq!(verify(&long), Err(TokenError::TooLong));
    let many: serde_json::Map<String, Value> = (0..64).map(|i| (i.to_string(), json!(1))).collect();
    assert_eq!(verify(&with_claims(Value::Object(many.clone()))), Err(TokenError::Claims));
    assert_eq!(verify(&with_header(Value::Object(many))), Err(TokenError::Malformed));
    let deep = format!("{{\"deep\":{}{},", "[".repeat(2500), "]".repeat(2500));
    let claims = claims().to_string().replacen('{', &deep, 1);
    let _ = verify(&signed(&header().to_string(), &claims));
}

// 8725bis s3.5, RFC 7518 s3.2
#[test]
fn a_short_key_is_refused() {
    assert_eq!(SigningKey::hs256(&[1; 31]).err(), Some(WeakKey));
    assert!(SigningKey::hs256(&[1; 32]).is_ok());
}

#[test]
fn no_key_is_shown() {
    let key = SigningKey::hs256(&[123; 32]).unwrap();
    let shown = format!("{key:?} {:?} {:?}", key.verifying_key(), issuer(60));
    assert!(!shown.contains("123, 123"), "{shown}");
}
