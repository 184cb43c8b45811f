//! Validation at the edge: every JSON route and every parameter, with every kind of wrong input.

mod texts;

use gabion_tower::json::parse;
use serde_json::{Map, Value, json};

use crate::{
    client::{Client, Request, Response},
    openapi::is_text,
    server::{Home, Server},
};

/// A server, and what its own API document says of it.
struct Edge {
    server: Server,
    admin: String,
    document: Value,
    _home: Home,
}

/// A route that takes JSON.
struct Route {
    method: String,
    target: String,
    required: bool,
    schema: Value,
}

impl Edge {
    fn new() -> Self {
        let home = Home::new();
        let server = home.start(&["demo.enabled=true", "limits.size.json_body=1MiB"]);
        let admin = server.admin();
        let document = server.send(&Request::get("/api/openapi.json")).expect(200).json();
        Self { server, admin, document, _home: home }
    }

    /// Each operation with its method and path.
    fn operations(&self) -> impl Iterator<Item = (String, &str, &Value)> {
        let paths = self.document["paths"].as_object().expect("paths").iter();
        paths.flat_map(|(path, operations)| {
            let operations = operations.as_object().expect("operations").iter();
            operations.map(move |(method, own)| (method.to_uppercase(), path.as_str(), own))
        })
    }

    fn json_routes(&self) -> Vec<Route> {
        let routes = self.operations().filter_map(|(method, path, operation)| {
            let body = &operation["requestBody"];
            let schema = body["content"]["application/json"]["schema"].clone();
            let required = body["required"].as_bool().unwrap_or_default();
            let target = path.replace("{username}", "admin");
            schema.is_object().then_some(Route { method, target, required, schema })
        });
        let routes: Vec<Route> = routes.collect();
        assert!(routes.len() >= 9, "{} routes take JSON", routes.len());
        routes
    }

    fn send(&self, client: &mut Client, route: &Route, body: &[u8]) -> Response {
        let request = Request::new(&route.method, route.target.as_str()).bearer(&self.admin);
        client.send(&request.header("Content-Type", "application/json").body(body))
    }

    fn get(&self, target: &str) -> Response {
        self.server.get(target, &self.admin)
    }
}

