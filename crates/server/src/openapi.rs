//! The API document, from the contracts of the mounted routes.

use std::collections::BTreeMap;

use gabion_auth::{Access, Scope};
use gabion_errors::{Problem, ProblemType, types};
use gabion_tower::{BodyRule, RateRule, RouteContract, Schema};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::routes::Endpoint;

/// OpenAPI 3.1 of exactly `endpoints`.
#[must_use]
pub fn document(endpoints: &[&'static Endpoint]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints {
        let contract = endpoint.contract;
        let method = contract.method.as_str().to_ascii_lowercase();
        paths.entry(contract.path).or_default().insert(method, operation(contract));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gabion",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Hardening for Rust services: the reference server. Every error is an \
                RFC 9457 problem; /api/problems/{code} tells what its code means.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The access token of a login.",
                },
            },
            "schemas": {"Problem": problem_schema()},
            "headers": headers(),
        },
    })
}

fn operation(contract: &RouteContract) -> Value {
    let mut operation = json!({
        "operationId": contract.name,
        "summary": contract.summary,
        "tags": [tag(contract.path)],
        "responses": responses(contract),
        "x-class": contract.class.as_str(),
    });
    if let Some(bulkhead) = contract.bulkhead {
        operation["x-bulkhead"] = json!(bulkhead);
    }
    let parameters: Vec<Value> = contract
        .parameters
        .iter()
        .map(|parameter| {
            let in_path = contract.path.contains(&format!("{{{}}}", parameter.name));
            json!({
                "name": parameter.name,
                "in": if in_path { "path" } else { "query" },
                "required": in_path || parameter.required,
                "description": parameter.summary,
                "schema": (parameter.schema)(),
            })
        })
        .collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = request_body(contract.body) {
        operation["requestBody"] = body;
    }
    match contract.access {
        Access::Public => operation["security"] = json!([]),
        Access::AnyRole(roles) => {
            operation["security"] = json!([{"bearer": []}]);
            operation["x-roles"] = json!(roles);
        }
        _ => operation["security"] = json!([{"bearer": []}]),
    }
    // OpenAPI knows scopes of OAuth alone. Without this member every API key is taken.
    match contract.scope {
        Scope::Named(scope) => operation["x-api-key-scope"] = json!(scope),
        Scope::Login => operation["x-api-key-scope"] = json!(false),
        _ => {}
    }
    operation
}

/// What each part of the API is called, by how its paths begin; the first that fits counts.
const TAGS: [(&str, &str); 14] = [
    ("/api/auth/", "auth"),
    ("/.well-known/", "auth"),
    ("/api/batch", "batch"),
    ("/api/health", "probes"),
    ("/livez", "probes"),
    ("/readyz", "probes"),
    ("/api/admin/users", "accounts"),
    ("/api/admin/config", "configuration"),
    ("/api/admin/backups", "backups"),
    ("/api/admin/", "operation"),
    ("/api/metrics", "operation"),
    ("/api/restart", "operation"),
    ("/api/demo/", "demo"),
    ("/", "documents"),
];

fn tag(path: &str) -> &'static str {
    TAGS.iter().find(|(begin, _)| path.starts_with(begin)).map_or("documents", |(_, tag)| tag)
}

fn request_body(rule: BodyRule) -> Option<Value> {
    let json_body = |schema: Schema, required: bool| json!({"required": required, "content": {"application/json": {"schema": schema()}}});
    match rule {
        BodyRule::Empty => None,
        BodyRule::Json(schema) => Some(json_body(schema, true)),
        BodyRule::OptionalJson(schema) => Some(json_body(schema, false)),
        BodyRule::Stream => Some(json!({
            "required": false,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        })),
    }
}

fn responses(contract: &RouteContract) -> Map<String, Value> {
    let mut responses = Map::new();
    responses.insert(contract.answer.status.as_str().to_owned(), success(contract));
    if contract.path == "/api/health" {
        let refusal = success(contract);
        responses.insert(StatusCode::SERVICE_UNAVAILABLE.as_str().to_owned(), refusal);
    }
    let mut by_status: BTreeMap<u16, Vec<&'static ProblemType>> = BTreeMap::new();
    for problem in problems(contract) {
        let list = by_status.entry(problem.status.as_u16()).or_default();
        if !list.contains(&problem) {
            list.push(problem);
        }
    }
    for (status, problems) in by_status {
        let status = status.to_string();
        let mut response = refusal(&problems);
        // The answer of a route that tells more than a problem by the same status.
        if let Some(known) = responses.remove(&status) {
            for (media, content) in known["content"].as_object().into_iter().flatten() {
                response["content"][media] = content.clone();
            }
        }
        responses.insert(status, response);
    }
    responses
}

fn success(contract: &RouteContract) -> Value {
    let answer = &contract.answer;
    let reason = answer.status.canonical_reason().unwrap_or_default();
    let mut response = json!({"description": reason});
    if !answer.media.is_empty() {
        let schema = answer.schema.map_or_else(|| json!({"type": "string"}), |schema| schema());
        let schema = if answer.media.contains("json") && answer.schema.is_none() {
            json!({"type": "object"})
        } else {
            schema
        };
        response["content"] = json!({media_type(answer.media): {"schema": schema}});
    }
    response["headers"] = header_references(contract);
    response
}

