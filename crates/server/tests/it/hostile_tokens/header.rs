//! What a header may not say.

use std::net::SocketAddr;

use aws_lc_rs::hmac::{HMAC_SHA384, HMAC_SHA512};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::mint::{Case, Members, Mint, encode};

const ALG: &str = "8725bis s3.1, 3.2";
const KEYS: &str = "ASVS 9.1.1-9.1.3";
const KID: &str = "8725bis s3.10";
const TYPE: &str = "8725bis s3.11/3.12";
const JOSE: &str = "RFC 7515 s4, s4.1.11, s5.2";

pub(super) fn algorithms(mint: &Mint) -> Vec<Case> {
    let mut cases = Vec::new();
    let names = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        " ",
        "hs256",
        "Hs256",
        "HS256 ",
        " HS256",
        "HS256\0",
        "HS2",
        "HS384",
        "HS512",
        "RS256",
        "RS384",
        "RS512",
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "PS256",
        "PS512",
        "EdDSA",
        "Ed25519",
        "dir",
        "A128KW",
        "A256GCMKW",
        "PBES2-HS256+A128KW",
        "ECDH-ES",
        "HMAC",
        "SHA256",
    ];
    for name in names {
        let header = mint.header.clone().with("alg", json!(name)).text();
        let message = format!("{}.{}", encode(header), encode(mint.claims.text()));
        cases.push(Case::token(ALG, format!("alg {name:?}, HS256 MAC"), mint.signed(&message)));
        cases.push(Case::token(ALG, format!("alg {name:?}, no signature"), format!("{message}.")));
        let fake = encode([0; 64]);
        cases.push(Case::token(ALG, format!("alg {name:?}, zeros"), format!("{message}.{fake}")));
    }
    // With the MAC that the header speaks of, under the right secret: one key, one algorithm.
    for (name, algorithm) in [("HS384", HMAC_SHA384), ("HS512", HMAC_SHA512)] {
        let header = mint.header.clone().with("alg", json!(name)).text();
        let message = format!("{}.{}", encode(header), encode(mint.claims.text()));
        let token = format!("{message}.{}", mint.signature(algorithm, &message));
        cases.push(Case::token(ALG, format!("alg {name} with its own MAC"), token));
        let token = format!("{}.{}", mint.message(), mint.signature(algorithm, &mint.message()));
        cases.push(Case::token(ALG, format!("alg HS256 with the MAC of {name}"), token));
    }
    for raw in
        ["null", "true", "256", "1e400", "[]", "[\"HS256\"]", "{}", "{\"HS256\":1}", "HS256", ""]
    {
        cases.push(Case::token(ALG, format!("alg is {raw}"), mint.header("alg", raw)));
    }
    cases.push(Case::token(ALG, "no alg", mint.with_header(|header| header.without("alg"))));
    cases
}

