//! Who may call, and by which methods.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::client::Request;

const METHODS: [&str; 9] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"];

#[test]
fn another_method_is_refused_with_those_that_work() {
    let world = World::new(&[]);
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let operations = world.document.operations();
    for operation in &operations {
        let own = methods.entry(operation.path.clone()).or_default();
        own.insert(operation.method.clone());
        if operation.method == "GET" {
            own.insert("HEAD".to_owned());
        }
    }
    for operation in &operations {
        let own = &methods[&operation.path];
        for method in METHODS {
            if own.contains(method) {
                continue;
            }
            let response = world.server.send(&Request::new(method, operation.request().target));
            response.problem("method-not-allowed");
            response.has_usual_headers();
            let allow = response.header("allow").unwrap_or_default();
            let allowed: BTreeSet<String> = allow.split(", ").map(str::to_owned).collect();
            assert_eq!(allowed, *own, "{method} {}", operation.path);
        }
    }
}

#[test]
fn who_shows_nothing_or_something_bad_is_refused() {
    let world = World::new(&[]);
    for operation in world.document.operations().iter().filter(|it| it.is_guarded()) {
        world.send(operation, &operation.request()).problem("unauthenticated");
        for shown in ["Bearer", "Bearer x", "Basic YTpi", "Bearer a.b.c", "bearer  "] {
            let request = operation.request().header("Authorization", shown);
            world.send(operation, &request).problem("unauthenticated");
        }
    }
}

#[test]
fn a_role_that_is_not_named_is_refused() {
    let world = World::new(&[]);
    for operation in world.document.operations() {
        let named = operation.roles();
        if named.is_empty() {
            continue;
        }
        for (role, token) in world.roles.iter().filter(|(role, _)| !named.contains(role)) {
            let response = world.send(&operation, &operation.request().bearer(token));
            assert_eq!(response.status, 403, "{role} at {}", operation.name());
            response.problem("forbidden");
        }
    }
}

#[test]
fn an_api_key_without_the_scope_is_refused() {
    let world = World::new(&[]);
    for operation in world.document.operations().iter().filter(|it| it.is_guarded()) {
        let scope = &operation.told["x-api-key-scope"];
        if scope.is_null() {
            continue;
        }
        world.send(operation, &operation.request().bearer(&world.key)).problem("forbidden");
    }
}