/// The faults as `pointer code`.
#[track_caller]
fn faults(response: &Response, code: &str) -> Vec<String> {
    let problem = response.problem(code);
    let faults = problem["errors"].as_array().cloned().unwrap_or_default();
    let told = faults.iter().map(|fault| {
        let text = |name: &str| fault[name].as_str().expect("a text").to_owned();
        assert!(!text("detail").is_empty(), "{problem}");
        format!("{} {}", text("pointer"), text("code"))
    });
    told.collect()
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn each_kind_of_unreadable_body_is_told_apart_on_every_route() {
    let edge = Edge::new();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
    let deepest = format!("/a{} depth", "/0".repeat(63));
    let kinds: [(Vec<u8>, &str); 13] = [
        (b"\xEF\xBB\xBF{}".to_vec(), " byte-order-mark"),
        ([b"\xFF\xFE".to_vec(), utf_16("{}")].concat(), " encoding"),
        (utf_16("{\"a\":1}"), " encoding"),
        (b"{\"a\":\"\xC3\x28\"}".to_vec(), " encoding"),
        (b"{\"a\":\"\xC0\xAF\"}".to_vec(), " encoding"),
        (b" \r\n".to_vec(), " empty"),
        (b"{} {}".to_vec(), " trailing"),
        (b"{\"a\":1,}".to_vec(), " syntax"),
        (b"{\"a\":{\"b\":1,\"b\":2}}".to_vec(), "/a/b duplicate"),
        (b"{\"a\":[0,1e400]}".to_vec(), "/a/1 number"),
        (b"{\"a\":\"\\udfff\"}".to_vec(), "/a surrogate"),
        (deep.into_bytes(), &deepest),
        (b"".to_vec(), " empty"),
    ];
    let mut client = edge.server.client();
    for route in edge.json_routes() {
        for (body, told) in &kinds {
            if body.is_empty() && !route.required {
                // No body at all, which is what such a route takes as well.
                continue;
            }
            let answer = edge.send(&mut client, &route, body);
            let (target, body) = (&route.target, String::from_utf8_lossy(body));
            assert_eq!(faults(&answer, "invalid-request"), [*told], "{target} {body}");
        }
    }
}

#[test]
fn all_names_that_stand_twice_are_told_at_once() {
    let edge = Edge::new();
    let body = br#"{"username":"a","username":"b","password":{"x":1,"x":2},"password":1}"#;
    let login = Request::post("/api/auth/login").header("Content-Type", "application/json");
    let answer = edge.server.send(&login.body(body.as_slice()));
    let told = faults(&answer, "invalid-request");
    assert_eq!(told, ["/username duplicate", "/password/x duplicate", "/password duplicate"]);
}

/// A value that the schema of a member does not take by its type.
fn of_another_type(schema: &Value) -> Option<Value> {
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let values = [("string", json!("x")), ("object", json!({})), ("boolean", json!(true))];
    values.into_iter().find(|(kind, _)| !kinds.contains(kind)).map(|(_, value)| value)
}

#[test]
fn every_member_of_another_type_unknown_or_missing_is_told_on_every_route() {
    let edge = Edge::new();
    let mut client = edge.server.client();
    for route in edge.json_routes() {
        let properties = route.schema["properties"].as_object().expect("properties");
        let mut body = Map::new();
        let mut wanted: Vec<String> = Vec::new();
        for (name, schema) in properties {
            if let Some(value) = of_another_type(schema) {
                body.insert(name.clone(), value);
                wanted.push(format!("/{name} type"));
            }
        }
        assert!(!wanted.is_empty(), "{}", route.target);
        body.insert("zzzzzzzzzzzz".to_owned(), json!(1));
        wanted.push("/zzzzzzzzzzzz unknown".to_owned());
        let answer = edge.send(&mut client, &route, Value::Object(body).to_string().as_bytes());
        let told = faults(&answer, "invalid-body");
        assert!(wanted.iter().all(|own| told.contains(own)), "{} {told:?}", route.target);

        for body in ["[]", "1", "null", "\"x\"", "true"] {
            let answer = edge.send(&mut client, &route, body.as_bytes());
            assert_eq!(faults(&answer, "invalid-body"), [" type"], "{} {body}", route.target);
        }
        let required = route.schema["required"].as_array().cloned().unwrap_or_default();
        let missing: Vec<String> =
            required.iter().map(|name| format!("/{} missing", name.as_str().unwrap())).collect();
        if !missing.is_empty() {
            let answer = edge.send(&mut client, &route, b"{}");
            assert_eq!(faults(&answer, "invalid-body"), missing, "{}", route.target);
        }
    }
}

#[test]
fn a_misspelt_member_is_told_with_the_one_that_was_meant() {
    let edge = Edge::new();
    let mut client = edge.server.client();
    for route in edge.json_routes() {
        for name in route.schema["properties"].as_object().expect("properties").keys() {
            let misspelt = format!("{name}z");
            let body = json!({misspelt.as_str(): null}).to_string();
            let answer = edge.send(&mut client, &route, body.as_bytes());
            let problem = answer.problem("invalid-body");
            let faults = problem["errors"].as_array().expect("faults").iter();
            let mut told = faults.filter(|fault| fault["code"] == "unknown");
            let detail = told.next().map(|fault| fault["detail"].as_str().unwrap_or_default());
            let meant = format!("is not known, did you mean {name}?");
            // Of very short names two are near.
            assert!(detail == Some(&meant) || name.len() < 3, "{} {problem}", route.target);
        }
    }
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction() {
    let edge = Edge::new();
    let rollback = |version: &str| {
        let request = Request::post("/api/admin/config/rollback").bearer(&edge.admin);
        let request = request.header("Content-Type", "application/json");
        edge.server.send(&request.body(format!("{{\"version\":{version}}}")))
    };
    // There is none of them, which is for the route to say.
    for version in ["9007", "9007.0", "9.007e3", "18446744073709551615"] {
        rollback(version).problem("not-found");
    }
    assert_eq!(faults(&rollback("1.5"), "invalid-body"), ["/version type"]);
    for version in ["0", "-1.0", "1e300", "18446744073709551616"] {
        assert_eq!(faults(&rollback(version), "invalid-body"), ["/version range"], "{version}");
    }
    let told = rollback("1e30").problem("invalid-body");
    assert_eq!(told["errors"][0]["detail"], "must be 1 to 18446744073709551615");
    // Numbers that an `f64` would make 1.
    for version in ["1.00000000000000001", "0.99999999999999999999"] {
        assert_eq!(faults(&rollback(version), "invalid-body"), ["/version type"], "{version}");
    }
    assert_eq!(faults(&rollback("9007199254740993.5"), "invalid-request"), ["/version number"]);
}

#[test]
fn no_text_that_is_nearly_json_is_an_error_of_the_server() {
    let edge = Edge::new();
    let mut client = edge.server.client();
    let texts = texts::texts();
    assert!(texts.len() >= 80, "{} texts", texts.len());
    for route in edge.json_routes() {
        for text in &texts {
            let answer = edge.send(&mut client, &route, text);
            let told = String::from_utf8_lossy(&text[..text.len().min(80)]);
            match parse(text, 64) {
                // None of them is the body of any route.
                Ok(_) => assert_eq!(answer.status, 422, "{} {told}", route.target),
                Err(_) => assert_eq!(answer.status, 400, "{} {told}", route.target),
            }
            faults(&answer, if answer.status == 422 { "invalid-body" } else { "invalid-request" });
        }
    }
}

#[test]
fn what_is_read_of_a_text_is_what_everybody_reads() {
    let both = texts::texts().into_iter().filter_map(|text| {
        let value = parse(&text, 64).ok()?;
        let other = serde_json::from_slice::<Value>(&text).ok();
        // Others read 0 and the least integer; neither of them was written.
        let exact = [b"{\"a\":1e-400}".as_slice(), b"{\"a\":-9223372036854775809}"];
        let same = Some(&value) == other.as_ref();
        assert_eq!(same, !exact.contains(&&*text), "{}", String::from_utf8_lossy(&text));
        other
    });
    assert!(both.count() >= 25);
    let refused = texts::texts()
        .into_iter()
        .filter(|text| parse(text, 64).is_err() && serde_json::from_slice::<Value>(text).is_ok());
    // Names twice, and nesting beyond our bound but within theirs.
    let refused: Vec<_> = refused.map(|text| String::from_utf8_lossy(&text).into_owned()).collect();
    assert!(refused.iter().all(|text| text.contains("\":1,\"") || text.len() > 128), "{refused:?}");
}

#[test]
fn every_route_refuses_a_query_that_it_does_not_know_but_pages_for_people() {
    let edge = Edge::new();
    let mut client = edge.server.client();
    for (method, path, operation) in edge.operations() {
        // A restart is tried elsewhere, and what it would do here is nothing.
        let target = ["{id}", "{kid}", "{code}", "{key}", "{username}"]
            .iter()
            .fold(path.to_owned(), |target, name| target.replace(name, "x"));
        let request = Request::new(&method, format!("{target}?zzzzzzzz=hunter2&q%71q=1"));
        let answer = client.send(&request.bearer(&edge.admin));
        let content = &operation["responses"]["200"]["content"];
        if is_text(content) {
            assert_eq!(answer.status, 200, "{method} {path}");
            continue;
        }
        let told = faults(&answer, "invalid-request");
        assert_eq!(told, ["/query/zzzzzzzz unknown", "/query/qqq unknown"], "{method} {path}");
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
}

#[test]
fn a_parameter_is_held_to_its_schema_on_every_route() {
    let edge = Edge::new();
    let mut asked = 0;
    for (_, path, operation) in edge.operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] != "query" {
                continue;
            }
            asked += 1;
            let (name, schema) =
                (parameter["name"].as_str().expect("a name"), &parameter["schema"]);
            let target = path.replace("{key}", "x");
            let refused = |query: &str, wanted: &str| {
                let answer = edge.get(&format!("{target}?{query}"));
                let told = faults(&answer, "invalid-request");
                assert_eq!(told, [format!("/query/{name} {wanted}")], "{path}?{query}");
            };
            refused(&format!("{name}=%zz"), "encoding");
            refused(&format!("{name}=%ff"), "encoding");
            let number = schema["type"] == "integer";
            let (least, most) = (&schema["minimum"], &schema["maximum"]);
            let good = if number { most.to_string() } else { "user".to_owned() };
            refused(&format!("{name}={good}&{name}={good}"), "duplicate");
            if number {
                for bad in ["", "x", "1.5", "+1", "01", "1e400", "true", "%31%20"] {
                    refused(&format!("{name}={bad}"), "type");
                }
                let least = least.as_i64().expect("a bound") - 1;
                let most = most.as_i64().expect("a bound") + 1;
                refused(&format!("{name}={least}"), "range");
                refused(&format!("{name}={most}"), "range");
                refused(&format!("{name}=1e300"), "range");
            } else if schema["enum"].is_array() {
                refused(&format!("{name}=vip"), "choice");
            } else {
                refused(&format!("{name}="), "length");
                refused(&format!("{name}={}", "x".repeat(129)), "length");
                refused(&format!("{name}=a%00b"), "format");
            }
        }
    }
    assert!(asked >= 8, "{asked} parameters");
}

