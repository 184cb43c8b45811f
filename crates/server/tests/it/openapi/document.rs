//! The API document as a test reads it.

use serde_json::Value;

use super::schema;
use crate::{
    client::{Request, Response},
    server::Server,
};

/// Fields that any answer may have: of the connection, of the body, and of what a browser may do with it.
/// All others have to be documented where they are.
const USUAL: [&str; 9] = [
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "referrer-policy",
    "transfer-encoding",
    "x-content-type-options",
];

/// What the server says of itself.
pub(crate) struct Document(Value);

/// One operation of it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    /// What the document says of it.
    pub(crate) told: Value,
}

/// A parameter of an operation.
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) in_path: bool,
    pub(crate) schema: Value,
}

impl Document {
    #[track_caller]
    pub(crate) fn of(server: &Server) -> Self {
        Self::read(server.send(&Request::get("/api/openapi.json")).expect(200).json())
    }

    pub(crate) fn read(document: Value) -> Self {
        Self(document)
    }

    /// The document itself.
    pub(crate) fn whole(&self) -> &Value {
        &self.0
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, methods)| {
            methods.as_object().expect("methods").iter().map(|(method, told)| Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                told: told.clone(),
            })
        });
        operations.collect()
    }

    /// What `value` refers to; itself, when it does not.
    pub(crate) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let place = value["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
        place.map_or(value, |pointer| self.0.pointer(pointer).expect("a part of the document"))
    }

    /// Checks that the document tells of this answer: its status, its fields, and all of its body.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, path: &str, response: &Response) {
        response.has_usual_headers();
        let told = format!("{method} {path} {}", response.status);
        let operation = &self.0["paths"][path][method.to_lowercase()];
        let documented = self.resolve(&operation["responses"][response.status.to_string()]);
        assert!(documented.is_object(), "{told} is not documented");
        for (name, header) in documented["headers"].as_object().into_iter().flatten() {
            let needed = self.resolve(header)["required"] == true;
            assert!(!needed || response.header(name).is_some(), "{told} has no {name}");
        }
        for (name, _) in response.headers.iter().filter(|(name, _)| !USUAL.contains(&&**name)) {
            let mut names = documented["headers"].as_object().into_iter().flatten();
            let known = names.any(|(known, _)| known.eq_ignore_ascii_case(name));
            assert!(known, "{told} {name} is not documented");
        }
        let Some(media) = response.header("content-type").filter(|_| response.status != 204) else {
            assert!(documented["content"].is_null(), "{told} has no body");
            return;
        };
        let media = media.split(';').next().unwrap_or_default();
        let content = &documented["content"][media];
        assert!(content.is_object(), "{told} {media} is not documented");
        if response.status >= 400 && media.ends_with("problem+json") {
            let code = response.json()["code"].as_str().map(str::to_owned);
            let code = code.unwrap_or_else(|| panic!("{told} has no code"));
            response.problem(&code);
            let codes = documented["x-codes"].as_array().map(Vec::as_slice).unwrap_or_default();
            assert!(codes.iter().any(|known| *known == code.as_str()), "{told} {code}: {codes:?}");
        }
        if media.contains("json") && !response.body.is_empty() {
            let faults = schema::faults(&self.0, &content["schema"], &response.json());
            assert!(faults.is_empty(), "{told}: {faults:?} in {}", response.text());
        }
    }
}

impl Operation {
    /// Its name, for messages.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn is_guarded(&self) -> bool {
        // An empty requirement lets in whoever shows nothing (OpenAPI 3.1 §4.8.30).
        let ways = self.told["security"].as_array().expect("ways to call");
        !ways.is_empty() && !ways.contains(&serde_json::json!({}))
    }

    pub(crate) fn roles(&self) -> Vec<&str> {
        self.told["x-roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let told = self.told["parameters"].as_array().into_iter().flatten();
        let parameter = |told: &Value| Parameter {
            name: told["name"].as_str().expect("a name").to_owned(),
            in_path: told["in"] == "path",
            schema: told["schema"].clone(),
        };
        told.map(parameter).collect()
    }

    /// The schema of a body of JSON.
    pub(crate) fn json_body(&self) -> Option<&Value> {
        self.told.pointer("/requestBody/content/application~1json/schema")
    }

    pub(crate) fn takes_body(&self) -> bool {
        self.told["requestBody"].is_object()
    }

    /// A request to it with good path parameters, and nothing else.
    pub(crate) fn request(&self) -> Request {
        let in_path = self.parameters().into_iter().filter(|parameter| parameter.in_path);
        let path = in_path.fold(self.path.clone(), |path, parameter| {
            let value = schema::good(&parameter.schema);
            let value = value.as_str().expect("a text");
            path.replace(&format!("{{{}}}", parameter.name), value)
        });
        assert!(!path.contains('{'), "{path} has a parameter that is not declared");
        Request::new(&self.method, path)
    }
}
