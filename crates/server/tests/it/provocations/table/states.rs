//! What depends on the state of the server.

use serde_json::json;

use super::{Row, Sent, at, bytes};
use crate::{
    client::Request,
    provocations::{CANARY, Place, Way},
    server::PASSWORD,
};

fn login(username: &str) -> Request {
    Request::post("/api/auth/login").json(&json!({"username": username, "password": PASSWORD}))
}

pub(super) fn rows() -> Vec<Row> {
    [limits(), times(), failures(), changes()].into_iter().flatten().collect()
}

fn limits() -> Vec<Row> {
    use Place::{Followed, LastConnections, Locked, SpentAddress, SpentCaller, SpentLogin};
    let (spent, full) = ("rate-limited", "overloaded");
    vec![
        at(SpentAddress, "a request too many", "rate limit", spent, |_| {
            Request::get(format!("/api/health?{CANARY}"))
        }),
        at(SpentAddress, "a guess too many", "rate limit", spent, |_| {
            Request::get("/api/auth/verify").bearer(CANARY)
        }),
        at(SpentAddress, "a path too many", "rate limit", spent, |_| {
            Request::get(format!("/{CANARY}"))
        }),
        at(SpentCaller, "a request too many of an account", "rate limit", spent, |w| {
            Request::get(format!("/api/auth/verify?{CANARY}")).bearer(&w.user)
        }),
        at(SpentLogin, "a login too many", "rate limit", spent, |_| login("admin")),
        at(SpentLogin, "a refresh too many", "rate limit", spent, |_| {
            Request::post("/api/auth/refresh").json(&json!({"refresh_token": CANARY}))
        }),
        at(Locked, "the right password, too late", "handler", "too-many-attempts", |_| {
            login("walker")
        }),
        at(Followed, "a follower too many", "handler", full, |w| {
            Request::get("/api/admin/events").bearer(&w.admin)
        }),
        at(LastConnections, "one of the last connections", "connection", full, |w| {
            Request::get(format!("/api/auth/verify?{CANARY}")).bearer(&w.user)
        }),
        at(LastConnections, "a login over one of the last", "connection", full, |_| login("admin")),
    ]
}

fn times() -> Vec<Row> {
    use Place::{Hurried, Impatient};
    let late = "deadline-exceeded";
    let mut rows = vec![
        at(Impatient, "a body that does not come", "body", "request-timeout", |_| login(CANARY)),
        at(Impatient, "an upload that does not come", "body", "request-timeout", |w| {
            Request::post("/api/demo/upload").bearer(&w.user).body(CANARY)
        }),
        bytes("a head that does not come", "connection", "request-timeout", |_| {
            format!("GET /{CANARY} HTTP/1.1\r\nHost: local").into_bytes()
        }),
        at(Hurried, "work that takes too long", "deadline", late, |w| {
            Request::get("/api/demo/work?io_ms=60000").bearer(&w.user)
        }),
        at(Hurried, "a value that takes too long", "deadline", late, |w| {
            Request::get(format!("/api/demo/cached/{CANARY}?load_ms=60000")).bearer(&w.user)
        }),
        at(Hurried, "a caller without time", "deadline", late, |w| {
            Request::get("/api/auth/verify").bearer(&w.user).header("X-Deadline-Ms", "0")
        }),
    ];
    for row in &mut rows[..2] {
        if let Sent::Request(way, _) = &mut row.sent {
            *way = Way::Stalled;
        }
    }
    rows[2].place = Impatient;
    rows
}

fn failures() -> Vec<Row> {
    use Place::FullDisk;
    let down = "dependency-unavailable";
    vec![
        at(FullDisk, "a login that cannot be kept", "database", down, |_| login("admin")),
        at(FullDisk, "a logout that cannot be kept", "database", down, |w| {
            Request::post("/api/auth/logout").bearer(&w.user)
        }),
        at(FullDisk, "an account that cannot be kept", "database", down, |w| {
            let password = format!("{CANARY} granite otter 79");
            let body = json!({"username": "new", "password": password, "roles": ["user"]});
            Request::post("/api/admin/users").bearer(&w.admin).json(&body)
        }),
        at(FullDisk, "an API key that cannot be kept", "database", down, |w| {
            let body = json!({"name": "a machine", "username": "walker", "scopes": ["demo"]});
            Request::post("/api/admin/api-keys").bearer(&w.admin).json(&body)
        }),
        at(FullDisk, "a backup that cannot be written", "handler", down, |w| {
            Request::post("/api/admin/backups").bearer(&w.admin)
        }),
        at(FullDisk, "a key that cannot be written", "handler", "internal", |w| {
            Request::post("/api/admin/keys/rotate").bearer(&w.admin)
        }),
    ]
}

fn changes() -> Vec<Row> {
    use Place::{BadFile, Draining, HandingOver, Tls};
    let mut rows = vec![
        at(HandingOver, "a restart during a restart", "restart", "conflict", |w| {
            Request::post("/api/restart").bearer(&w.admin)
        }),
        at(HandingOver, "a key during a restart", "restart", "conflict", |w| {
            Request::post("/api/admin/keys/rotate").bearer(&w.admin)
        }),
        at(BadFile, "a restart with a bad file", "configuration", "invalid-body", |w| {
            Request::post("/api/restart").bearer(&w.admin)
        }),
        at(BadFile, "a reload of a bad file", "configuration", "invalid-body", |w| {
            Request::post("/api/admin/config/reload").bearer(&w.admin)
        }),
        at(Draining, "a probe of who stops", "draining", "draining", |_| Request::get("/readyz")),
        bytes("plain HTTP to TLS", "tls", "invalid-request", |_| {
            Request::get(format!("/{CANARY}")).bytes()
        }),
    ];
    rows[5].place = Tls;
    rows
}
