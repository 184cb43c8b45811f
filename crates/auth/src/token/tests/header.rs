use super::*;

// 8725bis s3.1, ASVS 9.1.2
#[test]
fn the_algorithm_is_the_keys_and_spelled_so() {
    for alg in [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!("hs256"),
        json!("HS384"),
        json!("HS512"),
        json!("RS256"),
        json!("ES256"),
        json!("EdDSA"),
        json!(""),
    ] {
        let token = with_header(json!({ "alg": alg }));
        assert_eq!(verify(&token), Err(TokenError::Algorithm), "{alg}");
        let (message, _) = token.rsplit_once('.').unwrap();
        assert_eq!(verify(&format!("{message}.")), Err(TokenError::Algorithm), "{alg} unsigned");
    }
    for alg in [json!(null), json!(["HS256"]), json!(1)] {
        assert_eq!(verify(&with_header(json!({ "alg": alg }))), Err(TokenError::Malformed));
    }
    let token = signed(&without(header(), "alg"), &claims().to_string());
    assert_eq!(verify(&token), Err(TokenError::Algorithm));
}

// 8725bis s3.11, RFC 9068 s4
#[test]
fn a_token_of_another_kind_is_refused() {
    for typ in ["JWT", "jwt", "rt+jwt", "at+jwt ", "text/at+jwt", "application/application/at+jwt"]
    {
        assert_eq!(verify(&with_header(json!({ "typ": typ }))), Err(TokenError::Type), "{typ}");
    }
    let token = signed(&without(header(), "typ"), &claims().to_string());
    assert_eq!(verify(&token), Err(TokenError::Type));
    let refresh = RefreshTokens::new(&KeyRing::ephemeral()).issue(&session());
    assert!(verify(&refresh).is_err());
}

// 8725bis s3.10, ASVS 9.1.3
#[test]
fn an_unknown_key_is_refused_and_no_key_is_taken_from_the_token() {
    for kid in ["", "k2", "../../dev/null", "' or 1=1 --", "k1\u{0}"] {
        assert_eq!(verify(&with_header(json!({ "kid": kid }))), Err(TokenError::Key), "{kid}");
    }
    let own = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode([1; 32]) });
    let header = merged(
        header(),
        json!({ "jwk": own, "jku": "http://127.0.0.1/", "x5u": "http://127.0.0.1/", "x5c": ["AA"] }),
    );
    let claims = claims().to_string();
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(&claims));
    let attacker = SigningKey::hs256(&[1; 32]).unwrap();
    let forged = format!("{message}.{}", attacker.sign(&message).unwrap());
    assert_eq!(verify(&forged), Err(TokenError::Signature));
    verify(&signed(&header, &claims)).unwrap();
}

// RFC 7515 s4, s4.1.11
#[test]
fn doubled_and_critical_header_members_are_refused() {
    let claims = claims().to_string();
    for header in [
        r#"{"alg":"HS256","alg":"HS256","kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":"none","\u0061lg":"HS256","kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","kid":"k1","typ":"at+jwt","x":1,"x":1}"#,
        r#"{"alg":"HS256","kid":"k1","typ":"at+jwt","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","kid":"k1","typ":"at+jwt","crit":[]}"#,
        r#"{"alg":"HS256","kid":"k1","typ":"at+jwt","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","kid":"k1","typ":"at+jwt"} {}"#,
        r#"["HS256"]"#,
        r#""HS256""#,
        "",
        "{",
    ] {
        assert_eq!(verify(&signed(header, &claims)), Err(TokenError::Malformed), "{header}");
    }
}
