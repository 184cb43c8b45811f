//! What is kept of what happened.

use serde_json::{Value, json};

use crate::{
    client::Request,
    server::{Home, PASSWORD, Server, until},
};

fn page(server: &Server, admin: &str, query: &str) -> Value {
    server.get(&format!("/api/admin/audit{query}"), admin).expect(200).json()
}

/// Waits for an event: records are written a moment after the answer.
fn find(server: &Server, admin: &str, query: &str, outcome: &str) -> Value {
    until(&format!("{query} {outcome}"), || {
        let found = page(server, admin, query);
        let events = found["events"].as_array().expect("a list").clone();
        events.into_iter().find(|event| event["outcome"] == outcome)
    })
}

#[test]
fn every_outcome_of_authentication_is_recorded() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let ann = server.add(&admin, "ann", &["user"]);
    server.try_login("ann", "not the right password").expect(401);
    server.get("/api/auth/verify", "a.b.c").expect(401);
    server.get("/api/admin/users", &ann.access).expect(403);
    server.refresh(&ann.refresh).expect(200);
    server.refresh(&ann.refresh).expect(401);

    let success = find(&server, &admin, "?action=login&subject=ann", "success");
    assert_eq!(success["address"], "127.0.0.1");
    assert!(success["session"].is_string() && success["actor"].is_null(), "{success}");
    find(&server, &admin, "?action=login&subject=ann", "invalid-credentials");
    find(&server, &admin, "?action=refresh", "success");
    find(&server, &admin, "?action=refresh", "reused");
    let created = find(&server, &admin, "?action=user.create", "success");
    assert_eq!((&created["subject"], &created["actor"]), (&json!("ann"), &json!("admin")));
    let refused = find(&server, &admin, "?action=access", "unauthenticated");
    assert!(refused["request_id"].is_string(), "{refused}");
    assert_eq!(refused["detail"], "GET /api/auth/verify: the token is malformed");
    let forbidden = find(&server, &admin, "?action=access&subject=ann", "forbidden");
    assert_eq!(forbidden["detail"], "GET /api/admin/users: the caller lacks the role");
}

#[test]
fn what_ends_a_session_and_who_comes_after_it_is_recorded() {
    let home = Home::new();
    let server = home.start(&["auth.login.failures=1"]);
    let admin = server.admin();
    let refused = |token: &str, why: &str| {
        server.get("/api/auth/verify", token).expect(401);
        until(why, || {
            let all = page(&server, &admin, "?action=access");
            let events = all["events"].as_array().expect("a list").clone();
            events.iter().any(|event| event["detail"].to_string().contains(why)).then_some(())
        });
    };
    let ann = server.add(&admin, "ann", &["user"]).access;
    let body = json!({"current": PASSWORD, "new": "another granite otter 78"});
    server.post("/api/auth/password", &ann, &body).expect(204);
    find(&server, &admin, "?action=password.change&subject=ann", "success");
    server.send(&Request::post("/api/auth/logout").bearer(&ann)).expect(204);
    find(&server, &admin, "?action=logout&subject=ann", "success");
    refused(&ann, "the session has ended");
    refused("gabion_x", "there is no such API key");

    let bob = server.add(&admin, "bob", &["user"]).access;
    let disable = Request::new("PATCH", "/api/admin/users/bob").bearer(&admin);
    server.send(&disable.json(&json!({"enabled": false}))).expect(200);
    find(&server, &admin, "?action=user.update&subject=bob", "success");
    refused(&bob, "the session has ended");
    server.try_login("bob", PASSWORD).expect(401);
    server.try_login("bob", PASSWORD).expect(429);
    find(&server, &admin, "?action=login&subject=bob", "invalid-credentials");
    find(&server, &admin, "?action=login&subject=bob", "too-many-attempts-on-account");
}

#[test]
fn pages_follow_each_other_to_the_first_event() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    for _ in 0..6 {
        server.login("admin", PASSWORD);
    }
    until("seven logins", || {
        let all = page(&server, &admin, "?action=login");
        (all["events"].as_array().expect("a list").len() == 7).then_some(())
    });
    let mut seen: Vec<i64> = Vec::new();
    let mut query = "?action=login&limit=3".to_owned();
    let sizes = [3, 3, 1].map(|_| {
        let one = page(&server, &admin, &query);
        let events = one["events"].as_array().expect("a list");
        seen.extend(events.iter().map(|event| event["id"].as_i64().expect("an id")));
        query = format!("?action=login&limit=3&before={}", one["next"]);
        (events.len(), one["next"].is_null())
    });
    assert_eq!(sizes, [(3, false), (3, false), (1, true)]);
    assert!(seen.is_sorted_by(|one, next| one > next), "{seen:?}");
}

#[test]
fn a_query_that_makes_no_sense_is_refused_with_what_would() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    for query in [
        "limit=0",
        "limit=501",
        "limit=x",
        "before=0",
        "before=-1",
        "before=99999999999999999999",
        "subject=",
        "subject=%FF",
        "action=a&action=b",
    ] {
        let problem = server.get(&format!("/api/admin/audit?{query}"), &admin);
        let problem = problem.problem("invalid-request");
        let pointer = format!("/query/{}", query.split_once('=').expect("a name").0);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let by_name = find(&server, &admin, "?subject=%61dmin&action=login", "success");
    assert_eq!(by_name["subject"], "admin");
}

#[test]
fn a_flood_of_bad_tokens_fills_neither_log_nor_disk() {
    let home = Home::new();
    let server =
        home.start(&["limits.rate.address.quota=1000000/s", "limits.rate.address.burst=1000000"]);
    let admin = server.admin();
    let mut client = server.client();
    for _ in 0..2000 {
        client.send(&Request::get("/api/auth/verify").bearer("a.b.c")).expect(401);
    }
    let left_out = |event: &Value| {
        event["detail"].as_str().is_some_and(|detail| detail.contains("more were not recorded"))
    };
    let kept = until("a record of those left out", || {
        client.send(&Request::get("/api/auth/verify").bearer("a.b.c")).expect(401);
        let all = page(&server, &admin, "?action=access&limit=500");
        let events = all["events"].as_array().expect("a list").clone();
        events.iter().any(left_out).then_some(events)
    });
    assert!(kept.len() < 400, "{} of 2000", kept.len());
}