#[test]
fn all_faults_of_a_query_are_told_at_once_and_before_the_body_is_read() {
    let edge = Edge::new();
    let answer = edge.get("/api/admin/audit?limt=1&limit=0&before=x&subject=%zz&action=&action=a");
    let told = faults(&answer, "invalid-request");
    assert_eq!(
        told,
        [
            "/query/limt unknown",
            "/query/limit range",
            "/query/before type",
            "/query/subject encoding",
            "/query/action length",
            "/query/action duplicate",
        ]
    );
    let problem = answer.problem("invalid-request");
    assert_eq!(problem["detail"], "the parameters have 6 faults");
    assert_eq!(problem["errors"][0]["detail"], "is not known, did you mean limit?");
    // A body is announced and never comes.
    let mut client = edge.server.client();
    let late = Request::post("/api/auth/login?x=1").header("Content-Type", "application/json");
    client.raw(&late.header("Content-Length", "40").head());
    let answer = client.read(false).expect("an answer");
    assert_eq!(faults(&answer, "invalid-request"), ["/query/x unknown"]);
}

#[test]
fn values_of_a_query_mean_the_same_however_they_are_written() {
    let edge = Edge::new();
    for query in [
        "",
        "?",
        "?&",
        "?limit=1",
        "?limit=1.0&",
        "?%6cimit=1e0",
        "?action=log%69n",
        "?subject=a+b",
    ] {
        edge.get(&format!("/api/admin/audit{query}")).expect(200);
    }
    edge.get("/api/demo/work?cpu_us=0&io_ms=1.0&class=batch").expect(200);
    edge.get("/api/demo/cached/a%2Fb?load_ms=0").expect(200);
}

#[test]
fn a_path_that_is_badly_encoded_is_told_with_its_parameter() {
    let edge = Edge::new();
    let mut asked = 0;
    for (method, path, operation) in edge.operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] != "path" {
                continue;
            }
            asked += 1;
            let name = parameter["name"].as_str().expect("a name");
            for bad in ["%ff", "%zz", "%4", "a%"] {
                let target = path.replace(&format!("{{{name}}}"), bad);
                let request = Request::new(&method, target).bearer(&edge.admin);
                let told = faults(&edge.server.send(&request), "invalid-request");
                assert_eq!(told, [format!("/path/{name} encoding")], "{method} {path} {bad}");
            }
        }
    }
    assert!(asked >= 7, "{asked} parameters");
}
