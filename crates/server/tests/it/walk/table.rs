//! Every route of the contract's section 4.

use serde_json::{Value, json};

use crate::{client::Request, server::PASSWORD};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Public,
    Bearer,
    Monitor,
    Admin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Json,
    OptionalJson,
    Stream,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) body: Body,
    pub(super) success: u16,
}

const fn row(
    method: &'static str,
    path: &'static str,
    access: Access,
    body: Body,
    success: u16,
) -> Row {
    Row { method, path, access, body, success }
}

use Access::{Admin, Bearer, Monitor, Public};
use Body::{Json, OptionalJson, Stream};

pub(super) const ROWS: [Row; 40] = [
    row("POST", "/api/auth/login", Public, Json, 200),
    row("POST", "/api/auth/refresh", Public, Json, 200),
    row("POST", "/api/auth/logout", Bearer, OptionalJson, 204),
    row("GET", "/api/auth/verify", Bearer, Body::None, 200),
    row("POST", "/api/auth/password", Bearer, Json, 204),
    row("GET", "/api/auth/sessions", Bearer, Body::None, 200),
    row("DELETE", "/api/auth/sessions/{id}", Bearer, Body::None, 204),
    row("GET", "/.well-known/jwks.json", Public, Body::None, 200),
    row("POST", "/api/batch", Bearer, Json, 200),
    row("GET", "/api/health", Public, Body::None, 200),
    row("GET", "/livez", Public, Body::None, 200),
    row("GET", "/readyz", Public, Body::None, 200),
    row("GET", "/api/metrics", Monitor, Body::None, 200),
    row("POST", "/api/restart", Admin, Body::None, 202),
    row("GET", "/api/admin/status", Monitor, Body::None, 200),
    row("GET", "/api/admin/events", Monitor, Body::None, 200),
    row("GET", "/api/admin/users", Admin, Body::None, 200),
    row("POST", "/api/admin/users", Admin, Json, 201),
    row("PATCH", "/api/admin/users/{username}", Admin, Json, 200),
    row("GET", "/api/admin/api-keys", Admin, Body::None, 200),
    row("POST", "/api/admin/api-keys", Admin, Json, 201),
    row("DELETE", "/api/admin/api-keys/{id}", Admin, Body::None, 204),
    row("GET", "/api/admin/keys", Admin, Body::None, 200),
    row("POST", "/api/admin/keys/rotate", Admin, Body::None, 201),
    row("DELETE", "/api/admin/keys/{kid}", Admin, Body::None, 204),
    row("GET", "/api/admin/audit", Admin, Body::None, 200),
    row("GET", "/api/admin/config", Admin, Body::None, 200),
    row("POST", "/api/admin/config/reload", Admin, OptionalJson, 200),
    // No change awaits confirmation.
    row("POST", "/api/admin/config/confirm", Admin, Body::None, 409),
    row("POST", "/api/admin/config/rollback", Admin, OptionalJson, 200),
    row("GET", "/api/admin/backups", Admin, Body::None, 200),
    row("POST", "/api/admin/backups", Admin, Body::None, 201),
    row("POST", "/api/admin/backups/{id}/verify", Admin, Body::None, 200),
    row("GET", "/api/openapi.json", Public, Body::None, 200),
    row("GET", "/api/docs", Public, Body::None, 200),
    row("GET", "/api/problems/{code}", Public, Body::None, 200),
    row("GET", "/", Public, Body::None, 200),
    row("GET", "/api/demo/work", Bearer, Body::None, 200),
    row("GET", "/api/demo/cached/{key}", Bearer, Body::None, 200),
    row("POST", "/api/demo/upload", Bearer, Stream, 200),
];

impl Row {
    pub(super) fn takes_json(&self) -> bool {
        matches!(self.body, Json | OptionalJson)
    }

    pub(super) fn is_limited(&self) -> bool {
        !["/livez", "/readyz"].contains(&self.path)
    }

    /// Whether anybody may keep a good answer.
    pub(super) fn is_cacheable(&self) -> bool {
        let pages = ["/api/openapi.json", "/api/docs", "/api/problems/{code}", "/"];
        pages.contains(&self.path) || self.path == "/.well-known/jwks.json"
    }

    /// A request to the route with its parameters filled in.
    pub(super) fn request(&self) -> Request {
        let path = self
            .path
            .replace("{id}", "20260301T120000Z-1a2b")
            .replace("{username}", "walker")
            .replace("{code}", "forbidden")
            .replace("{kid}", "0123456789abcdef")
            .replace("{key}", "stone");
        Request::new(self.method, path)
    }

