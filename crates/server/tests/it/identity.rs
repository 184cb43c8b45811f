//! Sessions from login to logout, and what ends them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    client::{Request, Response},
    server::{Home, PASSWORD, Server, Tokens},
};

const OTHER: &str = "another granite otter 78";

fn change_password(server: &Server, token: &str, current: &str, new: &str) -> Response {
    server.post("/api/auth/password", token, &json!({"current": current, "new": new}))
}

fn logout(server: &Server, token: &str) {
    server.send(&Request::post("/api/auth/logout").bearer(token)).expect(204);
}

fn patch(server: &Server, admin: &str, name: &str, body: &Value) -> Response {
    let path = format!("/api/admin/users/{name}");
    server.send(&Request::new("PATCH", path).bearer(admin).json(body))
}

#[test]
fn a_refresh_token_is_good_once() {
    let home = Home::new();
    let server = home.start(&[]);
    let first = server.login("admin", PASSWORD);
    assert!(server.accepts(&first.access));
    let second = Tokens::of(&server.refresh(&first.refresh).expect(200));
    assert_ne!(first.refresh, second.refresh);
    assert!(server.accepts(&second.access));
    let third = Tokens::of(&server.refresh(&second.refresh).expect(200));
    assert!(server.accepts(&third.access));
}

// ASVS 7.3.2
#[test]
fn no_refresh_prolongs_a_session_beyond_its_whole_life() {
    let home = Home::new();
    let server = home.start(&["auth.refresh_ttl=30d", "auth.session_ttl=50s"]);
    let left =
        |response: &Response| response.json()["refresh_expires_in"].as_u64().expect("seconds");
    let login = server.try_login("admin", PASSWORD).expect(200);
    assert!(left(&login) <= 50);
    let refreshed = server.refresh(&Tokens::of(&login).refresh).expect(200);
    assert!(left(&refreshed) <= left(&login));
}

#[test]
fn reuse_of_a_refresh_token_ends_its_session_and_no_other() {
    let home = Home::new();
    let server = home.start(&[]);
    let other = server.login("admin", PASSWORD);
    let first = server.login("admin", PASSWORD);
    let second = Tokens::of(&server.refresh(&first.refresh).expect(200));
    server.refresh(&first.refresh).problem("unauthenticated");
    assert!(!server.accepts(&first.access));
    assert!(!server.accepts(&second.access));
    let told = server.refresh(&second.refresh).problem("unauthenticated");
    let detail = told["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("refresh token") && !detail.contains("access token"), "{told}");
    assert!(server.accepts(&other.access));
}

#[test]
fn logout_ends_both_tokens_and_no_other_session() {
    let home = Home::new();
    let server = home.start(&[]);
    let (leaving, staying) = (server.login("admin", PASSWORD), server.login("admin", PASSWORD));
    assert!(server.accepts(&leaving.access));
    logout(&server, &leaving.access);
    assert!(!server.accepts(&leaving.access));
    server.refresh(&leaving.refresh).problem("unauthenticated");
    assert!(server.accepts(&staying.access));
    server.refresh(&staying.refresh).expect(200);
}

#[test]
fn logout_everywhere_ends_every_session() {
    let home = Home::new();
    let server = home.start(&[]);
    let sessions = [(); 3].map(|()| server.login("admin", PASSWORD));
    let body = json!({"everywhere": true});
    server.post("/api/auth/logout", &sessions[1].access, &body).expect(204);
    for Tokens { access, refresh } in &sessions {
        assert!(!server.accepts(access));
        server.refresh(refresh).problem("unauthenticated");
    }
    server.login("admin", PASSWORD);
}

#[test]
fn a_new_password_ends_the_other_sessions() {
    let home = Home::new();
    let server = home.start(&[]);
    let (own, other) = (server.login("admin", PASSWORD), server.login("admin", PASSWORD));
    change_password(&server, &own.access, PASSWORD, OTHER).expect(204);
    assert!(server.accepts(&own.access));
    server.refresh(&own.refresh).expect(200);
    assert!(!server.accepts(&other.access));
    server.refresh(&other.refresh).problem("unauthenticated");
    server.try_login("admin", PASSWORD).problem("invalid-credentials");
    server.login("admin", OTHER);
}

#[test]
fn a_wrong_present_password_changes_nothing() {
    let home = Home::new();
    let server = home.start(&[]);
    let (own, other) = (server.login("admin", PASSWORD), server.login("admin", PASSWORD));
    change_password(&server, &own.access, OTHER, OTHER).problem("invalid-credentials");
    assert!(server.accepts(&other.access));
    server.login("admin", PASSWORD);
}

#[test]
fn a_changed_role_holds_for_the_next_request_with_the_old_token() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let ann = server.add(&admin, "ann", &["monitor"]).access;
    let metrics = Request::get("/api/metrics").bearer(&ann);
    // The same connection, so that nothing but the role has changed.
    let mut client = server.client();
    client.send(&metrics).expect(200);
    patch(&server, &admin, "ann", &json!({"roles": ["user"]})).expect(200);
    client.send(&metrics).problem("forbidden");
    assert_eq!(server.get("/api/auth/verify", &ann).expect(200).json()["roles"], json!(["user"]));
    patch(&server, &admin, "ann", &json!({"roles": ["user", "monitor"]})).expect(200);
    client.send(&metrics).expect(200);
}

