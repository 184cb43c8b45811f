//! What claims may not say.

use serde_json::json;

use super::mint::{Case, Mint, now};

const TYPES: &str = "CVE-2026-25537";
const TIMES: &str = "ASVS 9.2.1-9.2.4";
const PARTIES: &str = "8725bis s3.8/3.9";
const REQUIRED: &str = "RFC 9068 s2, s4";
const JOSE: &str = "RFC 7515 s4, s4.1.11, s5.2";
const NESTING: &str = "stack exhaustion";

const TEXTS: [&str; 4] = ["iss", "sub", "sid", "jti"];
const NUMBERS: [&str; 3] = ["exp", "nbf", "iat"];

pub(super) fn missing(mint: &Mint) -> Vec<Case> {
    let required = TEXTS.iter().chain(&NUMBERS).chain(&["aud"]);
    let mut cases = Vec::new();
    for name in required {
        let token = mint.with_claims(|claims| claims.without(name));
        cases.push(Case::token(REQUIRED, format!("no {name}"), token));
        let renamed = mint.with_claims(|claims| {
            let value = claims.value(name).to_owned();
            claims.without(name).and(&name.to_uppercase(), value)
        });
        cases.push(Case::token(REQUIRED, format!("{name} in capitals"), renamed));
    }
    cases.push(Case::token(REQUIRED, "no claims", mint.of_texts(mint.header.text(), "{}")));
    cases
}

pub(super) fn types(mint: &Mint) -> Vec<Case> {
    let mut cases = Vec::new();
    let digits = "9".repeat(400);
    for name in NUMBERS {
        let good = mint.claims.value(name).to_owned();
        let list = [
            format!("\"{good}\""),
            format!("{good}.5"),
            format!("{good}.0"),
            format!("{good}e0"),
            format!("{good}E+0"),
            format!("0{good}"),
            format!("+{good}"),
            format!("-{good}"),
            format!("[{good}]"),
            format!("{{\"value\":{good}}}"),
            format!("{good} {good}"),
            format!("{good}_0"),
            format!("{good}n"),
        ];
        let fixed = [
            "null",
            "true",
            "false",
            "\"\"",
            "\"now\"",
            "-1",
            "-0",
            "0.5",
            "1.8e9",
            "18E8",
            "1e400",
            "1E400",
            "-1e400",
            "1e-400",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "340282366920938463463374607431768211456",
            &digits,
            "[]",
            "{}",
            "[[]]",
            "NaN",
            "Infinity",
            "-Infinity",
            "0x7fffffff",
            "",
        ];
        for raw in list.iter().map(String::as_str).chain(fixed) {
            let shown = raw.get(..40).unwrap_or(raw);
            cases.push(Case::token(TYPES, format!("{name} is {shown}"), mint.claim(name, raw)));
        }
    }
    for name in TEXTS {
        let good = mint.claims.value(name).to_owned();
        let list = [format!("[{good}]"), format!("{{\"value\":{good}}}"), format!("{good}{good}")];
        let fixed = [
            "null",
            "true",
            "false",
            "0",
            "1",
            "-1",
            "0.5",
            "1e400",
            "18446744073709551616",
            "[]",
            "{}",
            "\"\"",
            "\" \"",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "",
        ];
        for raw in list.iter().map(String::as_str).chain(fixed) {
            cases.push(Case::token(TYPES, format!("{name} is {raw}"), mint.claim(name, raw)));
        }
    }
    let aud = mint.claims.value("aud").to_owned();
    let list = [
        format!("[{aud},1]"),
        format!("[{aud},null]"),
        format!("[null,{aud}]"),
        format!("[[{aud}]]"),
        format!("{{{aud}:true}}"),
        format!("[{{\"aud\":{aud}}}]"),
    ];
    for raw in list
        .iter()
        .map(String::as_str)
        .chain(["null", "true", "0", "-1", "1e400", "[]", "{}", "\"\"", "[\"\"]"])
    {
        cases.push(Case::token(TYPES, format!("aud is {raw}"), mint.claim("aud", raw)));
    }
    for raw in [
        "null",
        "true",
        "0",
        "1e400",
        "\"admin\"",
        "{}",
        "[null]",
        "[1]",
        "[[\"admin\"]]",
        "{\"admin\":true}",
    ] {
        cases.push(Case::token(TYPES, format!("roles is {raw}"), mint.claim("roles", raw)));
    }
    cases
}

