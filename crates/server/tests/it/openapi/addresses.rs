//! Paths that hold something else, and heads that are too large.

use serde_json::Value;

use super::{World, schema};
use crate::client::Request;

#[test]
fn a_path_of_other_than_what_it_may_hold_is_refused() {
    let world = World::new(&[]);
    for operation in world.document.operations().iter().filter(|it| it.path.contains('{')) {
        let (begin, rest) = operation.path.split_once('{').expect("a parameter");
        let (_, end) = rest.split_once('}').expect("its end");
        let is_free = operation.parameters().iter().any(|it| it.in_path && is_free(&it.schema));
        for text in ["%00", "..%2f..%2fetc", "%20", "a%0d%0ab", "%ff"] {
            if is_free && text != "%ff" {
                continue;
            }
            let target = format!("{begin}{text}{end}");
            let body = operation.json_body().map(schema::good);
            let request = Request::new(&operation.method, &target);
            let request = body.map_or(request.clone(), |body| request.json(&body));
            let response = world.server.send(&world.allowed(operation, request));
            assert!([400, 404].contains(&response.status), "{target}: {}", response.text());
            response.has_usual_headers();
        }
    }
}

/// Whether any text will do.
fn is_free(schema: &Value) -> bool {
    schema["pattern"].is_null() && schema["enum"].is_null() && schema["maxLength"].is_null()
}

#[test]
fn a_head_that_is_too_large_is_refused_as_it_is_told() {
    let world = World::new(&[]);
    for operation in world.document.operations() {
        let large = operation.request().header("x-large", "x".repeat(20 * 1024));
        world.refused(&operation, large, "header-too-large");
        let mut long = operation.request();
        long.target.push_str(&format!("?{}", "x".repeat(10 * 1024)));
        world.refused(&operation, long, "uri-too-long");
    }
}
