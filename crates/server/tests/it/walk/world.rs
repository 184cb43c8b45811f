//! A server with an account of each role, and an eye on everything it answers.

use serde_json::Value;

use super::table::{Access, Row};
use crate::{
    client::{Client, Request, Response},
    openapi::document::Document,
    server::{Home, Server},
};

pub(super) struct World {
    pub(super) server: Server,
    pub(super) home: Home,
    pub(super) admin: String,
    pub(super) monitor: String,
    pub(super) user: String,
    document: Document,
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
        let document = Document::of(&server);
        Self { server, home, admin, monitor, user, document }
    }

    pub(super) fn document(&self) -> &Value {
        self.document.whole()
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

    /// Checks what holds for each answer of a route: that the API document tells of it, who may keep it,
    /// and that it was counted.
    #[track_caller]
    pub(super) fn check(&self, row: &Row, response: &Response) {
        let told = format!("{} {} {}", row.method, row.path, response.status);
        self.document.check(row.method, row.path, response);
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
