//! Right tokens, wrongly spelled or put where none belongs.

use serde_json::json;

use super::mint::{Case, Mint, VERIFY, encode};
use crate::client::Request;

const COMPACT: &str = "8725bis new s3.13-3.15";
const CANONICAL: &str = "RFC 7515 s2, Wycheproof 372-375";
const BEARER: &str = "RFC 6750 s3";

/// How a part of a token is spelled otherwise.
type Change = (&'static str, fn(&str) -> String);

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The same bytes in other letters: the bits beyond the last byte are not zero.
fn respelled(part: &str) -> Option<String> {
    let (rest, last) = part.split_at(part.len() - 1);
    let value = LETTERS.iter().position(|letter| last.as_bytes() == [*letter])?;
    (!part.len().is_multiple_of(4)).then(|| format!("{rest}{}", char::from(LETTERS[value | 1])))
}

/// A token whose first two parts leave bits unused, and have letters that base64 spells otherwise.
fn uneven(mint: &Mint) -> (String, String) {
    let part = |text: String| {
        let text = text.replacen('}', ",\"x\":\"~~~???>>>~~~\"}", 1);
        let spaces = (0..3).map(|spaces| format!("{text}{}", " ".repeat(spaces)));
        let part = spaces.map(encode).find(|part| part.len() % 4 == 2);
        part.expect("one of three lengths")
    };
    (part(mint.header.text()), part(mint.claims.text()))
}

/// Other spellings of a token, each with the MAC over its own letters: a verifier that reads them
/// leniently would take them all.
pub(super) fn letters(mint: &Mint) -> Vec<Case> {
    let (header, claims) = uneven(mint);
    let mut cases = Vec::new();
    let changes: [Change; 13] = [
        ("padded", |part| format!("{part}==")),
        ("padded once", |part| format!("{part}=")),
        ("with unused bits", |part| respelled(part).unwrap_or_default()),
        ("in base64 of mail", |part| part.replace('-', "+").replace('_', "/")),
        ("with a space", |part| format!("{} {}", &part[..4], &part[4..])),
        ("with a tab", |part| format!("{}\t{}", &part[..4], &part[4..])),
        ("with a question mark", |part| format!("{}?{}", &part[..4], &part[4..])),
        ("with a percent escape", |part| format!("%{:02X}{}", part.as_bytes()[0], &part[1..])),
        ("with a tilde", |part| format!("{part}~")),
        ("one letter short", |part| part[..part.len() - 1].to_owned()),
        ("one letter long", |part| format!("{part}A")),
        ("in capitals", str::to_uppercase),
        ("with Latin-1", |part| format!("{part}é")),
    ];
    for (name, change) in changes {
        let changed = mint.signed(&format!("{}.{claims}", change(&header)));
        cases.push(Case::token(CANONICAL, format!("the header {name}"), changed));
        let changed = mint.signed(&format!("{header}.{}", change(&claims)));
        cases.push(Case::token(CANONICAL, format!("the claims {name}"), changed));
        let token = mint.signed(&format!("{header}.{claims}"));
        let (message, signature) = token.rsplit_once('.').expect("three parts");
        let changed = format!("{message}.{}", change(signature));
        // 43 letters without `-` and `_` are the same in both alphabets.
        if changed != token {
            cases.push(Case::token(CANONICAL, format!("the signature {name}"), changed));
        }
    }
    cases
}

/// The right token of [`letters`].
pub(super) fn uneven_token(mint: &Mint) -> String {
    let (header, claims) = uneven(mint);
    mint.signed(&format!("{header}.{claims}"))
}

pub(super) fn serialisations(mint: &Mint) -> Vec<Case> {
    let token = mint.token();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let zeros = |bytes| encode(vec![0; bytes]);
    let jwe = |header: serde_json::Value| {
        let (key, iv, text, tag) = (zeros(40), zeros(12), zeros(100), zeros(16));
        format!("{}.{key}.{iv}.{text}.{tag}", encode(header.to_string()))
    };
    let kid = mint.header.value("kid").trim_matches('"');
    let nested = mint.of_texts(mint.header.clone().with("cty", "\"JWT\"").text(), &token);
    let flattened = json!({"protected": header, "payload": claims, "signature": signature});
    let general = json!({"payload": claims,
        "signatures": [{"protected": header, "signature": signature}]});
    let table = [
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{claims}")),
        ("two parts and a dot", format!("{header}.{claims}.")),
        ("four parts", format!("{token}.{signature}")),
        ("four parts, one empty", format!("{token}.")),
        ("a leading dot", format!(".{token}")),
        ("a doubled dot", token.replacen('.', "..", 1)),
        ("dots alone", "..".into()),
        ("a detached payload", mint.signed(&format!("{header}."))),
        ("a missing header", mint.signed(&format!(".{claims}"))),
        ("the parts in another order", format!("{claims}.{header}.{signature}")),
        ("the signature of another message", {
            let other = mint.claim("jti", format!("\"{}\"", "0".repeat(32)));
            format!("{header}.{claims}.{}", other.rsplit_once('.').expect("parts").1)
        }),
        ("half a signature", format!("{header}.{claims}.{}", &signature[..22])),
        ("a signature and more", format!("{token}AAAA")),
        ("a signature of zeros", format!("{header}.{claims}.{}", zeros(32))),
        ("JWE dir", jwe(json!({"alg": "dir", "enc": "A256GCM", "typ": "at+jwt", "kid": kid}))),
        (
            "JWE with a bomb",
            jwe(json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF", "typ": "at+jwt", "kid": kid})),
        ),
        (
            "JWE with two billion rounds",
            jwe(json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "typ": "at+jwt",
            "kid": kid, "p2s": zeros(16), "p2c": 2_147_483_647_u32})),
        ),
        (
            "JWE under a header of ours",
            format!("{header}.{}.{}.{claims}.{signature}", zeros(40), zeros(12)),
        ),
        ("a JWT in a JWT", nested),
        ("flattened JSON", flattened.to_string()),
        ("general JSON", general.to_string()),
        ("flattened JSON, encoded", encode(flattened.to_string())),
        ("general JSON, encoded", encode(general.to_string())),
        ("too long", mint.claim("x", json!("x".repeat(8 * 1024)))),
        ("much too long", mint.claim("x", json!("x".repeat(100 * 1024)))),
    ];
    table.into_iter().map(|(name, token)| Case::token(COMPACT, name, token)).collect()
}

