//! A server with an account of each role, and an eye on everything it answers.

use serde_json::Value;

use super::table::{Access, Row};
use crate::{
    client::{Client, Request, Response},
    server::{Home, Server},
};

pub(super) struct World {
    pub(super) server: Server,
    pub(super) home: Home,
    pub(super) admin: String,
    pub(super) monitor: String,
    pub(super) user: String,
    document: Value,
}

impl World {
    #[track_caller]
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    #[track_caller]
    pub(super) fn with(sets: &[&str]) -> Self {
        let home = Home::new();
        let file = home.write("gabion.toml", "# the first version\n");
        let sets: Vec<&str> = ["demo.enabled=true"].iter().chain(sets).copied().collect();
        let server = home.start_as(&["serve", "--print-ready", "--config", &file], &sets);
        let admin = server.admin();
        let monitor = server.add(&admin, "watcher", &["monitor"]).access;
        let user = server.add(&admin, "walker", &["user"]).access;
        let document = server.send(&Request::get("/api/openapi.json")).expect(200).json();
        Self { server, home, admin, monitor, user, document }
    }

    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// A token with the least role that the route asks for.
    pub(super) fn token(&self, row: &Row) -> Option<&str> {
        match row.access {
            Access::Public => None,
            Access::Bearer => Some(&self.user),
            Access::Monitor => Some(&self.monitor),
            Access::Admin => Some(&self.admin),
        }
    }

    /// The request as somebody who may send it.
    pub(super) fn allowed(&self, row: &Row, request: Request) -> Request {
        match self.token(row) {
            Some(token) => request.bearer(token),
            None => request,
        }
    }

    /// Sends a request that belongs to `row`.
    #[track_caller]
    pub(super) fn send(&self, row: &Row, request: &Request) -> Response {
        let response = self.server.send(request);
        self.check(row, &response);
        response
    }

    /// Checks what holds for each answer of a route: its headers, and that the API document knows the
    /// status.
    #[track_caller]
    pub(super) fn check(&self, row: &Row, response: &Response) {
        response.has_usual_headers();
        let told = format!("{} {} {}", row.method, row.path, response.status);
        let operation = &self.document["paths"][row.path][row.method.to_lowercase()];
        let documented = &operation["responses"][response.status.to_string()];
        assert!(documented.is_object(), "{told} is not documented");
        let media = response.header("content-type");
        let media = media.and_then(|media| media.split(';').next());
        if let Some(media) = media.filter(|_| response.status != 204) {
            assert!(documented["content"][media].is_object(), "{told} {media} is not documented");
        }
        if response.status >= 400 {
            let code = response.json()["code"].as_str().map(str::to_owned);
            let code = code.unwrap_or_else(|| panic!("{told} has no code"));
            response.problem(&code);
            let codes = documented["x-codes"].as_array().map(Vec::as_slice).unwrap_or_default();
            assert!(codes.iter().any(|known| *known == code.as_str()), "{told} {code}: {codes:?}");
        }
        let cacheable = row.is_cacheable() && response.status < 300;
        let kept = response.header("cache-control") != Some("no-store");
        assert_eq!(kept, cacheable, "{told} {:?}", response.header("cache-control"));
        let limits = response.limits();
        // What is too large by its head is told before anything is counted.
        if response.status != 413 {
            let counted = limits.contains(&"address".to_owned());
            assert_eq!(counted, row.is_limited(), "{told} {limits:?}");
        }
    }

    #[track_caller]
    pub(super) fn client(&self) -> Client {
        self.server.client()
    }
}