/// `listener` is where keys are offered; whoever fetches them there has lost.
pub(super) fn keys(mint: &Mint, listener: SocketAddr) -> Vec<Case> {
    let mut cases = Vec::new();
    let stranger = mint.signing_with(b"a secret that a stranger has chosen himself");
    let own = encode(stranger.secret());
    let kid: Value = serde_json::from_str(mint.header.value("kid")).expect("a kid");
    let jwk = json!({"kty": "oct", "alg": "HS256", "use": "sig", "kid": kid, "k": own});
    let rsa =
        json!({"kty": "RSA", "alg": "RS256", "kid": kid, "n": encode([0xc5; 256]), "e": "AQAB"});
    let url = |path: &str| json!(format!("http://{listener}/{path}"));
    let members = [
        ("jwk", jwk.clone()),
        ("jwk", json!({"keys": [jwk]})),
        ("jwk", rsa),
        ("jku", url("jwks.json")),
        ("jku", json!(format!("file://{listener}/etc/passwd"))),
        ("jku", json!(format!("http://admin@{listener}/"))),
        ("x5u", url("cert.pem")),
        ("x5c", json!([encode([0x30; 300])])),
        ("x5t", json!(encode([0; 20]))),
        ("x5t#S256", json!(encode([0; 32]))),
        ("iss", url("")),
        ("epk", json!({"kty": "EC", "crv": "P-256", "x": encode([1; 32]), "y": encode([2; 32])})),
        ("apu", json!(own)),
    ];
    for (name, value) in members {
        let about = value.to_string();
        let about = about.get(..40).unwrap_or(&about).to_owned();
        let token = stranger.header(name, &value);
        cases.push(Case::token(KEYS, format!("a stranger's {name} {about}"), token));
        let other =
            stranger.with_header(|header| header.with(name, &value).with("kid", "\"mine\""));
        cases.push(Case::token(
            KEYS,
            format!("the same with a kid of its own, {name} {about}"),
            other,
        ));
        let without = stranger.with_header(|header| header.with(name, value).without("kid"));
        cases.push(Case::token(KEYS, format!("the same without a kid, {name} {about}"), without));
    }
    cases.push(Case::token(KID, "issuer is the listener", stranger.claim("iss", url(""))));
    let kid = mint.header.value("kid").trim_matches('"').to_owned();
    let secrets: [(&str, Vec<u8>); 8] = [
        ("nothing", vec![]),
        ("one zero", vec![0]),
        ("32 zeros", vec![0; 32]),
        ("the kid", kid.into_bytes()),
        ("the text of the secret", encode(mint.secret()).into_bytes()),
        ("the secret but its last byte", mint.secret()[..mint.secret().len() - 1].to_vec()),
        ("the issuer", b"gabion".to_vec()),
        ("the first password", crate::server::PASSWORD.into()),
    ];
    for (name, secret) in secrets {
        let token = mint.signing_with(&secret).token();
        cases.push(Case::token("8725bis s3.5", format!("signed with {name}"), token));
    }
    cases
}

pub(super) fn names(mint: &Mint) -> Vec<Case> {
    let kid = mint.header.value("kid").trim_matches('"').to_owned();
    let long = "k".repeat(4000);
    let texts = [
        "",
        " ",
        "unknown",
        "../../../../dev/null",
        "/dev/null",
        "keys/signing.jwk",
        "ring.jwks",
        "..%2f..%2fetc",
        "' OR '1'='1",
        "x' UNION SELECT 'AAAA",
        "'; DROP TABLE sessions; --",
        "| cat /etc/passwd",
        "$(id)",
        "*)(uid=*))(|(uid=*",
        "\0",
        "\u{202e}",
        "http://127.0.0.1:1/",
        "file:///dev/null",
        "%00",
        "\r\nx: y",
        &long,
        &kid.to_uppercase(),
        &format!("{kid} "),
        &format!(" {kid}"),
        &format!("{kid}\0"),
        &format!("{kid}\0.jwk"),
        &format!("./{kid}"),
        &kid[1..],
        &kid[..kid.len() - 1],
    ]
    .map(|text| json!(text).to_string());
    // A kid of digits alone is its own upper case.
    let own = mint.header.value("kid");
    let texts = texts.into_iter().filter(|text| text != own);
    let raws = [
        format!("[\"{kid}\"]"),
        format!("{{\"kid\":\"{kid}\"}}"),
        "null".into(),
        "true".into(),
        "0".into(),
        "-1".into(),
        "1e400".into(),
        "[]".into(),
        "{}".into(),
        format!("{}{}", "[".repeat(1000), "]".repeat(1000)),
        format!("\"\\ud800{kid}\""),
    ];
    let mut cases = Vec::new();
    for raw in texts.chain(raws) {
        let name = raw.get(..50).unwrap_or(&raw);
        cases.push(Case::token(KID, format!("kid {name}"), mint.header("kid", &raw)));
    }
    cases.push(Case::token(KID, "no kid", mint.with_header(|header| header.without("kid"))));
    cases
}

