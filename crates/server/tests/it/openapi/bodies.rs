//! Bodies that a route does not take.

use serde_json::json;

use super::{World, document::Operation, schema};
use crate::client::Request;

fn is_json(operation: &&Operation) -> bool {
    operation.json_body().is_some()
}

#[test]
fn a_body_of_another_type_is_refused() {
    let world = World::new(&[]);
    for operation in world.document.operations().iter().filter(is_json) {
        let body = schema::good(operation.json_body().expect("a schema")).to_string();
        let untyped = operation.request().body(body.clone());
        world.refused(operation, untyped, "unsupported-media-type");
        for media in ["text/plain", "application/x-www-form-urlencoded", "application/json5", "x"] {
            let request = operation.request().header("Content-Type", media).body(body.clone());
            world.refused(operation, request, "unsupported-media-type");
        }
        let encoded = |coding: &str| {
            let request = operation.request().header("Content-Encoding", coding);
            request.header("Content-Type", "application/json").body(body.clone())
        };
        world.refused(operation, encoded("br"), "unsupported-media-type");
        // One that is read, of a body that is not of it.
        world.refused(operation, encoded("gzip"), "invalid-request");
    }
}

#[test]
fn a_body_that_nobody_reads_is_of_no_other_type_either() {
    let world = World::new(&[]);
    for operation in world.document.operations().iter().filter(|it| !it.takes_body()) {
        let text = operation.request().header("Content-Type", "text/plain");
        world.refused(operation, text.clone().body("hi"), "unsupported-media-type");
        let chunked = world.allowed(operation, text).header("Transfer-Encoding", "chunked").head();
        let mut client = world.server.client();
        client.raw(&[chunked, b"2\r\nhi\r\n0\r\n\r\n".to_vec()].concat());
        client.read(false).expect("an answer").problem("unsupported-media-type");
    }
    let verify = Request::get("/api/auth/verify").bearer(&world.admin);
    world.server.send(&verify.clone().json(&json!({}))).expect(200);
    // A type of nothing is no body.
    world.server.send(&verify.header("Content-Type", "text/plain")).expect(200);
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let world = World::new(&["limits.size.json_body=1KiB", "limits.size.body=64KiB"]);
    for operation in world.document.operations() {
        let (limit, media) = match operation.told["x-body-limit"].as_str() {
            Some("limits.size.body") => (64 * 1024, "application/octet-stream"),
            _ => (1024, "application/json"),
        };
        let request = operation.request().header("Content-Type", media);
        // Told from the head alone, also where no body is read.
        let declared = request.clone().body(vec![b' '; limit + 1]);
        world.refused(&operation, declared, "body-too-large");
        if !operation.takes_body() {
            continue;
        }
        let mut chunked =
            world.allowed(&operation, request).header("Transfer-Encoding", "chunked").head();
        for _ in 0..=limit / 512 {
            chunked.extend(b"200\r\n");
            chunked.extend([b' '; 512]);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\n\r\n");
        let mut client = world.server.client();
        // The server may answer and close before it was given everything.
        let _ = client.try_raw(&chunked);
        let response = client.read(false).expect("an answer");
        world.document.check(&operation.method, &operation.path, &response);
        response.problem("body-too-large");
    }
}

#[test]
fn every_member_of_a_body_is_held_to_its_schema() {
    let world = World::new(&["limits.size.json_body=4MiB"]);
    let mut tried = 0;
    for operation in world.document.operations().iter().filter(is_json) {
        let schema = operation.json_body().expect("a schema");
        for wrong in schema::wrong(schema) {
            let request = operation.request().json(&wrong.value);
            let told = world.refused(operation, request, "invalid-body");
            let errors = told["errors"].as_array().expect("errors");
            let found = errors.iter().any(|error| {
                let code = wrong.code.is_none_or(|code| error["code"] == code);
                error["pointer"] == wrong.pointer.as_str() && code
            });
            assert!(found, "{} {} {:?}: {told}", operation.name(), wrong.pointer, wrong.code);
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried} wrong bodies");
}
