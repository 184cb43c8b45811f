//! Every route of the contract, walked: what it answers when all is well, and what it does with faults that are its
//! own. Those that the document itself knows of are in [`openapi`](crate::openapi).

mod batch;
mod table;
mod world;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::{
    table::{Access, Body, ROWS, Row},
    world::World,
};
use crate::{
    client::{Request, Response},
    server::{PASSWORD, Tokens},
};

/// Sends what the route is for, with everything it needs.
fn succeed(world: &World, row: &Row) -> Response {
    let fresh = |name: &str| world.server.add(&world.admin, name, &["user"]);
    let request = match (row.method, row.path) {
        (_, "/api/auth/refresh") => {
            let Tokens { refresh, .. } = fresh("refresher");
            row.request().json(&json!({"refresh_token": refresh}))
        }
        (_, "/api/auth/logout") => row.request().bearer(&fresh("leaver").access),
        (_, "/api/auth/password") => {
            let body = json!({"current": PASSWORD, "new": "another granite otter 78"});
            row.request().bearer(&fresh("changer").access).json(&body)
        }
        (_, "/api/auth/sessions/{id}") => {
            let Tokens { access, .. } = fresh("sitter");
            let verified = world.server.get("/api/auth/verify", &access).expect(200).json();
            let session = verified["session"].as_str().expect("a session");
            Request::new("DELETE", format!("/api/auth/sessions/{session}")).bearer(&access)
        }
        (_, "/api/admin/backups/{id}/verify") => {
            let made = world.server.send(&Request::post("/api/admin/backups").bearer(&world.admin));
            let id = made.expect(201).json()["id"].as_str().expect("an id").to_owned();
            world.allowed(row, Request::post(format!("/api/admin/backups/{id}/verify")))
        }
        (_, "/api/admin/api-keys/{id}") => {
            let body = json!({"name": "brief", "username": "walker", "scopes": []});
            let made = world.server.post("/api/admin/api-keys", &world.admin, &body);
            let id = made.expect(201).json()["id"].as_str().expect("an id").to_owned();
            world.allowed(row, Request::new("DELETE", format!("/api/admin/api-keys/{id}")))
        }
        (_, "/api/admin/keys/{kid}") => {
            // One that nobody's token is signed with.
            let rotate = Request::post("/api/admin/keys/rotate").bearer(&world.admin);
            let [kid, _] = [(); 2].map(|()| world.server.send(&rotate).expect(201).json());
            let kid = kid["kid"].as_str().expect("a name").to_owned();
            world.allowed(row, Request::new("DELETE", format!("/api/admin/keys/{kid}")))
        }
        (_, "/api/admin/config/rollback") => {
            world.home.write("gabion.toml", "[limits.size]\njson_body = \"32KiB\"\n");
            let reload = Request::post("/api/admin/config/reload").bearer(&world.admin);
            world.server.send(&reload).expect(200);
            world.allowed(row, row.request())
        }
        (_, "/api/demo/upload") => {
            let upload = row.request().header("Content-Type", "image/png").body(vec![7; 100_000]);
            world.allowed(row, upload)
        }
        ("POST" | "PATCH", _) if row.takes_json() => {
            world.allowed(row, row.request().json(&row.good_body()))
        }
        _ => world.allowed(row, row.request()),
    };
    world.send(row, &request).expect(row.success)
}

