//! Hostile tokens of every kind that the standards and the advisories name, against the whole server.
//!
//! Each is a token that the server would take but for one thing: it is signed with the server's own
//! key unless the key is what is wrong. Every case names the row of the list that it belongs to.

mod claims;
mod header;
mod mint;
mod spelling;

use std::{io::ErrorKind, net::TcpListener};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use self::mint::{Case, Mint, Target, VERIFY, now};
use crate::{
    client::Request,
    server::{Home, PASSWORD},
};

/// Room in the head for tokens that are too long, so that it is the token that is judged.
const LARGE_HEADS: [&str; 1] = ["limits.size.head=1MiB"];

#[test]
fn the_header_decides_nothing_but_which_key_it_is() {
    let target = Target::start(&[]);
    target.refuses(&header::algorithms(&target.mint));
    target.refuses(&header::names(&target.mint));
    target.refuses(&header::types(&target.mint));
    target.refuses(&header::extensions(&target.mint));
}

#[test]
fn nobody_fetches_the_key_that_a_token_offers() {
    let target = Target::start(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it need not wait");
    let address = listener.local_addr().expect("an address");
    target.refuses(&header::keys(&target.mint, address));
    // Where the signature is right they are ignored as well.
    let url = json!(format!("http://{address}/jwks.json"));
    for name in ["jku", "x5u"] {
        assert!(target.server.accepts(&target.mint.header(name, &url)), "{name}");
    }
    let visitor = listener.accept().map(|(_, address)| address).map_err(|error| error.kind());
    assert_eq!(visitor, Err(ErrorKind::WouldBlock));
}

#[test]
fn every_claim_is_there_once_and_of_its_type() {
    let target = Target::start(&[]);
    target.refuses(&claims::missing(&target.mint));
    target.refuses(&claims::types(&target.mint));
    target.refuses(&claims::doubles(&target.mint));
}

#[test]
fn a_token_is_good_at_its_time_for_its_purpose() {
    let target = Target::start(&[]);
    target.refuses(&claims::times(&target.mint));
    target.refuses(&claims::parties(&target.mint));
}

#[test]
fn what_is_no_object_or_too_deep_is_refused() {
    let target = Target::start(&LARGE_HEADS);
    target.refuses(&claims::forms(&target.mint));
}

#[test]
fn a_token_has_one_spelling_and_one_place() {
    let target = Target::start(&LARGE_HEADS);
    assert!(target.server.accepts(&spelling::uneven_token(&target.mint)));
    target.refuses(&spelling::letters(&target.mint));
    target.refuses(&spelling::serialisations(&target.mint));
    target.refuses(&spelling::places(&target.mint, &target.tokens.refresh));
}

#[test]
fn what_the_standards_call_the_same_is_the_same() {
    let target = Target::start(&[]);
    let (mint, now) = (&target.mint, now());
    let times = |exp: u64, nbf: u64, iat: u64| {
        mint.with_claims(|claims| claims.with("exp", exp).with("nbf", nbf).with("iat", iat))
    };
    let more = |count| {
        let numbers = 0..count;
        mint.with_claims(|claims| {
            numbers.fold(claims, |claims, number| claims.and(&format!("m{number}"), "0"))
        })
    };
    let with = |value: String| Request::get(VERIFY).header("Authorization", value);
    let token = mint.token();
    let cases = [
        ("unchanged", token.clone()),
        ("typ in capitals", mint.header("typ", "\"AT+JWT\"")),
        ("typ in full", mint.header("typ", "\"application/at+jwt\"")),
        ("typ in full, in capitals", mint.header("typ", "\"Application/AT+JWT\"")),
        ("a header that says more", mint.header("x", "{\"y\":[1,2]}")),
        ("claims that say more", mint.claim("client_id", "\"x\"")),
        ("64 claims", more(64 - mint.claims.names().count())),
        ("for two, us first", mint.claim("aud", "[\"gabion\",\"other\"]")),
        ("for two, us last", mint.claim("aud", "[\"other\",\"gabion\"]")),
        ("for us in a list", mint.claim("aud", "[\"gabion\"]")),
        ("escapes in a value", mint.claim("iss", "\"gab\\u0069on\"")),
        ("no roles", mint.with_claims(|claims| claims.without("roles"))),
        ("spaces", mint.of_texts(format!(" {}\n", mint.header.text()), mint.claims.text())),
        ("expired within the leeway", times(now - 5, now - 60, now - 60)),
        ("good from now within the leeway", times(now + 60, now + 10, now + 10)),
        ("exp in the far future", times(1 << 53, now, now)),
    ];
    let cases = cases.map(|(name, token)| Case::token("RFC 7515, RFC 7519", name, token));
    target.accepts(&cases);
    let places = [("small", format!("bearer {token}")), ("spaced", format!("BEARER   {token} "))];
    let places = places.map(|(name, value)| Case::request("RFC 9110 s11.1", name, with(value)));
    target.accepts(&places);
    // However far its end: the verifier's longest life holds.
    let told = target.server.get(VERIFY, &times(1 << 53, now, now)).expect(200).json();
    let time = |name: &str| told[name].as_str().expect("a time").to_owned();
    let (begins, ends) = (time("issued_at"), time("expires_at"));
    // An hour later: in the same year but for one hour, at the same minute and second.
    assert_eq!((&begins[..3], &begins[13..]), (&ends[..3], &ends[13..]), "{told}");
}

/// RUSTSEC-2026-0224: what was refused is not remembered as anything else, nor what was accepted.
#[test]
fn neither_a_bad_token_nor_a_good_one_poisons_the_cache() {
    let target = Target::start(&[]);
    let mut client = target.server.client();
    let mut ask = |token: &str| client.send(&Request::get(VERIFY).bearer(token)).status;
    for number in 0..20 {
        let good = target.mint.claim("jti", format!("\"{number:032x}\""));
        let (message, signature) = good.rsplit_once('.').expect("three parts");
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let bad = format!("{message}.{other}{}", &signature[1..]);
        let respelled = format!("{good}=");
        let asked =
            [&bad, &bad, &good, &bad, &good, &respelled, &good, &bad].map(|token| ask(token));
        assert_eq!(asked, [401, 401, 200, 401, 200, 401, 200, 401], "{number}");
    }
    // The same claims under another signature, once their own is remembered.
    let stranger = target.mint.signing_with(b"a secret that a stranger has chosen himself");
    assert_eq!(ask(&target.mint.token()), 200);
    assert_eq!(ask(&stranger.token()), 401);
    target.is_well();
}

/// 8725bis s3.8: a key belongs to its issuer, whatever name it goes by.
#[test]
fn tokens_of_another_server_are_refused() {
    let target = Target::start(&[]);
    let elsewhere = Target::start(&[]);
    let kid = target.mint.header.value("kid").to_owned();
    let theirs = &elsewhere.mint;
    target.refuses(&[
        Case::token("8725bis s3.8/3.9", "theirs", &elsewhere.tokens.access),
        Case::token("8725bis s3.8/3.9", "theirs under our kid", theirs.header("kid", &kid)),
        Case::token(
            "8725bis s3.8/3.9",
            "ours under their kid",
            target.mint.header("kid", theirs.header.value("kid")),
        ),
        Case::token(
            "8725bis s3.8/3.9",
            "our claims signed by them",
            target.mint.signing_with(theirs.secret()).token(),
        ),
    ]);
}

/// 8725bis s3.12: rules of tokens of different kinds exclude each other.
#[test]
fn nothing_but_a_refresh_token_refreshes() {
    let target = Target::start(&["limits.size.json_body=1MiB"]);
    let (mint, refresh) = (&target.mint, &target.tokens.refresh);
    let [grt, sid, generation, mac] = refresh.split('.').collect::<Vec<_>>()[..] else {
        panic!("four parts")
    };
    let ours = mint.signed(&format!("{grt}.{sid}.{generation}"));
    let bad = [
        mint.claims.value("sid").trim_matches('"').to_owned(),
        ours,
        format!("{grt}.{sid}.1.{mac}"),
        format!("{grt}.{sid}.00.{mac}"),
        format!("{grt}.{sid}.-0.{mac}"),
        format!("{grt}.{sid}.4294967295.{mac}"),
        format!("{grt}.{sid}.4294967296.{mac}"),
        format!("{grt}.{}.0.{mac}", "0".repeat(32)),
        format!("{grt}.{sid}.0."),
        format!("{grt}.{sid}.0"),
        format!("{grt}.{sid}.0.{}", &mac[1..]),
        format!("{refresh}="),
        format!("{refresh}."),
        format!(" {refresh}"),
        format!("{refresh}\n"),
        format!("{refresh}\0"),
        refresh.to_uppercase(),
        "null".into(),
        "..".into(),
        "grt...".into(),
        "' OR '1'='1".into(),
    ];
    let request = |body: &Value| Request::post("/api/auth/refresh").json(body);
    let cases = bad.map(|token| {
        let body = json!({"refresh_token": token});
        Case::request("8725bis s3.11/3.12", format!("{token:?} to refresh"), request(&body))
    });
    target.refuses(&cases);
    let types = ["at+jwt", "rt+jwt", "refresh+jwt", "JWT"];
    let types = types.map(|kind| {
        let body = json!({"refresh_token": mint.header("typ", json!(kind))});
        Case::request("8725bis s3.11/3.12", format!("an access token as {kind}"), request(&body))
    });
    target.refuses(&types);
    let token = json!(refresh);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        "null".to_owned(),
        "[]".into(),
        token.to_string(),
        "{}".into(),
        format!("{{\"refresh_token\":[{token}]}}"),
        format!("{{\"refresh_token\":{token},\"refresh_token\":{token}}}"),
        format!("{{\"refresh_token\":{token},\"x\":1}}"),
        format!("{{\"Refresh_token\":{token}}}"),
        format!("{{\"refresh_token\":{deep}}}"),
        format!("{{\"refresh_token\":{token},\"x\":{deep}}}"),
        format!("{{\"refresh_token\":{}}}", "9".repeat(1000)),
        "{\"refresh_token\":1e400}".into(),
    ] {
        let request = Request::post("/api/auth/refresh").header("Content-Type", "application/json");
        let status = target.server.send(&request.body(body.as_str())).status;
        assert!([400, 422].contains(&status), "{status} for {}", &body[..body.len().min(60)]);
    }
    // None of this has harmed the session.
    target.is_well();
    target.server.refresh(refresh).expect(200);
}

