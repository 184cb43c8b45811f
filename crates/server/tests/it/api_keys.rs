//! Keys for machines, from their making to their end.

use serde_json::{Value, json};

use crate::{
    client::Request,
    server::{Home, PASSWORD, Server},
};

/// A key of `username`: its id and its secret.
fn make(server: &Server, admin: &str, username: &str, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": "a machine", "username": username, "scopes": scopes});
    let made = server.post("/api/admin/api-keys", admin, &body).expect(201).json();
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    (text("id"), text("secret"))
}

/// The random part of a secret, in which there may be more of what separates it.
fn random(secret: &str) -> &str {
    secret.splitn(3, '_').nth(2).expect("three parts")
}

fn patch(server: &Server, admin: &str, name: &str, body: &Value) {
    let path = format!("/api/admin/users/{name}");
    server.send(&Request::new("PATCH", path).bearer(admin).json(body)).expect(200);
}

fn revoke(server: &Server, admin: &str, id: &str) {
    let path = format!("/api/admin/api-keys/{id}");
    server.send(&Request::new("DELETE", path).bearer(admin)).expect(204);
}

#[test]
fn a_key_is_taken_wherever_a_token_is_as_far_as_its_scopes_reach() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let (id, secret) = make(&server, &admin, "admin", &["status", "users"]);
    assert!(secret.starts_with("gabion_"), "{secret}");
    let verified = server.get("/api/auth/verify", &secret).expect(200).json();
    assert_eq!((&verified["username"], &verified["session"]), (&json!("admin"), &json!(id)));
    server.get("/api/admin/status", &secret).expect(200);
    server.get("/api/metrics", &secret).expect(200);
    server.get("/api/admin/users", &secret).expect(200);
    server.get("/api/admin/config", &secret).problem("forbidden");
    server.get("/api/admin/audit", &secret).problem("forbidden");
    server.send(&Request::post("/api/restart").bearer(&secret)).problem("forbidden");
    let batch = json!({"requests": [
        {"id": "a", "method": "GET", "path": "/api/admin/users"},
        {"id": "b", "method": "GET", "path": "/api/admin/config"},
    ]});
    let answers = server.post("/api/batch", &secret, &batch).expect(200).json();
    assert_eq!(answers["responses"][0]["status"], 200);
    assert_eq!(answers["responses"][1]["status"], 403);
}

#[test]
fn what_belongs_to_a_person_is_closed_to_every_key() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let all = ["audit", "backups", "config", "demo", "keys", "restart", "status", "users"];
    let (id, secret) = make(&server, &admin, "admin", &all);
    server.get("/api/auth/sessions", &secret).problem("forbidden");
    server.send(&Request::post("/api/auth/logout").bearer(&secret)).problem("forbidden");
    let body = json!({"current": PASSWORD, "new": "another granite otter 78"});
    server.post("/api/auth/password", &secret, &body).problem("forbidden");
    server.get("/api/admin/api-keys", &secret).problem("forbidden");
    let body = json!({"name": "offspring", "username": "admin", "scopes": all});
    server.post("/api/admin/api-keys", &secret, &body).problem("forbidden");
    let itself = Request::new("DELETE", format!("/api/admin/api-keys/{id}")).bearer(&secret);
    server.send(&itself).problem("forbidden");
    assert!(server.accepts(&secret));
}

#[test]
fn a_key_does_what_its_account_may_at_that_moment() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    server.add(&admin, "machine", &["monitor"]);
    let (_, secret) = make(&server, &admin, "machine", &["status", "users"]);
    server.get("/api/admin/status", &secret).expect(200);
    server.get("/api/admin/users", &secret).problem("forbidden");
    patch(&server, &admin, "machine", &json!({"roles": ["user"]}));
    server.get("/api/admin/status", &secret).problem("forbidden");
    patch(&server, &admin, "machine", &json!({"roles": ["admin"]}));
    server.get("/api/admin/users", &secret).expect(200);
    patch(&server, &admin, "machine", &json!({"enabled": false}));
    server.get("/api/admin/users", &secret).problem("unauthenticated");
}

#[test]
fn a_new_password_ends_sessions_and_no_key() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let session = server.add(&admin, "machine", &["user"]).access;
    let (_, secret) = make(&server, &admin, "machine", &[]);
    patch(&server, &admin, "machine", &json!({"password": "another granite otter 78"}));
    assert!(!server.accepts(&session) && server.accepts(&secret));
}

