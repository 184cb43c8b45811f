//! What holds for each algorithm, and what could go wrong with one alone.

use std::sync::LazyLock;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{
        self, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RsaPublicKeyComponents,
    },
};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};

use super::*;

/// One key of each algorithm; an RSA key takes a while to make.
static KEYS: LazyLock<[SigningKey; 4]> =
    LazyLock::new(|| Algorithm::ALL.map(|algorithm| SigningKey::generate(algorithm).unwrap()));

pub(super) fn key_of(algorithm: Algorithm) -> &'static SigningKey {
    KEYS.iter().find(|key| key.algorithm() == algorithm).unwrap()
}

/// What mints tokens with a key, and a verifier that knows this key alone.
struct Mint(&'static SigningKey);

impl Mint {
    fn of(algorithm: Algorithm) -> Self {
        Self(key_of(algorithm))
    }

    fn header(&self) -> Value {
        let (alg, kid) = (self.0.algorithm().as_str(), self.0.id().as_str());
        json!({ "alg": alg, "kid": kid, "typ": "at+jwt" })
    }

    /// Header and claims, not yet signed.
    fn message(&self, changes: Value) -> String {
        let header = merged(self.header(), changes);
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims().to_string())
        )
    }

    fn token(&self, changes: Value) -> String {
        let message = self.message(changes);
        format!("{message}.{}", self.0.sign(&message).unwrap())
    }

    fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let keys = Only(self.0.clone());
        Verifier::new(keys, "gabion", "gabion", Duration::from_secs(30)).verify(token, NOW)
    }

    /// What becomes of an untouched token under this signature.
    fn verify_signed(&self, sign: impl FnOnce(&str) -> Vec<u8>) -> Result<Claims, TokenError> {
        let message = self.message(json!({}));
        let signature = URL_SAFE_NO_PAD.encode(sign(&message));
        self.verify(&format!("{message}.{signature}"))
    }

    fn signature(&self, message: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(self.0.sign(message).unwrap()).unwrap()
    }
}

const REFUSED: Result<Claims, TokenError> = Err(TokenError::Signature);

#[test]
fn the_untouched_token_of_each_algorithm_is_accepted() {
    for algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        mint.verify(&mint.token(json!({}))).unwrap();
        mint.verify_signed(|message| mint.signature(message)).unwrap();
        let issuer = Issuer::new(mint.0.clone(), "gabion", "gabion", Duration::from_secs(60));
        mint.verify(&issuer.issue(&session(), &Roles::default(), NOW)).unwrap();
    }
}

// 8725bis s3.1, s3.2, ASVS 9.1.2
#[test]
fn no_header_makes_a_key_another_algorithms() {
    for algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let own = algorithm.as_str();
        let others = ["HS256", "EdDSA", "ES256", "RS256", "none", "PS256", "ES256K", "Ed25519"];
        for alg in others.into_iter().filter(|alg| *alg != own).chain([&*own.to_lowercase()]) {
            let changes = json!({ "alg": alg });
            assert_eq!(mint.verify(&mint.token(changes.clone())), Err(TokenError::Algorithm));
            // Signed with the key of the algorithm that it claims.
            if let Ok(claimed) = alg.parse::<Algorithm>() {
                let message = mint.message(changes);
                let token = format!("{message}.{}", key_of(claimed).sign(&message).unwrap());
                assert_eq!(mint.verify(&token), Err(TokenError::Algorithm), "{own} as {alg}");
            }
        }
    }
}

// 8725bis s3.1: the public key of an asymmetric algorithm taken for a shared secret
#[test]
fn a_public_key_is_no_secret() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let mint = Mint::of(algorithm);
        let jwk = mint.0.verifying_key().to_jwk().unwrap();
        let part =
            |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).unwrap();
        let der = spki(algorithm, &jwk);
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            base64::engine::general_purpose::STANDARD.encode(&der)
        );
        let point = [vec![4], part("x"), part("y")].concat();
        let spellings = [
            der,
            pem.trim_end().into(),
            pem.into_bytes(),
            jwk.to_string().into_bytes(),
            part("n"),
            part("x"),
            point,
        ];
        for secret in spellings {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            for alg in ["HS256", algorithm.as_str()] {
                let message = mint.message(json!({ "alg": alg }));
                let mac = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
                let verdict = mint.verify(&format!("{message}.{mac}"));
                let expected =
                    if alg == "HS256" { TokenError::Algorithm } else { TokenError::Signature };
                assert_eq!(verdict, Err(expected), "{algorithm} as {alg}");
            }
        }
    }
}

/// The key as a SubjectPublicKeyInfo (RFC 5280 §4.1), as most tools print it.
fn spki(algorithm: Algorithm, jwk: &Value) -> Vec<u8> {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let parsed = match algorithm {
        Algorithm::EdDsa => signature::ParsedPublicKey::new(&signature::ED25519, part("x")),
        Algorithm::Es256 => signature::ParsedPublicKey::new(
            &signature::ECDSA_P256_SHA256_FIXED,
            [vec![4], part("x"), part("y")].concat(),
        ),
        _ => RsaPublicKeyComponents { n: part("n"), e: part("e") }
            .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256),
    };
    let der: PublicKeyX509Der<'_> = parsed.unwrap().as_der().unwrap();
    der.as_ref().to_vec()
}