/// With a leeway of 30 s and a life of one hour.
pub(super) fn times(mint: &Mint) -> Vec<Case> {
    let now = now();
    let set = |exp: u64, nbf: u64, iat: u64| {
        mint.with_claims(|claims| claims.with("exp", exp).with("nbf", nbf).with("iat", iat))
    };
    let far = 1 << 52;
    let table = [
        ("expired for a minute", set(now - 60, now - 120, now - 120)),
        ("expired in 1970", set(1, 0, 0)),
        ("exp 0", set(0, 0, 0)),
        ("exp before iat", set(now - 1, now - 10, now)),
        ("exp at iat", set(now, now - 10, now)),
        ("nbf in two minutes", set(now + 3600, now + 120, now)),
        ("nbf in the far future", set(far, far, now)),
        ("iat in two minutes", set(now + 3600, now, now + 120)),
        ("iat in the far future", set(far, now, far - 1)),
        ("iat at the largest number", set(1 << 53, now, (1 << 53) - 1)),
        // What a token says of its end cannot lengthen the life that the verifier allows.
        ("issued two hours ago, exp in an hour", set(now + 3600, now - 7200, now - 7200)),
        ("issued two hours ago, exp in the far future", set(far, now - 7200, now - 7200)),
        ("issued in 1970, exp in the far future", set(far, 0, 0)),
        ("issued in 1970, exp at the largest number", set(1 << 53, 0, 0)),
    ];
    table.into_iter().map(|(name, token)| Case::token(TIMES, name, token)).collect()
}

pub(super) fn parties(mint: &Mint) -> Vec<Case> {
    let mut cases = Vec::new();
    for text in [
        "",
        "other",
        "Gabion",
        "GABION",
        "gabion ",
        " gabion",
        "gabion/",
        "gabion\0",
        "gabio",
        "gabionn",
        "*",
        "https://gabion",
        "gаbion",
        "other gabion",
        "gabion,other",
    ] {
        cases.push(Case::token(PARTIES, format!("iss {text:?}"), mint.claim("iss", json!(text))));
        cases.push(Case::token(PARTIES, format!("aud {text:?}"), mint.claim("aud", json!(text))));
        let list = mint.claim("aud", json!([text, "another"]));
        cases.push(Case::token(PARTIES, format!("aud of two with {text:?}"), list));
    }
    let sid = mint.claims.value("sid").trim_matches('"').to_owned();
    let (upper, dashed) = (sid.to_uppercase(), format!("{}-{}", &sid[..8], &sid[8..]));
    let forms = [
        &sid[1..],
        &format!("{sid}0"),
        &dashed,
        &format!(" {sid}"),
        &format!("{sid}\0"),
        &format!("0x{}", &sid[2..]),
        &format!("+{}", &sid[1..]),
        &sid.replace(|_: char| true, "g"),
        &"٣".repeat(16),
        "1",
        "*",
        "' OR 1=1 --",
    ]
    .map(str::to_owned);
    for form in forms.iter().chain((upper != sid).then_some(&upper)) {
        for name in ["sid", "jti"] {
            cases.push(Case::token(
                REQUIRED,
                format!("{name} {form:?}"),
                mint.claim(name, json!(form)),
            ));
        }
    }
    let long = "a".repeat(65);
    let subjects = [
        "Admin",
        "ADMIN",
        "admin ",
        " admin",
        "admin\0",
        "admin\n",
        "аdmin",
        "ａdmin",
        "admin/../root",
        "' OR '1'='1",
        "nobody",
        "local",
        "start",
        "signal",
        "file",
        "root",
        "*",
        "%",
        "adm\u{0131}n",
        &long,
    ];
    for sub in subjects {
        cases.push(Case::token(REQUIRED, format!("sub {sub:?}"), mint.claim("sub", json!(sub))));
    }
    cases
}