/// The fields that a good answer has, by their JSON pointers.
fn promised(row: &Row) -> &'static [&'static str] {
    match (row.method, row.path) {
        (_, "/api/auth/login" | "/api/auth/refresh") => &[
            "/access_token",
            "/token_type",
            "/expires_in",
            "/refresh_token",
            "/refresh_expires_in",
        ],
        (_, "/api/auth/verify") => {
            &["/subject", "/username", "/roles/0", "/session", "/issued_at", "/expires_at"]
        }
        (_, "/api/auth/sessions") => &["/sessions/0/id"],
        (_, "/.well-known/jwks.json") => &["/keys"],
        (_, "/api/batch") => &["/responses/0/id", "/responses/0/status", "/responses/0/body"],
        (_, "/api/health") => &["/status"],
        (_, "/api/restart") => &["/generation"],
        (_, "/api/admin/status") => {
            &["/budgets/0", "/admission", "/limits", "/cache/0", "/resources", "/alerts"]
        }
        ("GET", "/api/admin/users") => &["/users/0/username", "/users/0/roles"],
        ("POST", "/api/admin/users") | ("PATCH", _) => &["/username", "/roles", "/enabled"],
        ("GET", "/api/admin/api-keys") => &["/api_keys"],
        ("POST", "/api/admin/api-keys") => &["/id", "/secret", "/expires_at", "/scopes/0"],
        ("GET", "/api/admin/keys") => &["/keys/0/kid", "/keys/0/algorithm", "/keys/0/signs"],
        (_, "/api/admin/keys/rotate") => &["/kid", "/algorithm", "/created_at", "/signs"],
        (_, "/api/admin/audit") => &["/events/0/action", "/events/0/at"],
        (_, "/api/admin/config") => &["/version", "/values/0/key", "/values/0/origin"],
        (_, "/api/admin/config/reload" | "/api/admin/config/rollback") => {
            &["/version", "/changed", "/needs_restart"]
        }
        ("GET", "/api/admin/backups") => &["/backups"],
        ("POST", "/api/admin/backups") | (_, "/api/admin/backups/{id}/verify") => &["/id"],
        (_, "/api/openapi.json") => &["/openapi", "/paths"],
        (_, "/api/problems/{code}") => &["/code", "/status", "/title"],
        (_, "/api/demo/cached/{key}") => &["/key", "/value", "/loaded_at"],
        (_, "/api/demo/upload") => &["/bytes", "/sha256"],
        _ => &[],
    }
}

#[test]
fn every_route_does_what_it_is_for() {
    let world = World::new();
    // Events do not end, and a restart comes last.
    let others = ["/api/admin/events", "/api/restart"];
    for row in ROWS.iter().filter(|row| !others.contains(&row.path)) {
        let response = succeed(&world, row);
        for pointer in promised(row) {
            let body = response.json();
            assert!(body.pointer(pointer).is_some(), "{} has no {pointer}: {body}", row.path);
        }
        if response.status == 204 {
            assert!(response.body.is_empty(), "{}", row.path);
        }
    }
    let restart = ROWS.iter().find(|row| row.path == "/api/restart").expect("the table has it");
    assert_eq!(succeed(&world, restart).json(), json!({"generation": 2}));
}