#[test]
fn a_disabled_account_is_refused_with_its_old_tokens() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let ann = server.add(&admin, "ann", &["user"]);
    let verify = Request::get("/api/auth/verify").bearer(&ann.access);
    let mut client = server.client();
    client.send(&verify).expect(200);
    patch(&server, &admin, "ann", &json!({"enabled": false})).expect(200);
    client.send(&verify).problem("unauthenticated");
    server.refresh(&ann.refresh).problem("unauthenticated");
    server.try_login("ann", PASSWORD).problem("invalid-credentials");
    patch(&server, &admin, "ann", &json!({"enabled": true})).expect(200);
    // Its sessions have ended for good.
    client.send(&verify).problem("unauthenticated");
    server.login("ann", PASSWORD);
}

#[test]
fn the_last_administrator_cannot_lock_itself_out() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    server.add(&admin, "ann", &["user"]);
    for body in [
        json!({"enabled": false}),
        json!({"roles": ["user"]}),
        json!({"roles": [], "password": OTHER}),
    ] {
        let told = patch(&server, &admin, "admin", &body).problem("conflict");
        let detail = told["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("make another account an administrator first"), "{told}");
        assert!(server.accepts(&admin), "{body} ended a session");
    }
    patch(&server, &admin, "admin", &json!({"roles": ["admin", "user"]})).expect(200);
    patch(&server, &admin, "ann", &json!({"enabled": false, "roles": ["admin"]})).expect(200);
    // One that is disabled is of no help.
    patch(&server, &admin, "admin", &json!({"enabled": false})).problem("conflict");
    patch(&server, &admin, "ann", &json!({"enabled": true})).expect(200);
    patch(&server, &admin, "admin", &json!({"enabled": false})).expect(200);
    let ann = server.login("ann", PASSWORD).access;
    patch(&server, &ann, "ann", &json!({"roles": ["user"]})).problem("conflict");
}

#[test]
fn the_names_under_which_the_server_acts_cannot_be_taken() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    for name in ["local", "LOCAL", "start", "signal", "file"] {
        let body = json!({"username": name, "password": PASSWORD, "roles": ["user"]});
        let told = server.post("/api/admin/users", &admin, &body);
        assert_eq!(told.faults(), ["/username reserved"], "{name}");
        let body = json!({"username": name, "password": PASSWORD});
        let told = server.post("/api/admin/users", &admin, &body);
        assert_eq!(told.faults(), ["/roles missing", "/username reserved"], "{name}");
    }
    server.add(&admin, "locals", &["user"]);
}

#[test]
fn an_administrators_new_password_ends_every_session_of_the_account() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let ann = server.add(&admin, "ann", &["user"]);
    patch(&server, &admin, "ann", &json!({"password": OTHER})).expect(200);
    assert!(!server.accepts(&ann.access));
    server.refresh(&ann.refresh).problem("unauthenticated");
    server.login("ann", OTHER);
}

#[test]
fn a_token_is_good_for_its_own_purpose_only() {
    let home = Home::new();
    let server = home.start(&[]);
    let Tokens { access, refresh } = server.login("admin", PASSWORD);
    server.get("/api/auth/verify", &refresh).problem("unauthenticated");
    server.refresh(&access).problem("unauthenticated");
    // Neither attempt has harmed the session.
    assert!(server.accepts(&access));
    server.refresh(&refresh).expect(200);
}

#[test]
fn there_are_no_default_passwords() {
    let home = Home::new();
    let server = home.start(&[]);
    for (name, password) in [
        ("admin", "admin"),
        ("root", "root"),
        ("admin", "password"),
        ("admin", ""),
        ("local", "local"),
    ] {
        let response = server.try_login(name, password);
        let code = if password.is_empty() { "invalid-body" } else { "invalid-credentials" };
        response.problem(code);
    }
}

#[test]
fn unknown_wrong_and_disabled_are_answered_alike() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    server.add(&admin, "ann", &["user"]);
    server.add(&admin, "ben", &["user"]);
    patch(&server, &admin, "ben", &json!({"enabled": false})).expect(200);
    let shape = |name: &str, password: &str| {
        let response = server.try_login(name, password);
        let mut body = response.problem("invalid-credentials");
        body["request_id"] = Value::Null;
        let headers: BTreeSet<String> =
            response.headers.iter().map(|(name, _)| name.clone()).collect();
        let challenge = response.header("www-authenticate").map(str::to_owned);
        (response.status, body, headers, challenge)
    };
    let unknown = shape("nobody", PASSWORD);
    assert_eq!(shape("ann", OTHER), unknown);
    assert_eq!(shape("ben", PASSWORD), unknown);
    assert_eq!(shape("Not a Name!", PASSWORD), unknown);
    assert_eq!(shape("ann", &"x".repeat(1000)), unknown);
}

