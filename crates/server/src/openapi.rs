//! The API document, from the contracts of the mounted routes.

mod components;
mod links;
mod responses;

use std::collections::BTreeMap;

use gabion_auth::{Access, Scope};
use gabion_tower::{BodyRule, DeadlineRule, RateRule, RouteContract, Schema};
use serde_json::{Map, Value, json};

use self::responses::Responses;
use crate::routes::Endpoint;

/// OpenAPI 3.1 of exactly `endpoints`.
#[must_use]
pub fn document(endpoints: &[&'static Endpoint]) -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut responses = Responses::default();
    for endpoint in endpoints {
        let contract = endpoint.contract;
        let method = contract.method.as_str().to_ascii_lowercase();
        let operation = operation(contract, endpoints, &mut responses);
        paths.entry(template(contract.path)).or_default().insert(method, operation);
    }
    let used: Vec<&str> = endpoints.iter().map(|endpoint| tag(endpoint.contract.path)).collect();
    let tags = TAGS.iter().filter(|(name, _)| used.contains(name));
    let tags: Vec<Value> =
        tags.map(|(name, told)| json!({"name": name, "description": told})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gabion",
            // Of the API; fixes within the server are nobody's business.
            "version": concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR")),
            "summary": "Hardening for Rust services: the reference server.",
            "description": DESCRIPTION,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": components::security_schemes(),
            "schemas": {"Problem": components::problem()},
            "headers": components::headers(),
            "responses": responses.shared(),
        },
    })
}

/// What holds for all operations, and is not said again at each.
const DESCRIPTION: &str = "Every error is an RFC 9457 problem; /api/problems/{code} tells what its code \
    means. Where GET is, HEAD is too. Another method on a path of this document is 405 \
    method-not-allowed with Allow, any other path 404 not-found. Nothing is 406: where \
    there is one representation of an answer, Accept is not looked at. Unknown parameters and members of bodies are \
    refused; answers may get new members.";

