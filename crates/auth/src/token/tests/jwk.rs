//! Keys as others publish them, and as we do.

use super::{algorithms::key_of, *};

/// The key pair of RFC 8037 §A.1 with its token of §A.4.
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED25519_MESSAGE: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const ED25519_SIGNATURE: &str =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

/// The key pair of RFC 7515 §A.3 with its token.
const P256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const P256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const P256_MESSAGE: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const P256_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// The modulus of RFC 7638 §3.1.
const RSA_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": ED25519_X, "kid": "k" })
}

fn p256() -> Value {
    json!({ "kty": "EC", "crv": "P-256", "x": P256_X, "y": P256_Y, "kid": "k" })
}

fn rsa() -> Value {
    json!({ "kty": "RSA", "n": RSA_N, "e": "AQAB", "kid": "k" })
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn refusal(jwk: &Value) -> InvalidJwk {
    VerifyingKey::from_jwk(jwk).map(|_| format!("accepted: {jwk}")).unwrap_err()
}

#[test]
fn the_examples_of_the_standards_verify() {
    let key = VerifyingKey::from_jwk(&ed25519()).unwrap();
    assert!(key.verify(ED25519_MESSAGE, ED25519_SIGNATURE));
    assert!(!key.verify(P256_MESSAGE, ED25519_SIGNATURE));
    let key = VerifyingKey::from_jwk(&p256()).unwrap();
    assert!(key.verify(P256_MESSAGE, P256_SIGNATURE));
    assert!(!key.verify(ED25519_MESSAGE, P256_SIGNATURE));
}

// RFC 7638 §3.1, RFC 8037 §A.3
#[test]
fn names_are_the_thumbprints_of_the_standards() {
    let thumbprint = |jwk: &Value| super::super::jwk::Public::from_jwk(jwk).unwrap().1.thumbprint();
    assert_eq!(thumbprint(&rsa()).as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(thumbprint(&ed25519()).as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let generated = key_of(Algorithm::Es256);
    let jwk = generated.verifying_key().to_jwk().unwrap();
    assert_eq!(generated.id(), &thumbprint(&jwk));
}

#[test]
fn a_published_key_comes_back_as_the_same_key() {
    for algorithm in Algorithm::ALL {
        let key = key_of(algorithm).verifying_key();
        let Some(jwk) = key.to_jwk() else {
            assert_eq!(algorithm, Algorithm::Hs256);
            continue;
        };
        let back = VerifyingKey::from_jwk(&jwk).unwrap();
        assert_eq!((back.id(), back.algorithm()), (key.id(), algorithm));
        assert_eq!(back.to_jwk(), Some(jwk));
        let signature = key_of(algorithm).sign("message").unwrap();
        assert!(back.verify("message", &signature) && !back.verify("another", &signature));
    }
}

#[test]
fn what_a_key_says_of_its_use_is_held_to() {
    for good in [
        with(ed25519(), "alg", json!("EdDSA")),
        with(p256(), "alg", json!("ES256")),
        with(rsa(), "alg", json!("RS256")),
        with(rsa(), "use", json!("sig")),
        with(rsa(), "key_ops", json!(["sign", "verify"])),
        with(rsa(), "x5c", json!(["ignored"])),
        with(rsa(), "n", json!(format!("AAAA{RSA_N}"))),
        with(rsa(), "e", json!("Aw")),
        with(rsa(), "kid", json!("https://issuer.example/keys/1=")),
    ] {
        VerifyingKey::from_jwk(&good).unwrap();
    }
    for (bad, why) in [
        (with(rsa(), "use", json!("enc")), InvalidJwk::Use),
        (with(rsa(), "use", json!(null)), InvalidJwk::Use),
        (with(rsa(), "key_ops", json!(["encrypt"])), InvalidJwk::Use),
        (with(rsa(), "key_ops", json!([])), InvalidJwk::Use),
        (with(rsa(), "key_ops", json!("verify")), InvalidJwk::Use),
        (with(rsa(), "alg", json!("PS256")), InvalidJwk::Algorithm),
        (with(rsa(), "alg", json!("HS256")), InvalidJwk::Algorithm),
        (with(rsa(), "alg", json!("rs256")), InvalidJwk::Algorithm),
        (with(rsa(), "alg", json!(null)), InvalidJwk::Algorithm),
        (with(p256(), "alg", json!("EdDSA")), InvalidJwk::Algorithm),
        (with(ed25519(), "alg", json!("ES256")), InvalidJwk::Algorithm),
    ] {
        assert_eq!(refusal(&bad), why, "{bad}");
    }
}

// 8725bis s3.1: what is published is public
#[test]
fn secrets_and_private_keys_are_no_public_keys() {
    let oct = json!({ "kty": "oct", "k": "A".repeat(43), "kid": "k" });
    assert_eq!(refusal(&oct), InvalidJwk::Symmetric);
    for (jwk, name) in [(ed25519(), "d"), (p256(), "d"), (rsa(), "d"), (rsa(), "p"), (rsa(), "k")] {
        assert_eq!(refusal(&with(jwk, name, json!("AA"))), InvalidJwk::Private);
    }
}

#[test]
fn what_is_no_key_of_ours_is_refused() {
    let long = "A".repeat(44);
    for (bad, why) in [
        (json!(null), InvalidJwk::NotAnObject),
        (json!([rsa()]), InvalidJwk::NotAnObject),
        (json!({}), InvalidJwk::Member("kty")),
        (with(rsa(), "kty", json!(1)), InvalidJwk::Member("kty")),
        (with(rsa(), "kty", json!("rsa")), InvalidJwk::Unsupported),
        (with(rsa(), "kid", json!(null)), InvalidJwk::Member("kid")),
        (with(rsa(), "kid", json!("")), InvalidJwk::KeyId(InvalidKeyId)),
        (with(rsa(), "kid", json!("a b")), InvalidJwk::KeyId(InvalidKeyId)),
        (with(rsa(), "kid", json!("k".repeat(129))), InvalidJwk::KeyId(InvalidKeyId)),
        (with(ed25519(), "crv", json!("Ed448")), InvalidJwk::Unsupported),
        (with(ed25519(), "crv", json!("X25519")), InvalidJwk::Unsupported),
        (with(ed25519(), "crv", json!(null)), InvalidJwk::Member("crv")),
        (with(ed25519(), "x", json!("AA")), InvalidJwk::Member("x")),
        (with(ed25519(), "x", json!(long)), InvalidJwk::Member("x")),
        (with(ed25519(), "x", json!(format!("{ED25519_X}="))), InvalidJwk::Member("x")),
        (with(p256(), "crv", json!("P-384")), InvalidJwk::Unsupported),
        (with(p256(), "crv", json!("secp256k1")), InvalidJwk::Unsupported),
        (with(p256(), "y", json!(P256_X)), InvalidJwk::NotAKey),
        (with(p256(), "y", json!("")), InvalidJwk::Member("y")),
        (
            with(with(p256(), "x", json!("A".repeat(43))), "y", json!("A".repeat(43))),
            InvalidJwk::NotAKey,
        ),
        (with(rsa(), "n", json!("")), InvalidJwk::Weak),
        (with(rsa(), "n", json!(RSA_N[..168])), InvalidJwk::Weak),
        // Too many bits, an even modulus, exponents that are even, one or huge.
        (with(rsa(), "n", json!(RSA_N.repeat(5))), InvalidJwk::Weak),
        (with(rsa(), "n", json!(format!("{RSA_N}AA"))), InvalidJwk::Weak),
        (with(rsa(), "e", json!("AQ")), InvalidJwk::Weak),
        (with(rsa(), "e", json!("BA")), InvalidJwk::Weak),
        (with(rsa(), "e", json!("")), InvalidJwk::Weak),
        (with(rsa(), "e", json!(RSA_N)), InvalidJwk::Weak),
        (with(rsa(), "e", json!(65537)), InvalidJwk::Member("e")),
    ] {
        assert_eq!(refusal(&bad), why, "{bad:.300}");
    }
}

#[test]
fn a_point_of_small_order_would_take_what_anybody_signs_and_is_no_key() {
    use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
    // R the neutral point and s zero: good for each message whose hash times the point is neutral too.
    let mut forged = [0; 64];
    forged[0] = 1;
    for y in super::super::jwk::SMALL_ORDER {
        let raw = ParsedPublicKey::new(&ED25519, y).unwrap();
        let taken = (0..200_u8).filter(|message| raw.verify_sig(&[*message], &forged).is_ok());
        assert!(taken.count() > 0, "{y:?} is no such point");
        for sign in [0, 0x80] {
            let mut x = y;
            x[31] |= sign;
            let jwk = with(ed25519(), "x", json!(URL_SAFE_NO_PAD.encode(x)));
            assert_eq!(refusal(&jwk), InvalidJwk::Weak);
        }
    }
}

#[test]
fn a_private_key_comes_back_from_its_document() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let key = key_of(algorithm);
        let document = key.secret().unwrap();
        let back = SigningKey::from_pkcs8(algorithm, &document).unwrap();
        assert_eq!(back.id(), key.id());
        assert!(key.verifying_key().verify("message", &back.sign("message").unwrap()));
        let named = KeyId::parse("own").unwrap();
        let named = SigningKey::from_pkcs8_named(named, algorithm, &document).unwrap();
        assert_eq!(named.id().as_str(), "own");
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let told = SigningKey::from_pkcs8(other, &document).unwrap_err();
            assert_eq!(told, InvalidKey::Pkcs8(other));
        }
        for damaged in [&document[..document.len() - 1], &document[1..], &[]] {
            SigningKey::from_pkcs8(algorithm, damaged).unwrap_err();
        }
    }
}

// 8725bis s3.5
#[test]
fn a_small_rsa_key_does_not_sign() {
    let told = SigningKey::from_pkcs8(Algorithm::Rs256, RSA_1024).unwrap_err();
    assert!(told.to_string().contains("2048 to 8192 bits"), "{told}");
}

const RSA_1024: &[u8] = include_bytes!("rsa1024.pk8");

#[test]
fn names_of_algorithms_are_read_exactly() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        assert_eq!(algorithm.as_str().to_lowercase().parse::<Algorithm>(), Err(UnknownAlgorithm));
    }
    assert_eq!("none".parse::<Algorithm>(), Err(UnknownAlgorithm));
}
