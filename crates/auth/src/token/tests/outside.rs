use super::*;
use crate::{OutsideClaims, OutsideVerifier};

/// As an issuer writes it that has other names than ours.
fn outside() -> Value {
    json!({
        "iss": "gabion", "aud": ["other", "gabion"], "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "exp": NOW_SECS + 600, "iat": NOW_SECS, "jti": "b8c1-é", "client_id": "s6BhdRkqt3",
        "scope": "read:reports openid read:reports",
    })
}

fn outside_verifier() -> OutsideVerifier {
    OutsideVerifier::new(Only(key()), "gabion", "gabion", Duration::from_secs(30))
}

fn verify_outside(token: &str) -> Result<OutsideClaims, TokenError> {
    outside_verifier().verify(token, NOW)
}

fn with(changes: Value) -> Result<OutsideClaims, TokenError> {
    verify_outside(&signed(&header().to_string(), &merged(outside(), changes)))
}

// RFC 9068 s2.2
#[test]
fn a_token_of_the_registered_profile_says_what_its_issuer_wrote() {
    let claims = with(json!({})).unwrap();
    assert_eq!(claims.subject, "auth0|5f7c8ec7c33c6c004bbafe82");
    assert_eq!((claims.id.as_str(), claims.client.as_deref()), ("b8c1-é", Some("s6BhdRkqt3")));
    assert_eq!(claims.scopes, Roles::new(["openid", "read:reports"]));
    assert_eq!((claims.issued_at, claims.not_before), (NOW, NOW));
    assert_eq!(claims.expires_at, NOW + Duration::from_secs(600));
    assert_eq!(
        verify(&signed(&header().to_string(), &outside().to_string())),
        Err(TokenError::Claims)
    );
}

#[test]
fn what_the_profile_requires_is_required_and_has_its_type() {
    for claim in ["iss", "exp", "aud", "sub", "iat", "jti"] {
        let token = signed(&header().to_string(), &without(outside(), claim));
        assert_eq!(verify_outside(&token), Err(TokenError::Claims), "{claim}");
    }
    for claim in ["iss", "exp", "nbf", "iat", "sub", "jti", "client_id", "scope"] {
        for value in [json!(null), json!(true), json!(-1), json!(1.5), json!([1]), json!({})] {
            let refused = with(json!({ claim: value }));
            assert_eq!(refused, Err(TokenError::Claims), "{claim}: {value}");
        }
    }
    for claim in ["sub", "jti"] {
        assert_eq!(with(json!({ claim: "" })), Err(TokenError::Claims), "{claim}");
    }
}

#[test]
fn issuer_audience_and_time_are_held_to_as_in_ours() {
    assert_eq!(with(json!({"iss": "x"})), Err(TokenError::Issuer));
    assert_eq!(with(json!({"aud": ["x"]})), Err(TokenError::Audience));
    assert_eq!(with(json!({"exp": NOW_SECS - 31, "iat": NOW_SECS - 60})), Err(TokenError::Expired));
    assert_eq!(with(json!({"nbf": NOW_SECS + 31})), Err(TokenError::NotYet));
    assert_eq!(with(json!({"exp": NOW_SECS, "iat": NOW_SECS})), Err(TokenError::Claims));
}

#[test]
fn claims_that_are_ours_alone_have_whatever_type_their_issuer_likes() {
    assert!(with(json!({"roles": "reader", "sid": 7})).is_ok());
}

#[test]
fn no_token_lives_longer_than_it_is_let() {
    let token = signed(&header().to_string(), &outside().to_string());
    let verifier = outside_verifier().longest(Duration::from_secs(60));
    let claims = verifier.verify(&token, NOW).unwrap();
    assert_eq!(claims.expires_at, NOW + Duration::from_secs(60));
    let later = NOW + Duration::from_secs(90);
    assert_eq!(verifier.verify(&token, later), Err(TokenError::Expired));
}

// 8725bis s3.11
#[test]
fn one_type_is_taken_and_a_plain_one_where_it_is_asked_for() {
    let token = |typ: &str| signed(&merged(header(), json!({"typ": typ})), &outside().to_string());
    assert_eq!(verify_outside(&token("JWT")), Err(TokenError::Type));
    let plain = outside_verifier().or_plain();
    for typ in ["at+jwt", "JWT", "jwt", "application/jwt"] {
        assert!(plain.verify(&token(typ), NOW).is_ok(), "{typ}");
    }
    for typ in ["JWE", "text/jwt", "application/", ""] {
        assert_eq!(plain.verify(&token(typ), NOW), Err(TokenError::Type), "{typ}");
    }
    let without = signed(&without(header(), "typ"), &outside().to_string());
    assert_eq!(plain.verify(&without, NOW), Err(TokenError::Type));
}
