//! Batches: several requests in one.

use serde_json::{Value, json};

use super::world::World;
use crate::client::Request;

#[test]
fn a_batch_keeps_the_order_and_answers_each_item_as_its_own_request() {
    let world = World::new();
    let item = |id: &str, method: &str, path: &str, body: Value| json!({"id": id, "method": method, "path": path, "body": body});
    let null = Value::Null;
    let items = [
        (item("slow", "GET", "/api/demo/work?io_ms=200", null.clone()), 200, ""),
        (item("a", "GET", "/livez", null.clone()), 200, ""),
        (item("b", "GET", "/api/auth/verify", null.clone()), 200, ""),
        (item("c", "GET", "/none", null.clone()), 404, "not-found"),
        (item("d", "DELETE", "/livez", null.clone()), 405, "method-not-allowed"),
        (item("e", "GET", "/api/admin/users", null.clone()), 403, "forbidden"),
        (item("f", "POST", "/api/auth/refresh", json!({"x": 1})), 422, "invalid-body"),
        (
            item("g", "POST", "/api/auth/login", json!({"username": "x", "password": "y"})),
            401,
            "invalid-credentials",
        ),
        (item("h", "POST", "/api/batch", json!({"requests": []})), 422, "invalid-body"),
        (
            item(
                "i",
                "POST",
                "/api/batch",
                json!({"requests": [item("x", "GET", "/livez", Value::Null)]}),
            ),
            400,
            "invalid-request",
        ),
        (item("j", "GET", "http://elsewhere/livez", null.clone()), 400, "invalid-request"),
        (item("k", "G T", "/livez", null.clone()), 400, "invalid-request"),
        (item("l", "TRACE", "/livez", null.clone()), 405, "method-not-allowed"),
        (item("n", "CONNECT", "/livez", null.clone()), 405, "method-not-allowed"),
        (item("o", "BREW", "/livez", null.clone()), 501, "not-implemented"),
        (item("m", "GET", "livez", null), 400, "invalid-request"),
    ];
    let requests: Vec<&Value> = items.iter().map(|(item, ..)| item).collect();
    let answer = world.server.post("/api/batch", &world.user, &json!({"requests": requests}));
    let answer = answer.expect(200).json();
    let responses = answer["responses"].as_array().expect("responses");
    assert_eq!(responses.len(), items.len());
    for (response, (item, status, code)) in responses.iter().zip(&items) {
        assert_eq!(response["id"], item["id"]);
        assert_eq!(response["status"], *status, "{response}");
        if *status >= 400 {
            assert_eq!(response["body"]["code"], *code, "{response}");
            let id = response["body"]["request_id"].as_str();
            assert!(id.is_some_and(|id| !id.is_empty()), "{response}");
        }
    }
    assert_eq!(responses[1]["body"], "ok");
    assert_eq!(responses[2]["body"]["username"], "walker");
    let metrics = world.server.metrics(&world.admin);
    let counted = "http_server_request_duration_seconds_count{http_request_method=\"GET\",\
                   http_route=\"/api/admin/users\",http_response_status_code=\"403\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn each_item_of_a_batch_uses_up_the_callers_quota() {
    let world = World::with(&["limits.rate.caller.quota=1/h", "limits.rate.caller.burst=10"]);
    let item =
        |id: usize| json!({"id": id.to_string(), "method": "GET", "path": "/api/auth/verify"});
    let requests: Vec<Value> = (0..20).map(item).collect();
    let answer = world.server.post("/api/batch", &world.user, &json!({"requests": requests}));
    let answer = answer.expect(200).json();
    let statuses = answer["responses"].as_array().expect("responses").iter();
    let statuses: Vec<u64> = statuses.filter_map(|response| response["status"].as_u64()).collect();
    // The batch itself was the first of ten.
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 9, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 11, "{statuses:?}");
    world.server.get("/api/auth/verify", &world.user).problem("rate-limited");
}

#[test]
fn a_batch_of_more_than_a_hundred_is_refused() {
    let world = World::new();
    let item = json!({"id": "1", "method": "GET", "path": "/livez"});
    let body = json!({"requests": vec![item; 101]});
    let response = world.server.post("/api/batch", &world.user, &body);
    assert_eq!(response.faults(), ["/requests length"]);
}

#[test]
fn the_bodies_of_a_batch_are_bounded_together_and_small_ones_still_fit() {
    let world = World::new();
    let whole = world.server.send(&Request::get("/api/openapi.json")).expect(200);
    let item = |id: usize, path: &str| json!({"id": id.to_string(), "method": "GET", "path": path});
    let mut requests: Vec<Value> = (0..99).map(|id| item(id, "/api/openapi.json")).collect();
    requests.push(item(99, "/livez"));
    let answer = world.server.post("/api/batch", &world.user, &json!({"requests": requests}));
    let answer = answer.expect(200);
    assert!(answer.body.len() < 5 * 1024 * 1024, "{} bytes", answer.body.len());
    let answer = answer.json();
    let responses = answer["responses"].as_array().expect("responses");
    let fit = 4 * 1024 * 1024 / whole.body.len();
    let whole = whole.json();
    assert!(fit < 99, "the document is too small for this test");
    for (at, response) in responses[..99].iter().enumerate() {
        assert_eq!(response["id"], at.to_string());
        if at < fit {
            assert_eq!((&response["status"], &response["body"]), (&json!(200), &whole));
        } else {
            assert_eq!(response["status"], 503, "{at}");
            assert_eq!(response["body"]["code"], "overloaded", "{at}");
            let detail = response["body"]["detail"].as_str().unwrap_or_default();
            assert!(detail.contains("4 MiB") && detail.contains("carried out"), "{detail}");
            assert!(response["body"]["retry_after"].is_u64(), "{response}");
        }
    }
    assert_eq!((&responses[99]["status"], &responses[99]["body"]), (&json!(200), &json!("ok")));
}

#[test]
fn a_batch_of_long_answers_costs_little_memory() {
    let world = World::new();
    let item = json!({"id": "1", "method": "GET", "path": "/api/openapi.json"});
    let body = json!({"requests": vec![item; 100]});
    world.server.get("/api/openapi.json", &world.user).expect(200);
    let before = world.server.peak();
    world.server.post("/api/batch", &world.user, &body).expect(200);
    let grown = world.server.peak() - before;
    assert!(grown < 48 * 1024 * 1024, "{grown} bytes more");
}