/// A good token, but not as the one bearer token of the request.
pub(super) fn places(mint: &Mint, refresh: &str) -> Vec<Case> {
    let token = mint.token();
    let with = |value: String| Request::get(VERIFY).header("Authorization", value);
    let query = |name: &str| Request::get(format!("{VERIFY}?{name}={token}"));
    let basic = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("admin:{}", crate::server::PASSWORD),
    );
    let table = [
        ("none", Request::get(VERIFY)),
        ("in the query", query("access_token")),
        ("in the query as token", query("token")),
        ("in the query as Authorization", query("authorization")),
        ("in the query beside a bad one", query("access_token").bearer("x")),
        ("in a cookie", Request::get(VERIFY).header("Cookie", format!("access_token={token}"))),
        (
            "for a proxy",
            Request::get(VERIFY).header("Proxy-Authorization", format!("Bearer {token}")),
        ),
        (
            "forwarded",
            Request::get(VERIFY).header("X-Forwarded-Authorization", format!("Bearer {token}")),
        ),
        ("under X-", Request::get(VERIFY).header("X-Authorization", format!("Bearer {token}"))),
        ("overridden", Request::get(VERIFY).header("X-Original-URL", "/livez")),
        ("twice", Request::get(VERIFY).bearer(&token).bearer(&token)),
        ("good and bad", Request::get(VERIFY).bearer(&token).bearer("x")),
        ("bad and good", Request::get(VERIFY).bearer("x").bearer(&token)),
        ("empty and good", with(String::new()).bearer(&token)),
        ("basic and bearer", with(format!("Basic {basic}")).bearer(&token)),
        ("two in a list", with(format!("Bearer {token}, Bearer {token}"))),
        ("two behind a comma", with(format!("Bearer {token},{token}"))),
        ("two behind a space", with(format!("Bearer {token} {token}"))),
        ("bearer twice", with(format!("Bearer Bearer {token}"))),
        ("no scheme", with(token.clone())),
        ("no space", with(format!("Bearer{token}"))),
        ("a colon", with(format!("Bearer: {token}"))),
        ("a tab", with(format!("Bearer\t{token}"))),
        ("in quotes", with(format!("Bearer \"{token}\""))),
        ("as a parameter", with(format!("Bearer token=\"{token}\""))),
        ("other scheme Token", with(format!("Token {token}"))),
        ("other scheme JWT", with(format!("JWT {token}"))),
        ("other scheme DPoP", with(format!("DPoP {token}"))),
        ("other scheme Basic", with(format!("Basic {token}"))),
        ("name and password", with(format!("Basic {basic}"))),
        ("nothing", with("Bearer".into())),
        ("blank", with(String::new())),
        ("null", with("Bearer null".into())),
        ("undefined", with("Bearer undefined".into())),
        ("a refresh token", with(format!("Bearer {refresh}"))),
        (
            "the session alone",
            with(format!("Bearer {}", mint.claims.value("sid").trim_matches('"'))),
        ),
    ];
    table.into_iter().map(|(name, request)| Case::request(BEARER, name, request)).collect()
}
