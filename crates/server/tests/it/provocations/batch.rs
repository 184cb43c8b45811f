//! Items of a batch are refused as requests of their own are.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{CANARY, Log, Over, Place, Way, World};
use crate::{client::Request, problem::is_whole};

/// Items with the code that each is refused with.
fn items() -> Vec<(&'static str, Value)> {
    let item = |method: &str, path: String, body: Value| json!({"id": "x", "method": method, "path": path, "body": body});
    let get = |path: String| item("GET", path, Value::Null);
    let login = |body| item("POST", "/api/auth/login".to_owned(), body);
    vec![
        ("not-found", get(format!("/{CANARY}"))),
        ("method-not-allowed", item("DELETE", format!("/livez?{CANARY}"), Value::Null)),
        ("not-implemented", item(&CANARY.to_uppercase(), "/livez".to_owned(), Value::Null)),
        ("invalid-request", item("a b", "/livez".to_owned(), Value::Null)),
        ("invalid-request", get(CANARY.to_owned())),
        ("invalid-request", get(format!("http://{CANARY}/livez"))),
        (
            "invalid-request",
            item(
                "POST",
                "/api/batch".to_owned(),
                json!({"requests": [{"id": "y", "method": "GET", "path": "/livez"}]}),
            ),
        ),
        ("invalid-request", get(format!("/api/demo/work?io_ms={CANARY}"))),
        ("invalid-body", login(json!({"username": [CANARY]}))),
        ("invalid-body", login(json!(CANARY))),
        ("unsupported-media-type", login(Value::Null)),
        (
            "invalid-credentials",
            login(json!({"username": "nobody", "password": format!("{CANARY} one two three")})),
        ),
        ("forbidden", get(format!("/api/admin/users?{CANARY}"))),
        ("unauthenticated", {
            let body = json!({"refresh_token": CANARY});
            item("POST", "/api/auth/refresh".to_owned(), body)
        }),
    ]
}

#[test]
fn each_item_of_a_batch_has_a_problem_of_its_own() {
    let world = World::new(Place::Usual);
    let (codes, items): (Vec<_>, Vec<_>) = items().into_iter().unzip();
    let mut ids = BTreeSet::new();
    for over in [Over::Http1, Over::Http2] {
        let batch = Request::post("/api/batch").bearer(&world.user);
        let batch = batch.json(&json!({"requests": items}));
        let answer = world.to().send(over, Way::Whole, &batch).expect("an answer").expect(200);
        assert!(!answer.text().contains(CANARY), "{}", answer.text());
        assert!(ids.insert(answer.header("x-request-id").expect("an id").to_owned()));
        let body = answer.json();
        let responses = body["responses"].as_array().expect("responses");
        assert_eq!(responses.len(), codes.len());
        for (code, response) in codes.iter().zip(responses) {
            let problem = &response["body"];
            is_whole(problem, code);
            assert_eq!(response["status"], problem["status"], "{response}");
            let id = problem["request_id"].as_str().expect("a text");
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
        }
    }
    assert_eq!(ids.len(), 2 * (codes.len() + 1));
    Log::new(&world.log()).check(&[]);
}

#[test]
fn items_are_served_whatever_their_batch_came_over() {
    let world = World::new(Place::Usual);
    let item = json!({"id": "x", "method": "GET", "path": "/api/auth/verify"});
    for over in [Over::Http1, Over::Http2] {
        let batch = Request::post("/api/batch").bearer(&world.user);
        let batch = batch.json(&json!({"requests": [item]}));
        let answer = world.to().send(over, Way::Whole, &batch).expect("an answer").expect(200);
        let response = &answer.json()["responses"][0];
        assert_eq!(response["status"], 200, "{over:?}: {response}");
        assert_eq!(response["body"]["username"], "walker", "{over:?}: {response}");
    }
}

#[test]
fn a_failure_of_an_item_is_in_the_log_under_its_own_id() {
    let world = World::new(Place::FullDisk);
    let item = json!({"id": "x", "method": "POST", "path": "/api/admin/keys/rotate"});
    let batch = Request::post("/api/batch").bearer(&world.admin);
    let batch = batch.json(&json!({"requests": [item]}));
    let body = world.to().send(Over::Http1, Way::Whole, &batch).expect("an answer").json();
    let problem = &body["responses"][0]["body"];
    is_whole(problem, "internal");
    let id = problem["request_id"].as_str().expect("a text").to_owned();
    let log = world.log();
    let told = |line: &&str| line.contains(&id) && line.contains("\"ERROR\"");
    assert_eq!(log.lines().filter(told).count(), 1);
}