#[test]
fn events_are_the_status_document_again_and_again() {
    let world = World::new();
    let row = ROWS.iter().find(|row| row.path == "/api/admin/events").expect("the table has it");
    let mut client = world.client();
    client.raw(&world.allowed(row, row.request()).bytes());
    let head = client.read_head().expect("a head");
    world.check(row, &head);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    let mut text = String::new();
    while text.matches("\n\n").count() < 2 {
        let chunk = client.read_chunk().expect("another event");
        assert!(!chunk.is_empty(), "the events end");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    for event in text.split_terminator("\n\n") {
        let data = event.strip_prefix("data: ").expect("data");
        let document: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(document["state"], "ready");
    }
}

#[test]
fn the_table_and_the_api_document_name_the_same_routes() {
    let world = World::new();
    let paths = world.document()["paths"].as_object().expect("paths");
    let documented: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, operations)| {
            let methods = operations.as_object().expect("operations").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let walked: BTreeSet<String> =
        ROWS.iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    assert_eq!(walked, documented);
    for row in ROWS {
        let operation = &paths[row.path][row.method.to_lowercase()];
        let ways = operation["security"].as_array().expect("ways to call");
        let guarded = !ways.is_empty() && !ways.contains(&json!({}));
        assert_eq!(guarded, row.access != Access::Public, "{} {}", row.method, row.path);
        let roles = match row.access {
            Access::Public | Access::Bearer => Value::Null,
            Access::Monitor => json!(["monitor", "admin"]),
            Access::Admin => json!(["admin"]),
        };
        assert_eq!(operation["x-roles"], roles, "{} {}", row.method, row.path);
        let takes_body = operation["requestBody"].is_object();
        assert_eq!(takes_body, row.body != Body::None, "{} {}", row.method, row.path);
    }
}

#[test]
fn demo_routes_are_there_only_when_they_are_enabled() {
    let world = World::with(&["demo.enabled=false"]);
    let demo = ROWS.iter().filter(|row| row.path.starts_with("/api/demo/"));
    for row in demo {
        world.server.send(&world.allowed(row, row.request())).problem("not-found");
        assert!(world.document()["paths"][row.path].is_null(), "{}", row.path);
    }
}

#[test]
fn public_routes_serve_whoever_shows_a_bad_token() {
    let world = World::new();
    let readable = |row: &&Row| row.access == Access::Public && row.method == "GET";
    for row in ROWS.iter().filter(readable) {
        world.send(row, &row.request().bearer("a.b.c")).expect(row.success);
    }
}

#[test]
fn every_fault_of_a_body_is_told_at_once() {
    let world = World::new();
    for row in ROWS.iter().filter(|row| row.takes_json()) {
        for (body, faults) in row.bad_bodies() {
            let request = world.allowed(row, row.request().json(&body));
            let told = world.send(row, &request).faults();
            assert_eq!(told, faults, "{} {} {body}", row.method, row.path);
        }
    }
}

#[test]
fn faults_beyond_the_schema_are_told_as_well() {
    let world = World::new();
    let body = json!({"username": "Not A Name!", "password": "password", "roles": ["user"]});
    let told = world.server.post("/api/admin/users", &world.admin, &body).faults();
    let pointers: BTreeSet<&str> =
        told.iter().filter_map(|fault| fault.split(' ').next()).collect();
    assert_eq!(pointers, BTreeSet::from(["/password", "/username"]));
    let body = json!({"current": PASSWORD, "new": "walker walker walker"});
    let told = world.server.post("/api/auth/password", &world.user, &body).faults();
    assert!(told.iter().all(|fault| fault.starts_with("/new ")), "{told:?}");
    let body = json!({"password": "short"});
    let told = world
        .server
        .send(&Request::new("PATCH", "/api/admin/users/walker").bearer(&world.admin).json(&body));
    assert!(told.faults().iter().all(|fault| fault.starts_with("/password ")));
}

#[test]
fn faults_by_the_schema_hide_no_others() {
    let world = World::new();
    let (server, admin) = (&world.server, &world.admin);
    let body = json!({"username": "Bob!", "password": "password", "roles": ["zz"], "x": 1});
    let told = server.post("/api/admin/users", admin, &body);
    let places = |told: &Response| -> BTreeSet<String> {
        let faults = told.faults().into_iter();
        faults.filter_map(|fault| Some(fault.split(' ').next()?.to_owned())).collect()
    };
    let wanted = ["/password", "/roles/0", "/username", "/x"].map(str::to_owned);
    assert_eq!(places(&told), BTreeSet::from(wanted));
    let body = json!({"password": "password", "roles": ["zz"]});
    let request = Request::new("PATCH", "/api/admin/users/walker").bearer(admin).json(&body);
    let wanted = ["/password", "/roles/0"].map(str::to_owned);
    assert_eq!(places(&server.send(&request)), BTreeSet::from(wanted));
}

#[test]
fn a_password_that_breaks_the_policy_is_told_as_that() {
    let world = World::new();
    let body = json!({"username": "bob", "password": "password", "roles": ["user"]});
    let told = world.server.post("/api/admin/users", &world.admin, &body).problem("invalid-body");
    let detail = told["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("the body has ") && detail.contains("fault"), "{told}");
}

#[test]
fn what_is_not_there_is_not_found() {
    let world = World::new();
    let admin = &world.admin;
    for path in ["/nothing", "/api", "/api/auth/login/", "//", "/livez/x", "/api/problems/nothing"]
    {
        let response = world.server.get(path, admin);
        response.problem("not-found");
        response.has_usual_headers();
    }
    let find = |path| ROWS.iter().find(|row| row.path == path).expect("the table has it");
    let session = find("/api/auth/sessions/{id}");
    for id in ["0", "not-a-session", "00000000000000000000000000000000"] {
        let request =
            Request::new("DELETE", format!("/api/auth/sessions/{id}")).bearer(&world.user);
        world.send(session, &request).problem("not-found");
    }
    let user = find("/api/admin/users/{username}");
    for name in ["nobody", "..%2f..%2fx", "%20"] {
        let request = Request::new("PATCH", format!("/api/admin/users/{name}")).bearer(admin);
        world.send(user, &request.json(&json!({"enabled": true}))).problem("not-found");
    }
    let backup = find("/api/admin/backups/{id}/verify");
    for id in ["20260301T120000Z-1a2b", "..%2f..%2fetc", "x"] {
        let request = Request::post(format!("/api/admin/backups/{id}/verify")).bearer(admin);
        world.send(backup, &request).problem("not-found");
    }
    let rollback = find("/api/admin/config/rollback");
    let request = rollback.request().bearer(admin).json(&json!({"version": 999}));
    world.send(rollback, &request).problem("not-found");
}

#[test]
fn what_exists_already_is_a_conflict() {
    let world = World::new();
    let row = ROWS.iter().find(|row| (row.method, row.path) == ("POST", "/api/admin/users"));
    let row = row.expect("the table has it");
    let body = json!({"username": "walker", "password": PASSWORD, "roles": ["user"]});
    world.send(row, &row.request().bearer(&world.admin).json(&body)).problem("conflict");
}

#[test]
fn head_answers_as_get_without_a_body() {
    let world = World::new();
    for row in ROWS.iter().filter(|row| row.method == "GET") {
        let head = Request::new("HEAD", row.request().target);
        let mut client = world.client();
        let response = client.send(&world.allowed(row, head));
        world.check(row, &response);
        assert_eq!(response.status, row.success, "{}", row.path);
        // Bytes of a body would be taken for the head of this answer.
        client.send(&Request::get("/livez")).expect(200);
        if row.path != "/api/admin/events" {
            let full = succeed(&world, row);
            assert_eq!(
                response.header("content-type"),
                full.header("content-type"),
                "{}",
                row.path
            );
        }
    }
    let refused = world.server.client().send(&Request::new("HEAD", "/api/auth/verify"));
    assert_eq!((refused.status, refused.body.len()), (401, 0));
}

#[test]
fn methods_that_no_route_may_have_are_not_implemented() {
    let world = World::new();
    for (method, target) in [("CONNECT", "localhost:80"), ("BREW", "/livez"), ("BREW", "/none")] {
        let response = world.server.send(&Request::new(method, target));
        response.problem("not-implemented");
        response.has_usual_headers();
    }
}

#[test]
fn a_valid_request_id_is_kept_and_another_replaced() {
    let world = World::new();
    let send = |id: &str| {
        let response = world.server.send(&Request::get("/none").header("X-Request-Id", id));
        response.problem("not-found");
        response.header("x-request-id").expect("an id").to_owned()
    };
    assert_eq!(send("trace-7.A_b"), "trace-7.A_b");
    for bad in ["", "a b", "<script>", &"x".repeat(1000), "é"] {
        assert_ne!(send(bad), bad);
    }
    assert_ne!(send(""), send(""));
}