    /// A body that the route's schema accepts.
    pub(super) fn good_body(&self) -> Value {
        match self.path {
            "/api/auth/login" => json!({"username": "admin", "password": PASSWORD}),
            "/api/auth/refresh" => json!({"refresh_token": "none"}),
            "/api/auth/password" => json!({"current": PASSWORD, "new": PASSWORD}),
            "/api/batch" => json!({"requests": [{"id": "1", "method": "GET", "path": "/livez"}]}),
            "/api/admin/users" => {
                json!({"username": "someone", "password": PASSWORD, "roles": ["user"]})
            }
            "/api/admin/users/{username}" => json!({"enabled": true}),
            "/api/admin/api-keys" => {
                json!({"name": "a scraper", "username": "walker", "scopes": ["status"]})
            }
            _ => json!({}),
        }
    }

    /// Bodies with faults, and what must be told of each: every fault, sorted.
    pub(super) fn bad_bodies(&self) -> Vec<(Value, &'static [&'static str])> {
        let mut bad: Vec<(Value, &[&str])> = match self.path {
            "/api/auth/login" => vec![
                (json!({}), &["/password missing", "/username missing"]),
                (
                    json!({"username": 1, "password": ["x"], "extra": 0}),
                    &["/extra unknown", "/password type", "/username type"],
                ),
                (
                    json!({"username": "", "password": ""}),
                    &["/password length", "/username length"],
                ),
            ],
            "/api/auth/refresh" => vec![
                (json!({}), &["/refresh_token missing"]),
                (json!({"refresh_token": 1, "x~y": 1}), &["/refresh_token type", "/x~0y unknown"]),
            ],
            "/api/auth/logout" => {
                vec![(json!({"everywhere": "yes", "x": 1}), &["/everywhere type", "/x unknown"])]
            }
            "/api/auth/password" => vec![
                (json!({}), &["/current missing", "/new missing"]),
                (
                    json!({"current": 0, "new": 0, "x": 0}),
                    &["/current type", "/new type", "/x unknown"],
                ),
            ],
            "/api/batch" => vec![
                (json!({}), &["/requests missing"]),
                (json!({"requests": []}), &["/requests length"]),
                (json!({"requests": 1, "x": 1}), &["/requests type", "/x unknown"]),
                (
                    json!({"requests": [{"id": 1, "method": "GET"}, {"path": "", "x": 1}]}),
                    &[
                        "/requests/0/id type",
                        "/requests/0/path missing",
                        "/requests/1/id missing",
                        "/requests/1/method missing",
                        "/requests/1/path length",
                        "/requests/1/x unknown",
                    ],
                ),
            ],
            "/api/admin/users" => vec![
                (json!({}), &["/password missing", "/roles missing", "/username missing"]),
                (
                    json!({"username": 1, "password": null, "roles": ["user", "root"], "x": 1}),
                    &["/password type", "/roles/1 choice", "/username type", "/x unknown"],
                ),
            ],
            "/api/admin/users/{username}" => vec![(
                json!({"roles": ["root", 1], "enabled": "no", "password": 1, "x": 1}),
                &[
                    "/enabled type",
                    "/password type",
                    "/roles/0 choice",
                    "/roles/1 type",
                    "/x unknown",
                ],
            )],
            "/api/admin/api-keys" => vec![
                (json!({}), &["/name missing", "/scopes missing", "/username missing"]),
                (
                    json!({"name": "", "username": 1, "scopes": ["all", 1], "expires_in": 90}),
                    &[
                        "/expires_in type",
                        "/name length",
                        "/scopes/0 choice",
                        "/scopes/1 type",
                        "/username type",
                    ],
                ),
                (
                    json!({"name": "x\u{7}", "username": "a b", "scopes": [], "expires_in": "1s"}),
                    &["/expires_in format", "/name format", "/username format"],
                ),
                (
                    json!({"name": "\u{1f600}", "username": "walker", "scopes": []}),
                    &["/name format"],
                ),
                (json!({"name": "x", "username": "nobody", "scopes": []}), &["/username unknown"]),
                (
                    json!({"name": "x", "username": "walker", "scopes": [], "expires_in": "never"}),
                    &["/expires_in format"],
                ),
                (
                    json!({"name": "x", "username": "walker", "scopes": [], "expires_in": "3651d"}),
                    &["/expires_in format"],
                ),
            ],
            "/api/admin/config/reload" => {
                vec![
                    (json!({"confirm": 60, "x": 1}), &["/confirm type", "/x unknown"]),
                    (json!({"confirm": "0s"}), &["/confirm format"]),
                    (json!({"confirm": "25h"}), &["/confirm format"]),
                ]
            }
            "/api/admin/config/rollback" => vec![
                (json!({"version": "1", "x": 1}), &["/version type", "/x unknown"]),
                (json!({"version": 0}), &["/version range"]),
            ],
            other => panic!("{other} has no faults to try"),
        };
        bad.push((json!([]), &[" type"]));
        bad.push((json!("text"), &[" type"]));
        bad
    }
}