#[test]
fn sessions_are_listed_and_ended_one_by_one() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let own = server.add(&admin, "ann", &["user"]).access;
    let other = server.login("ann", PASSWORD).access;
    let list = server.get("/api/auth/sessions", &own).expect(200).json();
    let sessions = list["sessions"].as_array().expect("sessions");
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    let ended = sessions.iter().find(|session| session["current"] == false).expect("the other");
    let path = format!("/api/auth/sessions/{}", ended["id"].as_str().expect("an id"));
    // Nobody ends the sessions of others, not even an administrator by this route.
    server.send(&Request::new("DELETE", &path).bearer(&admin)).problem("not-found");
    assert!(server.accepts(&other));
    server.send(&Request::new("DELETE", &path).bearer(&own)).expect(204);
    assert!(!server.accepts(&other));
    assert!(server.accepts(&own));
    server.send(&Request::new("DELETE", &path).bearer(&own)).problem("not-found");
}

#[test]
fn a_token_that_was_changed_is_refused() {
    let home = Home::new();
    let server = home.start(&[]);
    let token = server.admin();
    let [head, payload, signature]: [&str; 3] =
        token.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let forged = [
        format!("{head}.{payload}."),
        format!("{head}.{payload}"),
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{token}="),
        format!("{token}.{signature}"),
        format!("{head}.{payload}A.{signature}"),
        format!("{head}.{}.{signature}", payload.to_lowercase()),
        // Bits beyond the last byte: another spelling of the same signature.
        respelled(&token),
    ];
    for forged in &forged {
        server.get("/api/auth/verify", forged).problem("unauthenticated");
    }
    let twice = Request::get("/api/auth/verify").bearer(&token).bearer(&token);
    server.send(&twice).problem("unauthenticated");
    assert!(server.accepts(&token));
}

/// The token with a last letter that decodes to the same bytes.
fn respelled(token: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let value = LETTERS.iter().position(|letter| last.as_bytes() == [*letter]).expect("base64url");
    let other = char::from(LETTERS[value ^ 1]);
    format!("{rest}{other}")
}

#[test]
fn a_token_of_another_server_is_refused() {
    let (home, elsewhere) = (Home::new(), Home::new());
    let (server, other) = (home.start(&[]), elsewhere.start(&[]));
    let Tokens { access, refresh } = other.login("admin", PASSWORD);
    assert!(!server.accepts(&access));
    server.refresh(&refresh).problem("unauthenticated");
}

#[test]
fn an_expired_token_is_refused_and_its_session_goes_on() {
    let home = Home::new();
    let server = home.start(&["auth.access_ttl=1s", "auth.leeway=0s"]);
    let Tokens { access, refresh } = server.login("admin", PASSWORD);
    crate::server::until("the token has expired", || (!server.accepts(&access)).then_some(()));
    let fresh = Tokens::of(&server.refresh(&refresh).expect(200));
    assert!(server.accepts(&fresh.access));
}

#[test]
fn guessing_is_slowed_down_for_the_account_that_is_guessed() {
    let home = Home::new();
    let server = home.start(&["auth.login.failures=3"]);
    let admin = server.admin();
    server.add(&admin, "ann", &["user"]);
    for _ in 0..3 {
        server.try_login("ann", OTHER).problem("invalid-credentials");
    }
    server.try_login("ann", OTHER).problem("too-many-attempts");
    // The right password waits as well, and then works.
    let answer = server.try_login("ann", PASSWORD);
    answer.problem("too-many-attempts");
    crate::server::until("the delay is over", || {
        (server.try_login("ann", PASSWORD).status == 200).then_some(())
    });
    server.login("admin", PASSWORD);
}

#[test]
fn a_body_that_is_kept_back_until_after_the_logout_does_nothing() {
    let home = Home::new();
    let server = home.start(&[]);
    let (thief, owner) = (server.admin(), server.admin());
    let body = json!({"username": "mallory", "password": OTHER, "roles": ["admin"]});
    let request = Request::post("/api/admin/users").bearer(&thief).json(&body).bytes();
    let head = request.len() - body.to_string().len();
    let mut slow = server.client();
    slow.raw(&request[..head]);
    let waited = crate::server::Stopwatch::start();
    logout(&server, &thief);
    // A body that comes at once is part of its head.
    crate::server::until("the body is late", || {
        (waited.elapsed() > std::time::Duration::from_millis(500)).then_some(())
    });
    slow.raw(&request[head..]);
    slow.read(false).expect("an answer").problem("unauthenticated");
    let users = server.get("/api/admin/users", &owner).expect(200).text();
    assert!(!users.contains("mallory"), "{users}");
}

#[test]
fn what_a_known_caller_is_told_is_kept_by_no_cache() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    for path in ["/api/docs", "/api/openapi.json", "/.well-known/jwks.json"] {
        let stranger = server.send(&Request::get(path)).expect(200);
        let kept = stranger.header("cache-control").unwrap_or_default();
        assert!(kept.starts_with("public, max-age="), "{path}: {kept}");
        assert_eq!(server.get(path, &admin).header("cache-control"), Some("no-store"), "{path}");
    }
}