pub(super) fn doubles(mint: &Mint) -> Vec<Case> {
    let mut cases = Vec::new();
    for name in mint.claims.names() {
        let same = mint.claims.value(name).to_owned();
        let other = if NUMBERS.contains(&name) { "4000000000" } else { "\"other\"" };
        let twice = mint.with_claims(|claims| claims.and(name, &same));
        cases.push(Case::token(JOSE, format!("{name} twice"), twice));
        let last = mint.with_claims(|claims| claims.and(name, other));
        cases.push(Case::token(JOSE, format!("{name} twice, the last one other"), last));
        let first = mint.claims.text().replacen('{', &format!("{{\"{name}\":{other},"), 1);
        let first = mint.of_texts(mint.header.text(), first);
        cases.push(Case::token(JOSE, format!("{name} twice, the first one other"), first));
        let escaped =
            format!("{}\\u{:04x}", &name[..name.len() - 1], name.as_bytes()[name.len() - 1]);
        let escaped = mint.with_claims(|claims| claims.and(&escaped, &same));
        cases.push(Case::token(JOSE, format!("{name} twice, once with an escape"), escaped));
    }
    let unknown = mint.with_claims(|claims| claims.and("x", "1").and("x", "2"));
    cases.push(Case::token(JOSE, "an unknown claim twice", unknown));
    cases
}

/// Either part as something that is no object, and objects that are too much.
pub(super) fn forms(mint: &Mint) -> Vec<Case> {
    let mut cases = Vec::new();
    let (header, claims) = (mint.header.text(), mint.claims.text());
    let many = |text: &str| {
        let more: String = (0..64).map(|number| format!(",\"m{number}\":0")).collect();
        text.replacen('}', &format!("{more}}}"), 1)
    };
    let wrong = |text: &str| -> Vec<(&'static str, Vec<u8>)> {
        let bytes = text.as_bytes();
        vec![
            ("empty", vec![]),
            ("null", b"null".to_vec()),
            ("a list", format!("[{text}]").into()),
            ("an empty list", b"[]".to_vec()),
            ("a text", json!(text).to_string().into()),
            ("a number", b"1e400".to_vec()),
            ("a half", bytes[..bytes.len() / 2].to_vec()),
            ("unclosed", bytes[..bytes.len() - 1].to_vec()),
            ("two objects", [bytes, bytes].concat()),
            ("an object and more", [bytes, b"x"].concat()),
            ("an object and a NUL", [bytes, b"\0"].concat()),
            ("a byte order mark", [b"\xef\xbb\xbf", bytes].concat()),
            ("a trailing comma", [&bytes[..bytes.len() - 1], b",}"].concat()),
            ("a comment", [bytes, b"/**/"].concat()),
            ("single quotes", text.replace('"', "'").into()),
            ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("invalid UTF-8", [&bytes[..bytes.len() - 1], b",\"x\":\"\xff\"}"].concat()),
            ("a lone surrogate", [&bytes[..bytes.len() - 1], b",\"\\ud800\":1}"].concat()),
            ("65 members and more", many(text).into()),
        ]
    };
    for (name, bytes) in wrong(&header) {
        let token = mint.of_texts(bytes, &claims);
        cases.push(Case::token(JOSE, format!("the header is {name}"), token));
    }
    for (name, bytes) in wrong(&claims) {
        let token = mint.of_texts(&header, bytes);
        cases.push(Case::token(JOSE, format!("the claims are {name}"), token));
    }
    for depth in [200, 2_500, 100_000] {
        let lists = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let open = "[".repeat(depth);
        let objects = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        for (name, value) in [("lists", &lists), ("open lists", &open), ("objects", &objects)] {
            let about = |part: &str| format!("{part} of {depth} {name}");
            for part in ["typ", "kid", "alg"] {
                cases.push(Case::token(NESTING, about(part), mint.header(part, value)));
            }
            for part in ["exp", "aud", "sub", "roles"] {
                cases.push(Case::token(NESTING, about(part), mint.claim(part, value)));
            }
            let stranger = mint.signing_with(b"a stranger");
            cases.push(Case::token(
                NESTING,
                about("a stranger's header"),
                stranger.header("x", value),
            ));
            cases.push(Case::token(
                NESTING,
                about("a stranger's claims"),
                stranger.claim("x", value),
            ));
            cases.push(Case::token(NESTING, about("a header"), mint.of_texts(value, &claims)));
            cases.push(Case::token(NESTING, about("claims"), mint.of_texts(&header, value)));
        }
        cases.push(Case::token(
            NESTING,
            format!("an unknown claim of {depth} open lists"),
            mint.claim("x", &open),
        ));
    }
    cases
}