#[test]
fn another_key_of_the_algorithm_is_another_key() {
    for algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let other = SigningKey::generate(algorithm).unwrap();
        let verdict = mint
            .verify_signed(|message| URL_SAFE_NO_PAD.decode(other.sign(message).unwrap()).unwrap());
        assert_eq!(verdict, REFUSED, "{algorithm}");
    }
}

#[test]
fn a_signature_has_exactly_its_length() {
    for algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let good = mint.signature(&mint.message(json!({})));
        let length = good.len();
        let cut = |to: usize| good[..to].to_vec();
        let mut forms = vec![
            Vec::new(),
            vec![0],
            cut(1),
            cut(length / 2),
            cut(length - 1),
            [&good[..], &[0]].concat(),
            [&[0][..], &good].concat(),
            [&good[..], &good].concat(),
            vec![0; length],
            vec![0; length * 2],
            vec![0xff; length],
        ];
        forms.push(good.iter().rev().copied().collect());
        for form in forms {
            assert_eq!(mint.verify_signed(|_| form.clone()), REFUSED, "{algorithm} {form:?}");
        }
    }
}

#[test]
fn every_bit_of_a_signature_counts() {
    for algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let message = mint.message(json!({}));
        let good = mint.signature(&message);
        for at in (0..good.len()).step_by(7) {
            let mut changed = good.clone();
            changed[at] ^= 1 << (at % 8);
            assert_eq!(mint.verify_signed(|_| changed), REFUSED, "{algorithm} {at}");
        }
    }
}

/// The order of P-256 (FIPS 186-5, SP 800-186 §3.2.1.3), big-endian.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

// CVE-2022-21449: r and s of zero verified for every key
#[test]
fn r_and_s_of_es256_lie_between_zero_and_the_order() {
    let mint = Mint::of(Algorithm::Es256);
    let good = mint.signature(&mint.message(json!({})));
    let (r, s) = good.split_at(32);
    let (zero, one) = ([0; 32], {
        let mut one = [0; 32];
        one[31] = 1;
        one
    });
    for (r, s) in [
        (&zero[..], &zero[..]),
        (&zero, s),
        (r, &zero),
        (&P256_ORDER, s),
        (r, &P256_ORDER),
        (&P256_ORDER, &P256_ORDER),
        (&one, &one),
        (s, r),
    ] {
        assert_eq!(mint.verify_signed(|_| [r, s].concat()), REFUSED, "{r:?} {s:?}");
    }
}

#[test]
fn es256_is_the_fixed_form_and_not_der() {
    let mint = Mint::of(Algorithm::Es256);
    let document = mint.0.secret().unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &document).unwrap();
    let der = |message: &str| {
        pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec()
    };
    assert_eq!(mint.verify_signed(der), REFUSED);
}

// RFC 7515 §3.4 asks for no low s. A token so has two spellings, which is why sessions are what
// ends, and never texts of tokens.
#[test]
fn the_other_s_of_an_es256_signature_is_as_good() {
    let mint = Mint::of(Algorithm::Es256);
    let message = mint.message(json!({}));
    let mut signature = mint.signature(&message);
    let mut borrow = 0;
    for i in (0..32).rev() {
        let difference = i16::from(P256_ORDER[i]) - i16::from(signature[32 + i]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + i] = difference.rem_euclid(256) as u8;
    }
    mint.verify(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))).unwrap();
}

// RFC 8032 §5.1.7: s below the order, or one signature has many spellings
#[test]
fn s_of_ed25519_lies_below_the_order() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mint = Mint::of(Algorithm::EdDsa);
    let mut signature = mint.signature(&mint.message(json!({})));
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(mint.verify_signed(|_| signature), REFUSED);
}

#[test]
fn rs256_is_one_padding_and_one_hash() {
    let mint = Mint::of(Algorithm::Rs256);
    let pair = rsa::KeyPair::from_pkcs8(&mint.0.secret().unwrap()).unwrap();
    let others: [&'static dyn signature::RsaEncoding; 4] = [
        &signature::RSA_PSS_SHA256,
        &signature::RSA_PKCS1_SHA384,
        &signature::RSA_PKCS1_SHA512,
        &signature::RSA_PSS_SHA512,
    ];
    for other in others {
        let verdict = mint.verify_signed(|message| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(other, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
            signature
        });
        assert_eq!(verdict, REFUSED);
    }
    // The modulus, and what is one with it.
    let n = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key()).n;
    assert_eq!(mint.verify_signed(|_| n), REFUSED);
    let one = {
        let mut one = vec![0; 256];
        one[255] = 1;
        one
    };
    assert_eq!(mint.verify_signed(|_| one), REFUSED);
}

