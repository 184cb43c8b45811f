use proptest::prelude::*;

use super::{algorithms::key_of, *};

proptest! {
    #[test]
    fn no_text_panics(token in "[A-Za-z0-9._= -]{0,200}") {
        prop_assert!(verify(&token).is_err());
    }

    #[test]
    fn no_signed_claims_panic(claims in json_text()) {
        prop_assert!(verify(&signed(&header().to_string(), &claims)).is_err());
    }

    // CVE-2026-25537
    #[test]
    fn a_claim_of_another_type_is_never_accepted((name, value) in mistyped()) {
        let token = with_claims(json!({ name: value }));
        prop_assert!(verify(&token).is_err(), "{}: {}", name, value);
    }

    #[test]
    fn no_header_panics(header in json_text()) {
        prop_assert!(verify(&signed(&header, &claims().to_string())).is_err());
    }

    #[test]
    fn no_signature_is_guessed(which in 0..4_usize, guess in proptest::collection::vec(any::<u8>(), 0..300)) {
        let key = key_of(Algorithm::ALL[which]);
        let guess = URL_SAFE_NO_PAD.encode(guess);
        prop_assert!(!key.verifying_key().verify("message", &guess));
    }

    #[test]
    fn no_jwk_panics(jwk in json_value(), name in "kty|kid|crv|x|y|n|e|alg|use|key_ops") {
        let mut known = key_of(Algorithm::Es256).verifying_key().to_jwk().unwrap();
        known[name] = jwk.clone();
        let _ = VerifyingKey::from_jwk(&known);
        prop_assert!(VerifyingKey::from_jwk(&jwk).is_err());
    }

    #[test]
    fn every_time_is_judged_without_overflow(exp: u64, nbf: u64, iat: u64, now: u64) {
        let token = with_claims(json!({ "exp": exp, "nbf": nbf, "iat": iat }));
        let verdict = verifier().verify(&token, UnixTime::from_millis(now));
        if let Ok(claims) = verdict {
            prop_assert!(claims.expires_at > claims.issued_at);
        }
    }
}

/// A claim with a value of a type that it never has.
fn mistyped() -> impl Strategy<Value = (&'static str, Value)> {
    let names = ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "roles"];
    let names = proptest::sample::select(names.to_vec());
    (names, json_value()).prop_filter("of its type", |(name, value)| match *name {
        "iat" | "nbf" | "exp" => !value.is_u64(),
        "roles" => !value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        "aud" => !value.as_array().is_some_and(|list| list.contains(&json!("gabion"))),
        _ => true,
    })
}

/// JSON of any type, shallow.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[A-Za-z0-9_-]{32,43}".prop_map(|text| Value::from(format!("~{text}"))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((".{0,5}", inner), 0..4)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// Objects with known names and any values, and pieces of them.
fn json_text() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("\"gabion\"".to_owned()),
        Just("[\"gabion\"]".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        any::<i128>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        ".{0,10}",
    ];
    let name = prop_oneof!["exp|nbf|iat|sub|aud|iss|jti|sid|roles|alg|typ|kid|crit", ".{0,3}"];
    let member = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    let object = proptest::collection::vec(member, 0..10)
        .prop_map(|members| format!("{{{}}}", members.join(",")));
    (object, 0..3_usize).prop_map(|(text, cut)| text.chars().skip(cut / 2).collect())
}
