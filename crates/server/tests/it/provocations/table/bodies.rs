//! Bodies and parameters: their size, their type, what is in them.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use super::{Row, Sent, usual};
use crate::{
    client::Request,
    provocations::{CANARY, Way},
};

fn login(body: impl Into<Vec<u8>>) -> Request {
    Request::post("/api/auth/login").header("Content-Type", "application/json").body(body)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

pub(super) fn rows() -> Vec<Row> {
    [sizes(), types(), texts(), fields(), parameters()].into_iter().flatten().collect()
}

fn sizes() -> Vec<Row> {
    let code = "body-too-large";
    let mut rows = vec![
        usual("a large body", "size", code, |_| login(CANARY.repeat(5000))),
        usual("a large upload", "size", code, |w| {
            Request::post("/api/demo/upload").bearer(&w.user).body(CANARY.repeat(80_000))
        }),
        usual("a large body of unknown length", "body", code, |_| login(CANARY.repeat(5000))),
        usual("a large upload of unknown length", "body", code, |w| {
            Request::post("/api/demo/upload").bearer(&w.user).body(CANARY.repeat(80_000))
        }),
        usual("a body that is large once decompressed", "body", code, |_| {
            login(gzip(&[b' '; 1 << 20])).header("Content-Encoding", "gzip")
        }),
    ];
    for row in &mut rows[2..4] {
        if let Sent::Request(way, _) = &mut row.sent {
            *way = Way::Unsized;
        }
    }
    rows
}

fn types() -> Vec<Row> {
    let code = "unsupported-media-type";
    vec![
        usual("text", "media type", code, |_| {
            Request::post("/api/auth/login").header("Content-Type", "text/plain").body(CANARY)
        }),
        usual("no type", "media type", code, |_| Request::post("/api/auth/login").body(CANARY)),
        usual("a type that is none", "media type", code, |_| {
            Request::post("/api/auth/login").header("Content-Type", CANARY).body(CANARY)
        }),
        usual("a form", "media type", code, |_| {
            let request = Request::post("/api/auth/login");
            let body = format!("username=admin&password={CANARY}");
            request.header("Content-Type", "application/x-www-form-urlencoded").body(body)
        }),
        usual("gRPC for a login", "media type", code, |_| {
            let request = Request::post("/api/auth/login").header("TE", "trailers");
            request.header("Content-Type", "application/grpc").body(b"\0\0\0\0\0".as_slice())
        }),
        usual("another coding", "media type", code, |_| {
            login(CANARY).header("Content-Encoding", "br")
        }),
        usual("a coding that is none", "media type", code, |_| {
            login(CANARY).header("Content-Encoding", CANARY)
        }),
        usual("a body for who takes none", "media type", code, |w| {
            let request = Request::post("/api/admin/keys/rotate").bearer(&w.admin);
            request.header("Content-Type", "text/plain").body(CANARY)
        }),
    ]
}

fn texts() -> Vec<Row> {
    macro_rules! text {
        ($name:literal, $body:expr) => {
            usual($name, "JSON", "invalid-request", |_| login($body))
        };
    }
    vec![
        text!("no JSON", CANARY),
        text!("nothing", ""),
        text!("blanks", " \r\n\t"),
        text!("half an object", format!("{{\"username\":\"{CANARY}\"")),
        text!("something behind it", format!("{{}} {CANARY}")),
        text!("a mark of order", format!("\u{feff}{{\"username\":\"{CANARY}\"}}")),
        text!("no UTF-8", [b"{\"username\":\"\xff", CANARY.as_bytes(), b"\"}"].concat()),
        text!("half of a pair", format!("{{\"username\":\"\\ud800{CANARY}\"}}")),
        text!("a name twice", format!("{{\"username\":\"{CANARY}\",\"username\":\"b\"}}")),
        text!("deep nesting", "[".repeat(65) + CANARY),
        text!("very deep nesting", "[".repeat(60_000)),
        text!(
            "a number without bounds",
            format!("{{\"username\":1e999,\"password\":\"{CANARY}\"}}")
        ),
        text!("a number that is none", format!("{{\"username\":NaN,\"password\":\"{CANARY}\"}}")),
        text!("a number with a zero before it", "{\"username\":01}"),
        text!("a line end in a text", format!("{{\"username\":\"{CANARY}\n\"}}")),
        text!("a comma too many", format!("{{\"username\":\"{CANARY}\",}}")),
        usual("no gzip", "body", "invalid-request", |_| {
            login(CANARY).header("Content-Encoding", "gzip")
        }),
        usual("half of a gzip", "body", "invalid-request", |_| {
            let mut half = gzip(format!("{{\"username\":\"{CANARY}\"}}").as_bytes());
            half.truncate(half.len() / 2);
            login(half).header("Content-Encoding", "gzip")
        }),
    ]
}

fn fields() -> Vec<Row> {
    let code = "invalid-body";
    let mut rows = vec![
        usual("an unknown field", "schema", code, |_| {
            let mut body = json!({"username": "admin", "password": CANARY});
            body[CANARY] = json!(1);
            login(body.to_string())
        }),
        usual("a missing field", "schema", code, |_| {
            login(json!({"username": CANARY}).to_string())
        }),
        usual("a field of another type", "schema", code, |_| {
            login(json!({"username": [CANARY], "password": {"a": CANARY}}).to_string())
        }),
        usual("a field that is null", "schema", code, |_| {
            login(json!({"username": null, "password": CANARY}).to_string())
        }),
        usual("a list", "schema", code, |_| login(json!([CANARY]).to_string())),
        usual("a word", "schema", code, |_| login(json!(CANARY).to_string())),
        usual("a long name", "schema", code, |_| {
            login(json!({"username": CANARY.repeat(1000), "password": CANARY}).to_string())
        }),
        usual("a weak password", "handler", code, |w| {
            let body = json!({"username": "new", "password": CANARY, "roles": ["user"]});
            Request::post("/api/admin/users").bearer(&w.admin).json(&body)
        }),
        usual("an unknown role", "handler", code, |w| {
            let password = format!("{CANARY} granite otter 79");
            let body = json!({"username": "new", "password": password, "roles": [CANARY]});
            Request::post("/api/admin/users").bearer(&w.admin).json(&body)
        }),
        usual("an empty batch", "schema", code, |w| {
            Request::post("/api/batch").bearer(&w.user).json(&json!({"requests": []}))
        }),
        usual("a batch of too many", "handler", code, |w| {
            let item = json!({"id": CANARY, "method": "GET", "path": "/livez"});
            let items = vec![item; 101];
            Request::post("/api/batch").bearer(&w.user).json(&json!({"requests": items}))
        }),
        usual("a version below the first", "schema", code, |w| {
            let body = json!({"version": -1});
            Request::post("/api/admin/config/rollback").bearer(&w.admin).json(&body)
        }),
        usual("a span that is none", "handler", code, |w| {
            let body = json!({"confirm": CANARY});
            Request::post("/api/admin/config/reload").bearer(&w.admin).json(&body)
        }),
    ];
    rows[0].named = true;
    rows
}

fn parameters() -> Vec<Row> {
    macro_rules! query {
        ($name:literal, $($target:tt)*) => {
            usual($name, "parameters", "invalid-request", |w| {
                Request::get(format!($($target)*)).bearer(&w.admin)
            })
        };
    }
    let mut rows = vec![
        query!("a number that is a word", "/api/demo/work?io_ms={CANARY}"),
        query!("a number that is too large", "/api/demo/work?io_ms=60001"),
        query!("a number below nothing", "/api/demo/work?cpu_us=-1"),
        query!("a parameter twice", "/api/demo/work?io_ms=1&io_ms=1"),
        query!("a class that is none", "/api/demo/work?class={CANARY}"),
        query!("a page without events", "/api/admin/audit?limit=0"),
        query!("a page that is none", "/api/admin/audit?before={CANARY}"),
        query!("a parameter that is not known", "/api/demo/work?{CANARY}={CANARY}"),
    ];
    rows.last_mut().expect("rows").named = true;
    rows
}
