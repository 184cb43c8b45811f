//! The API document and the server hold each other to what they say. What is sent here comes from the
//! document, so a new route is looked at without anybody listing it.

pub(crate) mod document;
mod page;
mod schema;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
};

use serde_json::{Value, json};

use self::document::{Document, Operation};
use crate::{
    client::{Client, Request, Response},
    server::{Home, Server},
};

const METHODS: [&str; 9] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"];

/// A server with callers of every kind, and its document.
struct World {
    server: Server,
    document: Document,
    /// Who may do anything.
    admin: String,
    /// A token for each role.
    roles: Vec<(&'static str, String)>,
    /// An API key of the administrator that is good for nothing.
    key: String,
    _home: Home,
}

impl World {
    #[track_caller]
    fn new(sets: &[&str]) -> Self {
        let home = Home::new();
        let free = ["address", "caller", "login"].map(|name| {
            [
                format!("limits.rate.{name}.quota=1000000/s"),
                format!("limits.rate.{name}.burst=1000000"),
            ]
        });
        let free = free.iter().flatten().map(String::as_str);
        let sets: Vec<&str> =
            free.chain(["demo.enabled=true"]).chain(sets.iter().copied()).collect();
        let server = home.start(&sets);
        let admin = server.admin();
        let token = |role: &'static str| {
            let name = format!("the-{role}");
            (role, server.add(&admin, &name, &[role]).access)
        };
        let roles = ["admin", "monitor", "user"].map(token).to_vec();
        let body = json!({"name": "nothing", "username": "admin", "scopes": []});
        let made = server.post("/api/admin/api-keys", &admin, &body).expect(201).json();
        let key = made["secret"].as_str().expect("a secret").to_owned();
        let document = Document::of(&server);
        Self { server, document, admin, roles, key, _home: home }
    }

    /// The request as somebody who may send it.
    fn allowed(&self, operation: &Operation, request: Request) -> Request {
        if operation.is_guarded() { request.bearer(&self.admin) } else { request }
    }

    /// Sends a request to `operation`, and checks that the document knows the answer.
    #[track_caller]
    fn send(&self, operation: &Operation, request: &Request) -> Response {
        let response = self.server.send(request);
        self.document.check(&operation.method, &operation.path, &response);
        response
    }

    /// The same with nothing but what a caller has to show.
    #[track_caller]
    fn refused(&self, operation: &Operation, request: Request, code: &str) -> Value {
        self.send(operation, &self.allowed(operation, request)).problem(code)
    }
}

fn is_json(operation: &&Operation) -> bool {
    operation.json_body().is_some()
}

#[test]
fn another_method_is_refused_with_those_that_work() {
    let world = World::new(&[]);
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let operations = world.document.operations();
    for operation in &operations {
        let own = methods.entry(operation.path.clone()).or_default();
        own.insert(operation.method.clone());
        if operation.method == "GET" {
            own.insert("HEAD".to_owned());
        }
    }
    for operation in &operations {
        let own = &methods[&operation.path];
        for method in METHODS {
            if own.contains(method) {
                continue;
            }
            let response = world.server.send(&Request::new(method, operation.request().target));
            response.problem("method-not-allowed");
            response.has_usual_headers();
            let allow = response.header("allow").unwrap_or_default();
            let allowed: BTreeSet<String> = allow.split(", ").map(str::to_owned).collect();
            assert_eq!(allowed, *own, "{method} {}", operation.path);
        }
    }
}

#[test]
fn who_shows_nothing_or_something_bad_is_refused() {
    let world = World::new(&[]);
    for operation in world.document.operations().iter().filter(|it| it.is_guarded()) {
        world.send(operation, &operation.request()).problem("unauthenticated");
        for shown in ["Bearer", "Bearer x", "Basic YTpi", "Bearer a.b.c", "bearer  "] {
            let request = operation.request().header("Authorization", shown);
            world.send(operation, &request).problem("unauthenticated");
        }
    }
}

#[test]
fn a_role_that_is_not_named_is_refused() {
    let world = World::new(&[]);
    for operation in world.document.operations() {
        let named = operation.roles();
        if named.is_empty() {
            continue;
        }
        for (role, token) in world.roles.iter().filter(|(role, _)| !named.contains(role)) {
            let response = world.send(&operation, &operation.request().bearer(token));
            assert_eq!(response.status, 403, "{role} at {}", operation.name());
            response.problem("forbidden");
        }
    }
}

