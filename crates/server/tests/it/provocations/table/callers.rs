//! Callers: who they are, and what they may do.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::{Row, usual};
use crate::{client::Request, provocations::CANARY};

fn verify() -> Request {
    Request::get(format!("/api/auth/verify?token={CANARY}"))
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = unknown();
    rows.extend(known());
    rows
}

fn unknown() -> Vec<Row> {
    let code = "unauthenticated";
    vec![
        usual("no token", "authentication", code, |_| verify()),
        usual("no token for an administrator's route", "authentication", code, |_| {
            Request::get(format!("/api/admin/users?{CANARY}"))
        }),
        usual("a token of another scheme", "authentication", code, |_| {
            verify().header("Authorization", format!("Basic {CANARY}"))
        }),
        usual("a token that is none", "authentication", code, |_| verify().bearer(CANARY)),
        usual("an empty token", "authentication", code, |_| verify().bearer("")),
        usual("two tokens", "authentication", code, |w| verify().bearer(&w.user).bearer(CANARY)),
        usual("a token with another signature", "authentication", code, |w| {
            let (rest, _) = w.user.rsplit_once('.').expect("a signature");
            verify().bearer(&format!("{rest}.{}", URL_SAFE_NO_PAD.encode([7; 32])))
        }),
        usual("a token without a signature", "authentication", code, |w| {
            let claims = w.user.split('.').nth(1).expect("claims");
            let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
            verify().bearer(&format!("{none}.{claims}."))
        }),
        usual("a token of a session that was ended", "authentication", code, |w| {
            verify().bearer(&w.ended)
        }),
        usual("a token of an account that was disabled", "authentication", code, |w| {
            verify().bearer(&w.disabled)
        }),
        usual("an API key that is none", "authentication", code, |w| {
            verify().bearer(&format!("{}{CANARY}", w.key))
        }),
        usual("a refresh token that is none", "handler", code, |_| {
            Request::post("/api/auth/refresh").json(&json!({"refresh_token": CANARY}))
        }),
        usual("gRPC without a token", "authentication", code, |_| {
            let request = Request::post("/api/batch").header("TE", "trailers");
            let request = request.header("Content-Type", "application/grpc+proto");
            request.body(b"\0\0\0\0\0".as_slice())
        }),
        usual("a wrong password", "handler", "invalid-credentials", |_| {
            let body = json!({"username": "admin", "password": format!("{CANARY} one two three")});
            Request::post("/api/auth/login").json(&body)
        }),
        usual("an unknown account", "handler", "invalid-credentials", |_| {
            let body = json!({"username": "nobody", "password": format!("{CANARY} one two three")});
            Request::post("/api/auth/login").json(&body)
        }),
        usual("a wrong password of one's own", "handler", "invalid-credentials", |w| {
            let wrong = format!("{CANARY} one");
            let body = json!({"current": wrong, "new": "another granite otter 78"});
            Request::post("/api/auth/password").bearer(&w.user).json(&body)
        }),
    ]
}

fn known() -> Vec<Row> {
    vec![
        usual("a user among administrators", "authorization", "forbidden", |w| {
            Request::get(format!("/api/admin/users?{CANARY}")).bearer(&w.user)
        }),
        usual("a user who restarts", "authorization", "forbidden", |w| {
            Request::post("/api/restart").bearer(&w.user).json(&json!({"canary": CANARY}))
        }),
        usual("a user who reads metrics", "authorization", "forbidden", |w| {
            Request::get("/api/metrics").bearer(&w.user)
        }),
        usual("a key beyond its scope", "authorization", "forbidden", |w| {
            Request::get("/api/admin/status").bearer(&w.key)
        }),
        usual("a key on a route of people", "authorization", "forbidden", |w| {
            Request::get("/api/auth/sessions").bearer(&w.key)
        }),
        usual("an unknown session", "handler", "not-found", |w| {
            let id = "0123456789abcdef0123456789abcdef";
            Request::new("DELETE", format!("/api/auth/sessions/{id}")).bearer(&w.user)
        }),
        usual("an account that is not there", "handler", "not-found", |w| {
            let patch = Request::new("PATCH", format!("/api/admin/users/{CANARY}"));
            patch.bearer(&w.admin).json(&json!({"enabled": true}))
        }),
        usual("an API key that is not there", "handler", "not-found", |w| {
            Request::new("DELETE", format!("/api/admin/api-keys/{CANARY}")).bearer(&w.admin)
        }),
        usual("a signing key that is not there", "handler", "not-found", |w| {
            Request::new("DELETE", "/api/admin/keys/none").bearer(&w.admin)
        }),
        usual("a backup that is not there", "handler", "not-found", |w| {
            Request::post(format!("/api/admin/backups/{CANARY}/verify")).bearer(&w.admin)
        }),
        usual("a version that is not there", "handler", "not-found", |w| {
            let body = json!({"version": 999});
            Request::post("/api/admin/config/rollback").bearer(&w.admin).json(&body)
        }),
        usual("an account that is there already", "handler", "conflict", |w| {
            let password = format!("{CANARY} granite otter 79");
            let body = json!({"username": "walker", "password": password, "roles": ["user"]});
            Request::post("/api/admin/users").bearer(&w.admin).json(&body)
        }),
        usual("the last administrator", "handler", "conflict", |w| {
            let body = json!({"enabled": false});
            Request::new("PATCH", "/api/admin/users/admin").bearer(&w.admin).json(&body)
        }),
        usual("a confirmation of nothing", "handler", "conflict", |w| {
            Request::post("/api/admin/config/confirm").bearer(&w.admin)
        }),
    ]
}