#[test]
fn hs256_is_one_hash_and_all_of_its_bytes() {
    let mint = Mint::of(Algorithm::Hs256);
    let secret = mint.0.secret().unwrap();
    let mac = |algorithm, message: &str| {
        hmac::sign(&hmac::Key::new(algorithm, &secret), message.as_bytes()).as_ref().to_vec()
    };
    let of = |algorithm| mint.verify_signed(|message| mac(algorithm, message));
    of(hmac::HMAC_SHA256).unwrap();
    assert_eq!(of(hmac::HMAC_SHA384), REFUSED);
    assert_eq!(of(hmac::HMAC_SHA512), REFUSED);
    let half = |message: &str| mac(hmac::HMAC_SHA512, message)[..32].to_vec();
    assert_eq!(mint.verify_signed(half), REFUSED);
}

// 8725bis s3.10, s3.11, s3.13, s3.14, s3.15, RFC 7515 s4.1.11
#[test]
fn for_each_algorithm_headers_of_other_worlds_are_refused_or_without_effect() {
    for algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let own = key_of(algorithm).verifying_key().to_jwk().unwrap_or(json!({ "kty": "oct" }));
        for harmless in [
            json!({ "jku": "http://127.0.0.1/", "x5u": "file:///etc/passwd", "x5c": ["AA"] }),
            json!({ "jwk": own, "x5t": "AA", "x5t#S256": "AA" }),
            json!({ "p2c": 2_000_000_000_u64, "p2s": "AA", "enc": "A256GCM", "zip": "DEF" }),
            json!({ "b64": false }),
            json!({ "typ": "application/at+jwt", "cty": "JWT" }),
        ] {
            mint.verify(&mint.token(harmless)).unwrap();
        }
        for crit in [json!([]), json!(["b64"]), json!(["exp"]), json!("b64"), json!(null)] {
            let token = mint.token(json!({ "crit": crit, "b64": false }));
            assert_eq!(mint.verify(&token), Err(TokenError::Malformed), "{algorithm} {crit}");
        }
        for typ in ["JWT", "rt+jwt", "at+jwt;x", "application/jwt", ""] {
            let token = mint.token(json!({ "typ": typ }));
            assert_eq!(mint.verify(&token), Err(TokenError::Type), "{algorithm} {typ}");
        }
        let token = mint.token(json!({}));
        let doubled = format!("{{\"alg\":\"none\",{}", &mint.header().to_string()[1..]);
        let rest = token.split_once('.').unwrap().1;
        let doubled = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(doubled));
        assert_eq!(mint.verify(&doubled), Err(TokenError::Malformed));
        // The payload unencoded (RFC 7797), as encrypted token, as one part too many.
        let parts: Vec<&str> = token.split('.').collect();
        let header = URL_SAFE_NO_PAD.encode(merged(mint.header(), json!({ "b64": false })));
        for other in [
            format!("{header}.{}.{}", claims(), parts[2]),
            format!("{header}..{}", parts[2]),
            format!("{}.{}.{}.{}.{}", parts[0], parts[1], parts[1], parts[1], parts[2]),
            format!("{}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", parts[0]),
            format!("{token}.{}", parts[2]),
            json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] })
                .to_string(),
            json!({ "payload": parts[1], "signatures": [{ "protected": parts[0] }] }).to_string(),
        ] {
            let refusal = mint.verify(&other).unwrap_err();
            let before_claims = [TokenError::Malformed, TokenError::Signature];
            assert!(before_claims.contains(&refusal), "{algorithm} {other}: {refusal}");
        }
    }
}

#[test]
fn jsonwebtoken_and_we_take_each_others_tokens() {
    for algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let secret = mint.0.secret().unwrap();
        let (encoding, decoding) = match mint.0.verifying_key().to_jwk() {
            None => (EncodingKey::from_secret(&secret), DecodingKey::from_secret(&secret)),
            Some(jwk) => {
                let jwk = serde_json::from_value(jwk).unwrap();
                let encoding = match algorithm {
                    Algorithm::EdDsa => EncodingKey::from_ed_der(&secret),
                    Algorithm::Es256 => EncodingKey::from_ec_der(&secret),
                    // It wants the inner RSAPrivateKey (RFC 8017 §A.1.2).
                    _ => EncodingKey::from_rsa_der(&secret[26..]),
                };
                (encoding, DecodingKey::from_jwk(&jwk).unwrap())
            }
        };
        let mut header = Header::new(algorithm.as_str().parse().unwrap());
        header.typ = Some("at+jwt".into());
        header.kid = Some(mint.0.id().to_string());
        let theirs = jsonwebtoken::encode(&header, &claims(), &encoding).unwrap();
        mint.verify(&theirs).unwrap();
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&["gabion"]);
        validation.set_issuer(&["gabion"]);
        let ours = mint.token(json!({}));
        jsonwebtoken::decode::<Value>(&ours, &decoding, &validation).unwrap();
    }
}