#[test]
fn an_api_key_without_the_scope_is_refused() {
    let world = World::new(&[]);
    for operation in world.document.operations().iter().filter(|it| it.is_guarded()) {
        let scope = &operation.told["x-api-key-scope"];
        if scope.is_null() {
            continue;
        }
        world.send(operation, &operation.request().bearer(&world.key)).problem("forbidden");
    }
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
fn a_body_that_is_not_json_is_refused() {
    let world = World::new(&[]);
    let deep = "[".repeat(65) + &"]".repeat(65);
    for operation in world.document.operations().iter().filter(is_json) {
        let bodies = [
            b"{".as_slice(),
            b"{}}",
            b"nope",
            b"{\"a\":1,\"a\":2}",
            b"\xff\xfe",
            b"\xef\xbb\xbf{}",
            b"{\"a\":1e999}",
            b" ",
            deep.as_bytes(),
        ];
        let nothing = operation.told["requestBody"]["required"] == true;
        for body in bodies.into_iter().chain(nothing.then_some(b"".as_slice())) {
            let request = operation.request().header("Content-Type", "application/json").body(body);
            world.refused(operation, request, "invalid-request");
        }
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

/// A value as it stands in a query.
fn in_query(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => return None,
        other => other.to_string(),
    };
    Some(text.bytes().map(|byte| format!("%{byte:02X}")).collect())
}

#[test]
fn every_parameter_is_held_to_its_schema() {
    let world = World::new(&[]);
    let mut tried = 0;
    for operation in world.document.operations() {
        for parameter in operation.parameters().iter().filter(|it| !it.in_path) {
            let (name, pointer) = (&parameter.name, format!("/query/{}", parameter.name));
            let ask = |query: &str| {
                let mut request = operation.request();
                request.target = format!("{}?{query}", request.target);
                let told = world.refused(&operation, request, "invalid-request");
                let errors = told["errors"].as_array().expect("errors");
                let found = errors.iter().any(|error| error["pointer"] == pointer.as_str());
                assert!(found, "{} {query}: {told}", operation.name());
            };
            for wrong in schema::wrong(&parameter.schema) {
                // In a query everything is a text.
                let is_text = parameter.schema["type"] == "string" && wrong.code == Some("type");
                let Some(value) = in_query(&wrong.value).filter(|_| !is_text) else { continue };
                ask(&format!("{name}={value}"));
                tried += 1;
            }
            let good = in_query(&schema::good(&parameter.schema)).expect("a text");
            ask(&format!("{name}={good}&{name}={good}"));
        }
    }
    assert!(tried > 10, "{tried} wrong parameters");
}

/// Whether a success is words alone: pages, probes and metrics, to whose addresses others append things.
pub(crate) fn is_text(content: &Value) -> bool {
    let mut media = content.as_object().into_iter().flat_map(|content| content.keys()).peekable();
    media.peek().is_some()
        && media.all(|media| ["text/html", "text/plain"].contains(&media.as_str()))
}

#[test]
fn a_parameter_that_nobody_knows_is_refused() {
    let world = World::new(&[]);
    for operation in world.document.operations() {
        let mut request = operation.request();
        request.target.push_str("?nobody_knows_this=1");
        let content = &operation.told["responses"]["200"]["content"];
        if is_text(content) {
            world.send(&operation, &world.allowed(&operation, request)).expect(200);
        } else {
            world.refused(&operation, request, "invalid-request");
        }
    }
}

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

/// A document's operations.
fn names(document: &Document) -> BTreeSet<String> {
    document.operations().iter().map(Operation::name).collect()
}

/// Whether a face serves an operation: whatever it answers, it is not that there is no such path or method.
fn serves(client: &mut Client, operation: &Operation) -> bool {
    // A body that nobody may send is refused before anything is done.
    let request = operation.request().header("Content-Type", "text/plain").body("no");
    let response = client.send(&request);
    match response.status {
        404 | 405 => false,
        401 | 415 => true,
        other => panic!("{} at {}: {}", other, operation.name(), response.text()),
    }
}

#[test]
fn each_face_lists_exactly_what_it_serves() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let admin_listen = format!("server.admin_listen={free}");
    let everything = {
        let home = Home::new();
        let server = home.start(&["demo.enabled=true"]);
        Document::of(&server)
    };
    let all = everything.operations();
    for (sets, apart) in [
        (vec![], false),
        (vec!["demo.enabled=true"], false),
        (vec![admin_listen.as_str()], true),
        (vec![admin_listen.as_str(), "demo.enabled=true"], true),
    ] {
        let home = Home::new();
        let server = home.start(&sets);
        let demo = sets.contains(&"demo.enabled=true");
        let mut faces = vec![server.address()];
        faces.extend(apart.then_some(free));
        let mut listed = BTreeSet::new();
        for face in faces {
            let told = Client::connect(face).send(&Request::get("/api/openapi.json"));
            let document = Document::read(told.expect(200).json());
            let own = names(&document);
            for operation in &all {
                let served = serves(&mut Client::connect(face), operation);
                assert_eq!(
                    served,
                    own.contains(&operation.name()),
                    "{} {sets:?}",
                    operation.name()
                );
            }
            assert!(own.is_subset(&names(&everything)), "{sets:?}");
            listed.extend(own);
        }
        let wanted = all.iter().filter(|it| demo || !it.path.starts_with("/api/demo/"));
        assert_eq!(listed, wanted.map(Operation::name).collect(), "{sets:?}");
        let flags: Vec<String> = sets.iter().map(|set| format!("--set={set}")).collect();
        let arguments: Vec<&str> =
            std::iter::once("openapi").chain(flags.iter().map(String::as_str)).collect();
        let printed = Document::read(home.run(&arguments).json());
        assert_eq!(names(&printed), listed, "{sets:?}");
        server.stop();
    }
}

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
        let html = read.text();
        for member in ["title", "meaning", "remedy"] {
            assert!(html.contains(page[member].as_str().expect("a text")), "{code} {member}");
        }
    }
}
