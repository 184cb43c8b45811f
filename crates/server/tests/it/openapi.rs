//! The API document and the server hold each other to what they say. What is sent here comes from the
//! document, so a new route is looked at without anybody listing it.

mod addresses;
mod bodies;
mod callers;
pub(crate) mod document;
mod faces;
mod page;
mod schema;
mod told;

use serde_json::{Value, json};

use self::document::{Document, Operation};
use crate::{
    client::{Request, Response},
    server::{Home, Server},
};

/// A server with callers of every kind, and its document.
struct World {
    server: Server,
    document: Document,
    /// Who may do anything.
    admin: String,
    /// A token for each role.
    roles: Vec<(&'static str, String)>,
    /// An API key of the administrator that is good for nothing.
    key: String,
    _home: Home,
}

impl World {
    #[track_caller]
    fn new(sets: &[&str]) -> Self {
        let home = Home::new();
        let free = ["address", "caller", "login"].map(|name| {
            [
                format!("limits.rate.{name}.quota=1000000/s"),
                format!("limits.rate.{name}.burst=1000000"),
            ]
        });
        let free = free.iter().flatten().map(String::as_str);
        let sets: Vec<&str> =
            free.chain(["demo.enabled=true"]).chain(sets.iter().copied()).collect();
        let server = home.start(&sets);
        let admin = server.admin();
        let token = |role: &'static str| {
            let name = format!("the-{role}");
            (role, server.add(&admin, &name, &[role]).access)
        };
        let roles = ["admin", "monitor", "user"].map(token).to_vec();
        let body = json!({"name": "nothing", "username": "admin", "scopes": []});
        let made = server.post("/api/admin/api-keys", &admin, &body).expect(201).json();
        let key = made["secret"].as_str().expect("a secret").to_owned();
        let document = Document::of(&server);
        Self { server, document, admin, roles, key, _home: home }
    }

    /// The request as somebody who may send it.
    fn allowed(&self, operation: &Operation, request: Request) -> Request {
        if operation.is_guarded() { request.bearer(&self.admin) } else { request }
    }

    /// Sends a request to `operation`, and checks that the document knows the answer.
    #[track_caller]
    fn send(&self, operation: &Operation, request: &Request) -> Response {
        let response = self.server.send(request);
        self.document.check(&operation.method, &operation.path, &response);
        response
    }

    /// The same with nothing but what a caller has to show.
    #[track_caller]
    fn refused(&self, operation: &Operation, request: Request, code: &str) -> Value {
        self.send(operation, &self.allowed(operation, request)).problem(code)
    }
}

/// Whether a success is words alone: pages, probes and metrics, to whose addresses others append things.
pub(crate) fn is_text(content: &Value) -> bool {
    let mut media = content.as_object().into_iter().flat_map(|content| content.keys()).peekable();
    media.peek().is_some()
        && media.all(|media| ["text/html", "text/plain"].contains(&media.as_str()))
}