fn media_type(media: &str) -> &str {
    media.split(';').next().unwrap_or(media)
}

fn refusal(problems: &[&'static ProblemType]) -> Value {
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
    let titles: Vec<&str> = problems.iter().map(|problem| problem.title).collect();
    let mut response = json!({
        "description": titles.join("; "),
        "content": {Problem::CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "x-codes": codes,
    });
    let waits = problems.iter().any(|problem| {
        [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&problem.status)
    });
    let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}});
    if waits {
        headers["Retry-After"] = json!({"$ref": "#/components/headers/Retry-After"});
    }
    if codes.contains(&"unauthenticated") {
        headers["WWW-Authenticate"] = json!({"$ref": "#/components/headers/WWW-Authenticate"});
    }
    response["headers"] = headers;
    response
}

fn header_references(contract: &RouteContract) -> Value {
    let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}});
    if contract.rate != RateRule::Exempt {
        for name in ["RateLimit", "RateLimit-Policy"] {
            headers[name] = json!({"$ref": format!("#/components/headers/{name}")});
        }
    }
    headers
}

/// Every problem that a route may answer with: what its fields imply, and its own.
fn problems(contract: &RouteContract) -> Vec<&'static ProblemType> {
    let mut problems: Vec<&'static ProblemType> = vec![
        &types::INVALID_REQUEST,
        &types::BODY_TOO_LARGE,
        &types::URI_TOO_LONG,
        &types::MISDIRECTED,
        &types::HEADER_TOO_LARGE,
        &types::INTERNAL,
        &types::OVERLOADED,
        &types::DEADLINE_EXCEEDED,
    ];
    if contract.rate != RateRule::Exempt {
        problems.push(&types::RATE_LIMITED);
    }
    if contract.access != Access::Public {
        problems.extend([&types::UNAUTHENTICATED, &types::DEPENDENCY_UNAVAILABLE]);
    }
    if matches!(contract.access, Access::AnyRole(_)) {
        problems.push(&types::FORBIDDEN);
    }
    match contract.body {
        BodyRule::Empty => problems.push(&types::UNSUPPORTED_MEDIA_TYPE),
        BodyRule::Stream => {
            problems.extend([&types::REQUEST_TIMEOUT, &types::UNSUPPORTED_MEDIA_TYPE]);
        }
        BodyRule::Json(_) | BodyRule::OptionalJson(_) => problems.extend([
            &types::REQUEST_TIMEOUT,
            &types::UNSUPPORTED_MEDIA_TYPE,
            &types::INVALID_BODY,
        ]),
    }
    problems.extend(contract.problems);
    problems
}

fn problem_schema() -> Value {
    let codes: Vec<&str> = types::ALL.iter().map(|kind| kind.code).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "code": {"type": "string", "enum": codes},
            "request_id": {"type": "string"},
            "retry_after": {"type": "integer", "minimum": 1, "description": "Seconds."},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "detail"],
                    "properties": {
                        "pointer": {"type": "string", "description": "RFC 6901."},
                        "code": {"type": "string"},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    })
}

fn headers() -> Value {
    let header =
        |description: &str, schema: Value| json!({"description": description, "schema": schema});
    let text = || json!({"type": "string"});
    json!({
        "X-Request-Id": header("The request's name in the log; a valid incoming one is kept.", text()),
        "Retry-After": header("Seconds to wait.", json!({"type": "integer", "minimum": 1})),
        "WWW-Authenticate": header("RFC 6750.", text()),
        "RateLimit": header("What is left of each limit.", text()),
        "RateLimit-Policy": header("The limits that apply.", text()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{routes, settings::ServerSettings};

    fn response(path: &str, method: &str, status: &str) -> Value {
        let document = document(&routes::endpoints(&ServerSettings::default()));
        document["paths"][path][method]["responses"][status].clone()
    }

    #[test]
    fn a_status_of_two_meanings_has_the_answer_and_the_codes() {
        let unwell = response("/api/health", "get", "503");
        assert!(unwell["content"]["application/json"].is_object(), "{unwell}");
        assert!(unwell["content"][Problem::CONTENT_TYPE].is_object(), "{unwell}");
        assert_eq!(unwell["x-codes"], json!(["overloaded"]));
        assert!(unwell["headers"]["Retry-After"].is_object(), "{unwell}");
    }

    #[test]
    fn a_probe_that_says_no_is_a_problem() {
        let codes = response("/readyz", "get", "503")["x-codes"].clone();
        assert_eq!(codes, json!(["overloaded", "draining", "dependency-unavailable"]));
    }

    #[test]
    fn every_path_belongs_to_a_part_of_the_api() {
        let tags = [
            ("/livez", "probes"),
            ("/.well-known/jwks.json", "auth"),
            ("/api/admin/users/{username}", "accounts"),
            ("/api/admin/status", "operation"),
            ("/api/openapi.json", "documents"),
            ("/", "documents"),
        ];
        for (path, wanted) in tags {
            assert_eq!(tag(path), wanted, "{path}");
        }
    }

    #[test]
    fn a_success_is_described_by_its_status() {
        assert_eq!(response("/api/admin/users", "post", "201")["description"], "Created");
        assert_eq!(response("/api/auth/logout", "post", "204")["description"], "No Content");
    }
}