/// 8725bis s3.1: a key pair has one algorithm, and its public half is nobody's secret.
#[test]
fn a_public_key_signs_nothing() {
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let target = Target::start(&[&format!("auth.algorithm={algorithm}")]);
        let set = target.server.send(&Request::get("/.well-known/jwks.json")).expect(200).json();
        let [jwk] = &set["keys"].as_array().expect("keys")[..] else { panic!("one key: {set}") };
        assert_eq!(jwk["alg"], algorithm);
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "pkcs8"] {
            assert!(jwk.get(private).is_none(), "{private} is published");
        }
        let cases = header::public(&target.tokens.access, jwk);
        target.refuses_all(&cases);
        target.is_well();
    }
}

/// A signature of ES256 has a twin that anybody can make: it is the session that ends, not the text.
#[test]
fn the_twin_of_a_signature_ends_with_its_session() {
    let home = Home::new();
    let server = home.start(&["auth.algorithm=ES256"]);
    let token = server.admin();
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let mut signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    // n - s, from the last byte to the first.
    let mut borrow = 0;
    for (byte, n) in signature[32..].iter_mut().zip(P256_ORDER).rev() {
        let difference = i16::from(n) - i16::from(*byte) - borrow;
        borrow = i16::from(difference < 0);
        *byte = difference.rem_euclid(256) as u8;
    }
    let twin = format!("{message}.{}", mint::encode(signature));
    // As good as the token itself: RFC 7518 asks for neither of the two.
    assert!(server.accepts(&twin) && server.accepts(&token));
    server.send(&Request::post("/api/auth/logout").bearer(&token)).expect(204);
    assert!(!server.accepts(&twin) && !server.accepts(&token));
}

/// The number of points of P-256 (FIPS 186-5, SP 800-186 s3.2.1.3).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// CVE-2026-25537, at large: a role in a token is worth nothing, the account's own roles decide.
#[test]
fn a_token_cannot_raise_its_owner() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let ann = server.add(&admin, "ann", &["user"]);
    let mint = Mint::of(&home, &ann.access);
    let raised = mint.claim("roles", "[\"admin\",\"monitor\",\"user\"]");
    assert_eq!(server.get(VERIFY, &raised).expect(200).json()["roles"], json!(["user"]));
    server.get("/api/metrics", &raised).problem("forbidden");
    server.get("/api/admin/users", &raised).problem("forbidden");
    let none = mint.claim("roles", "[]");
    assert_eq!(server.get(VERIFY, &none).expect(200).json()["roles"], json!(["user"]));
    server.login("ann", PASSWORD);
}
