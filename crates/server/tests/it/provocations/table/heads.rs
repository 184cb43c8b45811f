//! Heads: connection, framing, host, size, method, path.

use super::{Row, bytes, usual};
use crate::{client::Request, provocations::CANARY};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = unread();
    rows.extend(read());
    rows
}

/// What is refused before there is a request.
fn unread() -> Vec<Row> {
    macro_rules! head {
        ($name:literal, $layer:literal, $code:literal, $text:expr) => {
            bytes($name, $layer, $code, |_| format!($text).into_bytes())
        };
    }
    vec![
        head!("a request line of one word", "parsing", "invalid-request", "{CANARY}\r\n\r\n"),
        head!("no HTTP at all", "parsing", "invalid-request", "\x16\x03\x01 {CANARY}\r\n\r\n"),
        head!(
            "a version to come",
            "parsing",
            "invalid-request",
            "GET /{CANARY} HTTP/7.0\r\nHost: localhost\r\n\r\n"
        ),
        head!(
            "a field without a colon",
            "parsing",
            "invalid-request",
            "GET /livez HTTP/1.1\r\nHost: localhost\r\n{CANARY}\r\n\r\n"
        ),
        head!(
            "a space before the colon",
            "parsing",
            "invalid-request",
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-{CANARY} : a\r\n\r\n"
        ),
        head!(
            "NUL in a value",
            "parsing",
            "invalid-request",
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {CANARY}\0\r\n\r\n"
        ),
        head!(
            "a lone CR in a value",
            "parsing",
            "invalid-request",
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: a\r{CANARY}\r\n\r\n"
        ),
        head!(
            "a length that is too long a number",
            "parsing",
            "invalid-request",
            "POST /{CANARY} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: 18446744073709551616\r\n\r\n"
        ),
        head!(
            "a length below nothing",
            "parsing",
            "invalid-request",
            "POST /{CANARY} HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"
        ),
        head!(
            "two lengths",
            "parsing",
            "invalid-request",
            "POST /{CANARY} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\
             Content-Length: 2\r\n\r\nab"
        ),
        head!(
            "another transfer coding",
            "framing",
            "not-implemented",
            "POST /{CANARY} HTTP/1.1\r\nHost: localhost\r\n\
             Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
        ),
        head!(
            "chunks twice",
            "framing",
            "invalid-request",
            "POST /{CANARY} HTTP/1.1\r\nHost: localhost\r\n\
             Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"
        ),
        head!("no host", "host", "invalid-request", "GET /{CANARY} HTTP/1.1\r\n\r\n"),
        head!(
            "an empty host",
            "host",
            "invalid-request",
            "GET /{CANARY} HTTP/1.1\r\nHost:\r\n\r\n"
        ),
        head!(
            "a host with a user",
            "host",
            "invalid-request",
            "GET /livez HTTP/1.1\r\nHost: {CANARY}@localhost\r\n\r\n"
        ),
        head!(
            "a host with a path",
            "host",
            "invalid-request",
            "GET /livez HTTP/1.1\r\nHost: localhost/{CANARY}\r\n\r\n"
        ),
        head!(
            "another host in the field",
            "host",
            "misdirected",
            "GET /livez HTTP/1.1\r\nHost: {CANARY}.example\r\n\r\n"
        ),
        head!(
            "an asterisk for a path",
            "framing",
            "invalid-request",
            "GET * HTTP/1.1\r\nHost: localhost\r\nX: {CANARY}\r\n\r\n"
        ),
        head!(
            "another scheme",
            "framing",
            "invalid-request",
            "GET ftp://localhost/{CANARY} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ),
        bytes("a head beyond what is read", "connection", "header-too-large", |_| {
            Request::get("/livez").header("X", CANARY.repeat(20_000)).bytes()
        }),
        bytes("a thousand fields", "connection", "header-too-large", |_| {
            let fields = 0..1000;
            let request = Request::get("/livez");
            fields.fold(request, |it, i| it.header(&format!("X-{i}"), CANARY)).bytes()
        }),
        bytes("bytes that are no text in a token", "authentication", "unauthenticated", |_| {
            let head = "GET /api/auth/verify HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ";
            [head.as_bytes(), CANARY.as_bytes(), b"\xff\xfe\r\n\r\n"].concat()
        }),
        bytes("a chunk without a size", "body", "invalid-request", |_| {
            [chunked(), format!("{CANARY}\r\n").into_bytes()].concat()
        }),
        bytes("a chunk that is longer than its size", "body", "invalid-request", |_| {
            [chunked(), format!("1\r\n{CANARY}\r\n0\r\n\r\n").into_bytes()].concat()
        }),
    ]
}

fn chunked() -> Vec<u8> {
    let request = Request::post("/api/auth/login").header("Content-Type", "application/json");
    request.header("Transfer-Encoding", "chunked").head()
}

/// What is refused once it is a request.
fn read() -> Vec<Row> {
    vec![
        usual("two hosts", "host", "invalid-request", |_| {
            Request::get(format!("/{CANARY}")).header("Host", "elsewhere")
        }),
        usual("another host", "host", "misdirected", |_| {
            Request::get(format!("http://{CANARY}.example/livez"))
        }),
        usual("many fields", "size", "header-too-large", |_| {
            let fields = 0..101;
            let request = Request::new("DELETE", "/livez");
            fields.fold(request, |it, i| it.header(&format!("x-{i}"), CANARY))
        }),
        usual("long fields", "size", "header-too-large", |_| {
            Request::get("/livez").header("X-Long", CANARY.repeat(1300))
        }),
        usual("a long target", "size", "uri-too-long", |_| {
            Request::get(format!("/livez?{}", CANARY.repeat(600)))
        }),
        usual("a large body for who takes none", "size", "body-too-large", |w| {
            let rotate = Request::post("/api/admin/keys/rotate").bearer(&w.admin);
            rotate.body(CANARY.repeat(80_000))
        }),
        usual("a method of one's own", "method", "not-implemented", |_| {
            Request::new(&CANARY.to_uppercase(), "/livez")
        }),
        usual("DELETE for a probe", "routing", "method-not-allowed", |_| {
            Request::new("DELETE", format!("/livez?{CANARY}"))
        }),
        usual("GET for a login", "routing", "method-not-allowed", |_| {
            Request::get(format!("/api/auth/login?password={CANARY}"))
        }),
        usual("OPTIONS", "routing", "method-not-allowed", |_| {
            Request::new("OPTIONS", "/api/health").header("Origin", format!("http://{CANARY}"))
        }),
        usual("PUT for an account", "routing", "method-not-allowed", |w| {
            Request::new("PUT", format!("/api/admin/users/{CANARY}")).bearer(&w.admin)
        }),
        usual("an unknown path", "routing", "not-found", |_| Request::get(format!("/{CANARY}"))),
        usual("a slash at the end", "routing", "not-found", |w| {
            Request::get(format!("/api/auth/verify/?{CANARY}")).bearer(&w.user)
        }),
        usual("a path with dots", "routing", "not-found", |_| {
            Request::get(format!("/api/../{CANARY}/../../etc/passwd"))
        }),
        usual("a path that was encoded", "routing", "not-found", |_| {
            Request::get(format!("/%2e%2e/%00{CANARY}"))
        }),
        usual("POST to an unknown path", "routing", "not-found", |_| {
            Request::post(format!("/{CANARY}")).body(CANARY)
        }),
        usual("an unknown code", "handler", "not-found", |_| {
            Request::get(format!("/api/problems/{CANARY}"))
        }),
        usual("gRPC to an unknown path", "routing", "not-found", |_| {
            let request = Request::post(format!("/{CANARY}.Service/Call"));
            request.header("Content-Type", "application/grpc").body(b"\0\0\0\0\0".as_slice())
        }),
    ]
}
