use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn no_text_panics(token in "[A-Za-z0-9._= -]{0,200}") {
        prop_assert!(verify(&token).is_err());
    }

    #[test]
    fn no_signed_claims_panic(claims in json_text()) {
        prop_assert!(verify(&signed(&header().to_string(), &claims)).is_err());
    }

    #[test]
    fn no_header_panics(header in json_text()) {
        prop_assert!(verify(&signed(&header, &claims().to_string())).is_err());
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