pub(super) fn types(mint: &Mint) -> Vec<Case> {
    let mut cases =
        vec![Case::token(TYPE, "no typ", mint.with_header(|header| header.without("typ")))];
    let texts = [
        "",
        "JWT",
        "jwt",
        "JOSE",
        "at+JWT ",
        " at+jwt",
        "at+jwt\0",
        "at",
        "jwt+at",
        "rt+jwt",
        "refresh+jwt",
        "id+jwt",
        "dpop+jwt",
        "application/jwt",
        "application/application/at+jwt",
        "text/at+jwt",
        "/at+jwt",
        "application/at+jwt;x=1",
        "application/at+jwt; charset=utf-8",
        "at+jwt,JWT",
        "ät+jwt",
        "at\u{2b}jwt\u{301}",
    ];
    for text in texts {
        cases.push(Case::token(TYPE, format!("typ {text:?}"), mint.header("typ", json!(text))));
    }
    for raw in ["null", "true", "1", "1e400", "[\"at+jwt\"]", "{}", "[]", "{\"at+jwt\":1}"] {
        cases.push(Case::token(TYPE, format!("typ {raw}"), mint.header("typ", raw)));
    }
    // The type in the other letter case is the same one; the member's name is not.
    let renamed = mint.with_header(|header| header.without("typ").and("Typ", "\"at+jwt\""));
    cases.push(Case::token(TYPE, "Typ for typ", renamed));
    cases
}

pub(super) fn extensions(mint: &Mint) -> Vec<Case> {
    let mut cases = Vec::new();
    let values = [
        "[\"exp\"]",
        "[\"x\"]",
        "[\"b64\"]",
        "[\"alg\"]",
        "[\"kid\",\"kid\"]",
        "[\"\"]",
        "[]",
        "{}",
        "null",
        "true",
        "0",
        "1e400",
        "\"x\"",
        "\"\"",
        "[1]",
        "[null]",
        "[[\"x\"]]",
        "[\"x\",\"http://x\"]",
    ];
    for raw in values {
        cases.push(Case::token(JOSE, format!("crit {raw}"), mint.header("crit", raw)));
        let named =
            mint.with_header(|header| header.with("crit", raw).and("x", "1").and("exp", "1"));
        cases.push(Case::token(JOSE, format!("crit {raw} with what it names"), named));
    }
    let escaped = mint.with_header(|header| header.and("cr\\u0069t", "[\"x\"]"));
    cases.push(Case::token(JOSE, "crit spelled with an escape", escaped));
    // RFC 7797: the payload as it is, signed so.
    for (name, crit) in [("with crit", Some("[\"b64\"]")), ("without crit", None)] {
        let header = mint.header.clone().with("b64", "false");
        let header = crit.map_or(header.clone(), |crit| header.with("crit", crit));
        // Dots and braces are no base64url, so it is the encoded one that could get through.
        let plain = format!("{}.{}", encode(header.text()), "payload");
        cases.push(Case::token(
            JOSE,
            format!("b64 false {name}, plain payload"),
            mint.signed(&plain),
        ));
    }
    let crit = mint.with_header(|header| header.with("b64", "false").with("crit", "[\"b64\"]"));
    cases.push(Case::token(JOSE, "b64 false with crit, encoded payload", crit));
    let again = |name: &str, value: &str| {
        let (name, value) = (name.to_owned(), value.to_owned());
        move |header: Members| header.and(&name, value)
    };
    for name in ["alg", "kid", "typ"] {
        let same = mint.header.value(name);
        cases.push(Case::token(JOSE, format!("{name} twice"), mint.with_header(again(name, same))));
        let other = mint.with_header(again(name, "\"none\""));
        cases.push(Case::token(JOSE, format!("{name} twice, the last one other"), other));
        let first = mint.header.clone().text().replacen('{', &format!("{{\"{name}\":\"none\","), 1);
        let first = mint.of_texts(first, mint.claims.text());
        cases.push(Case::token(JOSE, format!("{name} twice, the first one other"), first));
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        let escaped = mint.with_header(again(&escaped, same));
        cases.push(Case::token(JOSE, format!("{name} twice, once with an escape"), escaped));
    }
    let unknown = mint.with_header(|header| header.and("x", "1").and("x", "1"));
    cases.push(Case::token(JOSE, "an unknown member twice", unknown));
    cases
}