fn operation(
    contract: &RouteContract,
    endpoints: &[&'static Endpoint],
    shared: &mut Responses,
) -> Value {
    let mut responses = shared.of(contract);
    links::add(contract, endpoints, &mut responses);
    let mut operation = json!({
        "operationId": contract.name,
        "summary": contract.summary,
        "tags": [tag(contract.path)],
        "responses": responses,
        "x-class": contract.class.as_str(),
        "x-rate-limits": rate_limits(contract.rate),
        "x-deadline": deadline(contract.deadline),
    });
    if let Some(bulkhead) = contract.bulkhead {
        operation["x-bulkhead"] = json!(bulkhead);
    }
    let parameters: Vec<Value> = contract
        .parameters
        .iter()
        .map(|parameter| {
            let in_path = contract.has_in_path(parameter.name);
            let mut told = json!({
                "name": parameter.name,
                "in": if in_path { "path" } else { "query" },
                "required": in_path || parameter.required,
                "description": parameter.summary,
                "schema": (parameter.schema)(),
            });
            if contract.path.ends_with(&format!("{{*{}}}", parameter.name)) {
                told["description"] = json!(format!(
                    "{} The whole rest of the path, slashes too.",
                    parameter.summary
                ));
                told["x-rest-of-path"] = json!(true);
            }
            told
        })
        .collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some((body, limit)) = request_body(contract.body) {
        operation["requestBody"] = body;
        operation["x-body-limit"] = json!(limit);
    }
    match contract.access {
        // Its answer holds more for who may see it.
        Access::Public if contract.path == "/api/health" => {
            operation["security"] = json!([{}, {"bearer": []}]);
        }
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

/// The path as OpenAPI writes it, which has no word for a parameter over several segments.
fn template(path: &str) -> String {
    path.replace("{*", "{")
}

/// The parts of the API, in the order of a reader.
const TAGS: [(&str, &str); 9] = [
    ("auth", "Logins, tokens, and the caller's own sessions and password."),
    ("batch", "Several requests in one."),
    ("probes", "For load balancers and supervisors."),
    ("operation", "What the server does, and its restart, keys and records."),
    ("accounts", "Who may call."),
    ("configuration", "The settings in effect, and the ways to change them."),
    ("backups", "Copies of the data that were opened and checked."),
    ("documents", "What the API and its problems mean."),
    ("demo", "For load tests and examples."),
];

/// Which part a path belongs to, by how it begins; the first that fits counts.
const PARTS: [(&str, &str); 15] = [
    ("/api/auth/", "auth"),
    ("/.well-known/", "auth"),
    ("/api/batch", "batch"),
    ("/api/health", "probes"),
    ("/livez", "probes"),
    ("/readyz", "probes"),
    ("/api/admin/users", "accounts"),
    ("/api/admin/api-keys", "accounts"),
    ("/api/admin/config", "configuration"),
    ("/api/admin/backups", "backups"),
    ("/api/admin/", "operation"),
    ("/api/metrics", "operation"),
    ("/api/restart", "operation"),
    ("/api/demo/", "demo"),
    ("/", "documents"),
];

fn tag(path: &str) -> &'static str {
    PARTS.iter().find(|(begin, _)| path.starts_with(begin)).map_or("documents", |(_, tag)| tag)
}

/// The names under which `RateLimit` tells of them.
fn rate_limits(rule: RateRule) -> &'static [&'static str] {
    match rule {
        RateRule::Exempt => &[],
        RateRule::Standard => &["address", "caller"],
        RateRule::Login => &["address", "login", "caller"],
    }
}

/// The setting that has it, or the time itself.
fn deadline(rule: DeadlineRule) -> String {
    match rule {
        DeadlineRule::Default => "limits.time.request".to_owned(),
        DeadlineRule::After(span) => gabion_config::format_duration(span),
        DeadlineRule::Endless => "none".to_owned(),
    }
}

/// The body, and the setting that bounds it.
fn request_body(rule: BodyRule) -> Option<(Value, &'static str)> {
    let json_body = |schema: Schema, required: bool| {
        let body = json!({
            "required": required,
            "content": {"application/json": {"schema": schema()}},
        });
        (body, "limits.size.json_body")
    };
    match rule {
        BodyRule::Empty => None,
        BodyRule::Json(schema) => Some(json_body(schema, true)),
        BodyRule::OptionalJson(schema) => Some(json_body(schema, false)),
        BodyRule::Stream => {
            let body = json!({
                "required": false,
                "description": "Bytes of any type.",
                "content": {"application/octet-stream": {}},
            });
            Some((body, "limits.size.body"))
        }
    }
}

#[cfg(test)]
mod tests {
    use gabion_errors::{Problem, types};

    use super::*;
    use crate::{routes, settings::ServerSettings};

    fn whole() -> Value {
        let mut settings = ServerSettings::default();
        settings.demo.enabled = true;
        document(&routes::endpoints(&settings))
    }

    fn response(path: &str, method: &str, status: &str) -> Value {
        let document = whole();
        let response = document["paths"][path][method]["responses"][status].clone();
        match response["$ref"].as_str().and_then(|place| place.strip_prefix('#')) {
            Some(pointer) => document.pointer(pointer).expect("a shared response").clone(),
            None => response,
        }
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
    fn each_part_of_the_api_is_described_once() {
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
        for (_, tag) in PARTS {
            assert_eq!(TAGS.iter().filter(|(name, _)| *name == tag).count(), 1, "{tag}");
        }
    }

    #[test]
    fn the_rest_of_a_path_is_a_parameter_of_it() {
        let mut files = RouteContract::open("/files/{*rest}", "files");
        files.parameters = &[gabion_tower::Parameter {
            name: "rest",
            required: true,
            schema: || json!({"type": "string"}),
            summary: "The file.",
        }];
        let told = operation(&files, &[], &mut Responses::default());
        assert_eq!(template(files.path), "/files/{rest}");
        assert_eq!(told["parameters"][0]["in"], "path");
        assert_eq!(told["parameters"][0]["x-rest-of-path"], true);
    }

    #[test]
    fn a_success_is_described_by_its_status() {
        assert_eq!(response("/api/admin/users", "post", "201")["description"], "Created");
        assert_eq!(response("/api/auth/logout", "post", "204")["description"], "No Content");
    }

    #[test]
    fn a_refusal_names_its_codes_and_its_fields() {
        let refused = response("/api/auth/password", "post", "401");
        assert_eq!(refused["x-codes"], json!(["unauthenticated", "invalid-credentials"]));
        assert!(refused["headers"]["WWW-Authenticate"].is_object(), "{refused}");
        let schema = &refused["content"][Problem::CONTENT_TYPE]["schema"]["allOf"][1];
        assert_eq!(schema["properties"]["code"]["enum"], refused["x-codes"]);
        for status in ["429", "503"] {
            let wait = response("/api/auth/login", "post", status);
            assert!(wait["headers"]["Retry-After"].is_object(), "{wait}");
            assert!(wait["headers"]["RateLimit"].is_object(), "{wait}");
        }
        assert!(response("/livez", "get", "503")["headers"]["RateLimit"].is_null());
    }

    #[test]
    fn the_codes_of_problems_are_those_that_have_a_page() {
        let codes: Vec<&str> = types::ALL.iter().map(|kind| kind.code).collect();
        let document = whole();
        let told = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
        assert_eq!(*told, json!(codes));
        let page = &document["paths"]["/api/problems/{code}"]["get"]["parameters"][0];
        assert_eq!(page["schema"]["enum"], json!(codes));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn look(document: &Value, at: &Value) {
            if let Some(place) = at.get("$ref").and_then(Value::as_str) {
                let pointer = place.strip_prefix('#').expect("a place in this document");
                assert!(document.pointer(pointer).is_some(), "{place}");
            }
            at.as_object().into_iter().flatten().for_each(|(_, part)| look(document, part));
            at.as_array().into_iter().flatten().for_each(|part| look(document, part));
        }
        let document = whole();
        look(&document, &document);
    }
}
