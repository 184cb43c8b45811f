//! What the document says of every operation and of every problem.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::World;
use crate::client::Request;

#[test]
fn every_operation_says_who_when_how_much_and_how_it_is_refused() {
    let world = World::new(&[]);
    let mut names = BTreeSet::new();
    for operation in world.document.operations() {
        let (told, name) = (&operation.told, operation.name());
        let text = |member: &str| told[member].as_str().filter(|text| !text.is_empty());
        assert!(names.insert(text("operationId").expect("a name").to_owned()), "{name}");
        assert!(text("summary").is_some_and(|summary| summary.ends_with('.')), "{name}");
        assert!(told["security"].is_array(), "{name}");
        assert!(["critical", "user", "degraded", "batch"].contains(&text("x-class").unwrap_or("")));
        assert!(text("x-deadline").is_some(), "{name}");
        assert_eq!(told["x-body-limit"].is_string(), operation.takes_body(), "{name}");
        let limited = !told["x-rate-limits"].as_array().expect("limits").is_empty();
        let responses = &told["responses"];
        assert_eq!(responses["429"].is_object(), limited, "{name}");
        for status in ["400", "413", "431", "500", "503", "504"] {
            assert!(responses[status].is_object(), "{name} {status}");
        }
        assert!(responses["401"].is_object() || !operation.is_guarded(), "{name}");
        assert!(responses["422"].is_object() || operation.json_body().is_none(), "{name}");
        for (status, response) in responses.as_object().expect("responses") {
            let response = world.document.resolve(response);
            assert!(response["headers"]["X-Request-Id"].is_object(), "{name} {status}");
            let waits = ["429", "503"].contains(&status.as_str());
            assert_eq!(response["headers"]["Retry-After"].is_object(), waits, "{name} {status}");
            let challenged = response["headers"]["WWW-Authenticate"].is_object();
            assert_eq!(challenged, status == "401", "{name} {status}");
            let codes = response["x-codes"].as_array().map_or(0, Vec::len);
            assert_eq!(codes > 0, status.as_str() >= "400", "{name} {status}");
        }
        if let Some(schema) = operation.json_body() {
            assert_eq!(schema["additionalProperties"], json!(false), "{name}");
        }
    }
    let tags = world.document.whole()["tags"].as_array().expect("tags");
    let told: BTreeSet<&str> = tags.iter().filter_map(|tag| tag["name"].as_str()).collect();
    let used: Vec<Value> =
        world.document.operations().iter().map(|it| it.told["tags"][0].clone()).collect();
    assert_eq!(told, used.iter().filter_map(Value::as_str).collect());
}

#[test]
fn every_code_has_its_page() {
    let world = World::new(&[]);
    let codes = &world.document.whole()["components"]["schemas"]["Problem"]["properties"]["code"];
    let codes = codes["enum"].as_array().expect("codes");
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes.iter().filter_map(Value::as_str) {
        let page = world.server.send(&Request::get(format!("/api/problems/{code}"))).expect(200);
        world.document.check("GET", "/api/problems/{code}", &page);
        let page = page.json();
        assert_eq!(page["code"], code);
        for member in ["title", "meaning", "remedy"] {
            assert!(page[member].as_str().is_some_and(|text| text.len() > 3), "{code} {member}");
        }
        let ask = Request::get(format!("/api/problems/{code}"));
        let read = ask.header("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
        let read = world.server.send(&read).expect(200);
        world.document.check("GET", "/api/problems/{code}", &read);
        assert_eq!(read.header("vary"), Some("accept"));
        // Two lines are one list.
        let twice = Request::get(format!("/api/problems/{code}")).header("Accept", "image/png");
        let twice = world.server.send(&twice.header("Accept", "TEXT/HTML")).expect(200);
        assert_eq!(twice.header("content-type"), read.header("content-type"));
        let html = read.text();
        for member in ["title", "meaning", "remedy"] {
            assert!(html.contains(page[member].as_str().expect("a text")), "{code} {member}");
        }
    }
}

#[test]
fn what_a_token_adds_to_a_public_answer_is_said() {
    let world = World::new(&[]);
    let health = &world.document.whole()["paths"]["/api/health"]["get"];
    assert_eq!(health["security"], json!([{}, {"bearer": []}]));
    let ask = Request::get("/api/health");
    let [plain, told] = [ask.clone(), ask.bearer(&world.admin)].map(|it| world.server.send(&it));
    assert!(plain.json()["checks"].is_null() && told.json()["checks"].is_array());
}