/// `token` is signed with a key pair whose public half is `jwk`: it is no secret, and nothing but its
/// own algorithm's signatures are worth anything.
pub(super) fn public(token: &str, jwk: &Value) -> Vec<Case> {
    let mint = Mint::without_key(token);
    let own = jwk["alg"].as_str().expect("an algorithm");
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default());
    let [x, y, n, e] = ["x", "y", "n", "e"].map(|name| bytes(name).expect("base64url"));
    let point = [&[4][..], &x, &y].concat();
    // SubjectPublicKeyInfo of Ed25519 and of P-256 (RFC 8410, RFC 5480), and PKCS #1 of RSA.
    let ed25519 = [&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], &x].concat();
    let p256 = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\
        \x03\x01\x07\x03\x42\x00";
    let p256 = [&p256[..], &point].concat();
    let rsa = [&b"\x30\x82\x01\x0a\x02\x82\x01\x01\x00"[..], &n, b"\x02\x03", &e].concat();
    let pem = |name: &str, der: &[u8]| {
        let lines = STANDARD.encode(der);
        let lines = lines.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
        let lines: String = lines.collect();
        format!("-----BEGIN {name}-----\n{lines}-----END {name}-----\n").into_bytes()
    };
    let mut cases = Vec::new();
    for secret in [
        vec![],
        jwk.to_string().into(),
        json!({"keys": [jwk]}).to_string().into(),
        jwk["x"].as_str().unwrap_or_default().into(),
        jwk["n"].as_str().unwrap_or_default().into(),
        jwk["kid"].as_str().unwrap_or_default().into(),
        [&x[..], &y].concat(),
        pem("PUBLIC KEY", &ed25519),
        pem("PUBLIC KEY", &p256),
        pem("RSA PUBLIC KEY", &rsa),
        x,
        n,
        point,
        ed25519,
        p256,
        rsa,
    ] {
        let mint = mint.signing_with(&secret);
        for name in ["HS256", own, "none"] {
            let about = format!("{own}: alg {name}, a MAC under {} public bytes", secret.len());
            cases.push(Case::token(ALG, about, mint.header("alg", json!(name))));
        }
    }
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let right = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let half = right.len() / 2;
    let der = [&[0x30, 68, 2, 32][..], &right[..32], &[2, 32], &right[32..64]].concat();
    for (name, bytes) in [
        ("no signature", vec![]),
        ("zeros", vec![0; right.len()]),
        ("ones", vec![0xff; right.len()]),
        ("the first half", right[..half].to_vec()),
        ("the halves exchanged", [&right[half..], &right[..half]].concat()),
        ("a first half of zeros", [&vec![0; half][..], &right[half..]].concat()),
        ("a second half of zeros", [&right[..half], &vec![0; half][..]].concat()),
        ("a byte more", [&right[..], &[0]].concat()),
        ("a byte more in front", [&[0], &right[..]].concat()),
        ("DER", der),
        ("a public key of its own", [&right[..], &right[..32]].concat()),
    ] {
        let token = format!("{message}.{}", encode(bytes));
        cases.push(Case::token(ALG, format!("{own}: {name}"), token));
    }
    for name in ["HS256", "EdDSA", "ES256", "RS256", "PS256", "ES384", "Ed25519", "none"] {
        let header = mint.header.clone().with("alg", json!(name)).text();
        let token = format!("{}.{}.{signature}", encode(header), encode(mint.claims.text()));
        cases.push(Case::token(ALG, format!("{own}: its signature under alg {name}"), token));
    }
    for member in ["jwk", "jku", "x5u"] {
        let header = mint.header.clone().with(member, jwk).text();
        let token = format!("{}.{}.{signature}", encode(header), encode(mint.claims.text()));
        cases.push(Case::token(KEYS, format!("{own}: its signature and a {member}"), token));
    }
    cases
}