#[test]
fn a_revoked_key_is_refused_at_once_and_after_a_kill() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let (id, secret) = make(&server, &admin, "admin", &["status"]);
    let (_, other) = make(&server, &admin, "admin", &["status"]);
    assert!(server.accepts(&secret) && server.accepts(&secret));
    revoke(&server, &admin, &id);
    assert!(!server.accepts(&secret));
    server.kill();
    let server = home.start(&[]);
    assert!(!server.accepts(&secret) && server.accepts(&other));
    let again = Request::new("DELETE", format!("/api/admin/api-keys/{id}"));
    server.send(&again.bearer(&server.admin())).problem("not-found");
}

#[test]
fn a_restore_brings_no_revoked_key_back() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let (id, revoked) = make(&server, &admin, "admin", &["status"]);
    let (_, kept) = make(&server, &admin, "admin", &["status"]);
    let made = server.send(&Request::post("/api/admin/backups").bearer(&admin)).expect(201).json();
    revoke(&server, &admin, &id);
    server.stop();
    home.run(&["backup", "restore", made["id"].as_str().expect("an id")]).good();
    let server = home.start(&[]);
    assert!(!server.accepts(&revoked) && server.accepts(&kept));
}

#[test]
fn the_secret_is_shown_once_and_never_again() {
    let home = Home::new();
    let server = home.start(&["log.level=trace"]);
    let admin = server.admin();
    let (_, secret) = make(&server, &admin, "admin", &["status"]);
    assert!(server.accepts(&secret));
    let random = random(&secret);
    let listed = server.get("/api/admin/api-keys", &admin).expect(200).text();
    assert!(listed.contains("a machine") && !listed.contains(random), "{listed}");
    let database = std::fs::read(home.data("gabion.sqlite3-wal")).unwrap_or_default();
    let holds = |bytes: &[u8]| bytes.windows(random.len()).any(|part| part == random.as_bytes());
    assert!(!database.is_empty() && !holds(&database));
    server.stop_and(|log| assert!(!log.contains(random)));
}

#[test]
fn respelled_and_foreign_keys_are_refused() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let (id, secret) = make(&server, &admin, "admin", &["status"]);
    let (_, other) = make(&server, &admin, "admin", &["status"]);
    for bad in [
        format!("{secret}="),
        secret.to_uppercase(),
        secret[..secret.len() - 1].to_owned(),
        format!("gabion_{id}_{}", random(&other)),
        format!("gabion_{id}_"),
        "gabion_".to_owned(),
    ] {
        let refused = server.get("/api/auth/verify", &bad);
        let challenge = refused.header("www-authenticate").expect("a challenge").to_owned();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        refused.problem("unauthenticated");
    }
    assert!(server.accepts(&secret));
}

#[test]
fn commands_make_list_and_end_keys_with_and_without_a_server() {
    let home = Home::new();
    let arguments =
        ["api-key", "create", "ci", "--user", "admin", "--scope", "status", "--expires", "30d"];
    let server = home.start(&[]);
    let online = home.run(&arguments).good().trim().to_owned();
    assert!(server.accepts(&online));
    server.get("/api/admin/status", &online).expect(200);
    server.stop();

    let offline = home.run(&arguments).good().trim().to_owned();
    let listed = home.run(&["api-key", "list", "--json"]).json();
    let listed = listed.as_array().expect("a list");
    assert_eq!(listed.len(), 2);
    // Written down when the server stopped.
    assert!(listed[0]["last_used_at"].is_string() && listed[1]["last_used_at"].is_null());
    let first = listed[0]["id"].as_str().expect("an id");
    home.run(&["api-key", "revoke", first]).good();

    let server = home.start(&[]);
    assert!(!server.accepts(&online) && server.accepts(&offline));
    let second = listed[1]["id"].as_str().expect("an id");
    home.run(&["api-key", "revoke", second]).good();
    assert!(!server.accepts(&offline));
    let events = server.get("/api/admin/audit?action=api-key.revoke", &server.admin());
    let events = events.expect(200).json();
    let actors: Vec<&Value> =
        events["events"].as_array().expect("a list").iter().map(|e| &e["actor"]).collect();
    assert_eq!(actors, ["local", "local"]);
}
