//! How large a request may be: one setting for each bound, and bodies that are larger than they look.

mod compressed;
mod uploads;

use serde_json::{Value, json};

use crate::{
    client::{PATIENCE, Request},
    server::Home,
};

#[test]
fn batch_items_are_bounded_by_their_setting() {
    let home = Home::new();
    let server = home.start(&["limits.size.batch_items=3", "limits.size.json_body=1MiB"]);
    let admin = server.admin();
    let batch = |count: usize| {
        let item = json!({"id": "1", "method": "GET", "path": "/livez"});
        server.post("/api/batch", &admin, &json!({"requests": vec![item; count]}))
    };
    let answer = batch(3).expect(200).json();
    assert_eq!(answer["responses"].as_array().map(Vec::len), Some(3));
    let refused = batch(4);
    assert_eq!(refused.faults(), ["/requests length"]);
    assert_eq!(refused.json()["errors"][0]["detail"], "must have at most 3 items");
    assert_eq!(batch(0).faults(), ["/requests length"]);
    assert_eq!(batch(10_001).faults(), ["/requests length"]);
}

#[test]
fn more_batch_items_than_usual_may_be_allowed() {
    let home = Home::new();
    let server = home.start(&["limits.size.batch_items=150", "limits.size.json_body=1MiB"]);
    let admin = server.admin();
    let item = json!({"id": "1", "method": "GET", "path": "/livez"});
    let answer = server.post("/api/batch", &admin, &json!({"requests": vec![item; 150]}));
    let answer = answer.expect(200).json();
    let answers = answer["responses"].as_array().expect("answers");
    assert!(answers.len() == 150 && answers.iter().all(|answer| answer["status"] == 200));
}

#[test]
fn json_is_bounded_in_depth_and_size_and_means_one_thing() {
    let home = Home::new();
    let server = home.start(&["limits.size.json_depth=4", "limits.size.json_body=200B"]);
    let admin = server.admin();
    let post = |body: &str| {
        let request = Request::post("/api/batch").bearer(&admin);
        server.send(&request.header("Content-Type", "application/json").body(body))
    };
    let deep = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let item = format!(r#"{{"id":"1","method":"GET","path":"/livez","body":{open}{close}}}"#);
        format!(r#"{{"requests":[{item}]}}"#)
    };
    post(&deep(1)).expect(200);
    post(&deep(2)).problem("invalid-request");
    post(r#"{"requests":[],"requests":[]}"#).problem("invalid-request");
    let padded = |length: usize| format!("{}{}", deep(1), " ".repeat(length - deep(1).len()));
    post(&padded(200)).expect(200);
    post(&padded(201)).problem("body-too-large");
}

#[test]
fn more_fields_than_usual_may_be_allowed_and_no_more() {
    let home = Home::new();
    let server = home.start(&["limits.size.headers=150"]);
    let ask = |count: usize| {
        // One of them is Host.
        let fields = 1..count;
        let request =
            fields.fold(Request::get("/livez"), |it, i| it.header(&format!("X-{i}"), "1"));
        let mut client = server.client();
        let _ = client.try_raw(&request.bytes());
        let answer = client.read(false).expect("an answer");
        (answer, client)
    };
    ask(101).0.expect(200);
    ask(150).0.expect(200);
    ask(151).0.problem("header-too-large");
    // More than are read at all: the answer is the same, and the last.
    let (answer, mut client) = ask(1000);
    answer.problem("header-too-large");
    answer.has_usual_headers();
    assert_eq!(client.rest(PATIENCE), Some(Vec::new()));
}

#[test]
fn a_change_of_sizes_holds_at_once() {
    let home = Home::new();
    let file = home.write("gabion.toml", "[limits.size]\nbatch_items = 2\n");
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &[]);
    let admin = server.admin();
    let item = json!({"id": "1", "method": "GET", "path": "/livez"});
    let body = json!({"requests": vec![item; 3]});
    server.post("/api/batch", &admin, &body).faults();
    home.write("gabion.toml", "[limits.size]\nbatch_items = 3\n");
    server.post("/api/admin/config/reload", &admin, &Value::Object(Default::default())).expect(200);
    server.post("/api/batch", &admin, &body).expect(200);
}
