use gabion_errors::{FieldError, Problem, types};
use gabion_monitor::{HttpMetrics, RouteMetrics};
use http::{
    HeaderValue, Method,
    header::{ALLOW, CONNECTION},
    request::Parts,
};

use crate::{BodyRule, RouteContract, json, params};

/// A contract with the metrics of its route.
pub struct Route {
    /// What was declared.
    pub contract: &'static RouteContract,
    /// The handles of its metrics.
    pub metrics: RouteMetrics,
    /// Its place in the order of declaration; `None` for the route of what matches nothing.
    pub index: Option<usize>,
    /// The JSON Schema of its body, where it reads one.
    pub schema: Option<json::Schema>,
    /// Its parameters.
    pub(crate) parameters: params::Declared,
}

impl Route {
    /// Binds the metrics of `contract`. A route lives as long as the process, as its contract does;
    /// requests then refer to it without counting references.
    ///
    /// # Errors
    ///
    /// When a schema of its body or its parameters says what cannot be checked.
    pub fn leak(
        contract: &'static RouteContract,
        index: Option<usize>,
    ) -> Result<&'static Self, RouteError> {
        let method = match contract.method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "_OTHER",
        };
        let metrics = HttpMetrics::new().route(method, contract.path);
        let schema = match contract.body {
            BodyRule::Json(schema) | BodyRule::OptionalJson(schema) => {
                Some(json::Schema::compile(&schema()))
            }
            BodyRule::Empty | BodyRule::Stream => None,
        };
        let (method, path) = (&contract.method, contract.path);
        let schema = schema.transpose().map_err(|source| {
            let part = "body";
            RouteError::Schema { method: method.clone(), path, part, source }
        })?;
        let parameters = params::Declared::compile(contract).map_err(|error| {
            let part = error.name;
            RouteError::Schema { method: method.clone(), path, part, source: error.source }
        })?;
        Ok(Box::leak(Box::new(Self { contract, metrics, index, schema, parameters })))
    }
}

/// Where a request belongs.
pub struct Match {
    /// Its route; what matches nothing has one too.
    pub route: &'static Route,
    /// Its path parameters.
    pub params: Vec<(&'static str, String)>,
    /// Why there is no route for it.
    pub refusal: Option<Problem>,
}

/// Finds the route of a request.
pub trait Routes: Send + Sync + 'static {
    /// The route of `head`, or one for those that have none, with the reason.
    fn find(&self, head: &Parts) -> Match;
}

/// One route for everything.
impl Routes for &'static Route {
    fn find(&self, _head: &Parts) -> Match {
        Match { route: self, params: Vec::new(), refusal: None }
    }
}

/// Routes by path and method.
pub struct RouteTable {
    paths: matchit::Router<PathEntry>,
    unmatched: &'static Route,
}

struct PathEntry {
    routes: Vec<&'static Route>,
    parameters: Vec<&'static str>,
    /// Of requests whose method has no route here.
    other: &'static Route,
}

/// Contracts cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Method and path are taken.
    #[error("{method} {path} is declared twice")]
    Twice {
        /// The method.
        method: Method,
        /// The template.
        path: &'static str,
    },
    /// The template is malformed or meets another one.
    #[error("the path {path} cannot be routed")]
    Path {
        /// The template.
        path: &'static str,
        /// Why.
        #[source]
        source: matchit::InsertError,
    },
    /// A schema says what cannot be checked, so that it would not be held.
    #[error("the schema of {part:?} of {method} {path} cannot be checked")]
    Schema {
        /// The method.
        method: Method,
        /// The template.
        path: &'static str,
        /// Whose schema it is: `body`, or the name of a parameter.
        part: &'static str,
        /// Why.
        #[source]
        source: json::SchemaError,
    },
}

impl RouteTable {
    /// A table of `contracts`; what they do not cover gets `unmatched`. So does another method on a
    /// path of theirs, which is counted under that path and the method `_OTHER`.
    ///
    /// # Errors
    ///
    /// When two contracts contradict each other, or a schema of one cannot be checked.
    pub fn new(
        contracts: impl IntoIterator<Item = &'static RouteContract>,
        unmatched: &'static RouteContract,
    ) -> Result<Self, RouteError> {
        let mut entries: Vec<(&'static str, PathEntry)> = Vec::new();
        for (index, contract) in contracts.into_iter().enumerate() {
            let path = contract.path;
            let known = entries.iter().position(|(own, _)| *own == path);
            let place = match known {
                Some(place) => place,
                None => {
                    let (routes, parameters) = (Vec::new(), names(path));
                    let other = Route::leak(unmatched.at(path), None)?;
                    entries.push((path, PathEntry { routes, parameters, other }));
                    entries.len() - 1
                }
            };
            let entry = &mut entries[place].1;
            if entry.routes.iter().any(|route| route.contract.method == contract.method) {
                return Err(RouteError::Twice { method: contract.method.clone(), path });
            }
            entry.routes.push(Route::leak(contract, Some(index))?);
        }
        let mut paths = matchit::Router::new();
        for (path, entry) in entries {
            paths.insert(path, entry).map_err(|source| RouteError::Path { path, source })?;
        }
        Ok(Self { paths, unmatched: Route::leak(unmatched, None)? })
    }

    fn refuse(&self, problem: Problem) -> Match {
        Match { route: self.unmatched, params: Vec::new(), refusal: Some(problem) }
    }
}

impl Routes for RouteTable {
    fn find(&self, head: &Parts) -> Match {
        if !is_known(&head.method) {
            // What a proxy makes of a method that neither of us knows is anybody's guess.
            let close = HeaderValue::from_static("close");
            let problem = Problem::new(&types::NOT_IMPLEMENTED).header(CONNECTION, close);
            return self.refuse(problem);
        }
        let Ok(found) = self.paths.at(head.uri.path()) else {
            return self.refuse(Problem::new(&types::NOT_FOUND));
        };
        let wanted = if head.method == Method::HEAD { &Method::GET } else { &head.method };
        let entry = found.value;
        let Some(route) = entry.routes.iter().find(|route| route.contract.method == *wanted) else {
            let refusal = Some(not_allowed(entry));
            return Match { route: entry.other, params: Vec::new(), refusal };
        };
        let names = entry.parameters.iter().copied();
        let mut faults = Vec::new();
        let decode = |(name, (_, raw)): (&'static str, (&str, &str))| {
            let text = params::decode(raw);
            if text.is_none() {
                let detail = "is not percent-encoded UTF-8";
                faults.push(FieldError::new(format!("/path/{name}"), "encoding", detail));
            }
            (name, text.unwrap_or_default().into_owned())
        };
        let params = names.zip(found.params.iter()).map(decode).collect();
        if !faults.is_empty() {
            let problem = Problem::new(&types::INVALID_REQUEST);
            let detail = "the path is not valid percent-encoded UTF-8";
            return self.refuse(problem.detail(detail).errors(faults));
        }
        Match { route, params, refusal: None }
    }
}

/// The methods of RFC 9110 §9 and RFC 5789, and QUERY, which OpenAPI 3.2 knows. Not each of them may have a
/// route.
fn is_known(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::PATCH
            | Method::OPTIONS
            | Method::CONNECT
            | Method::TRACE
            | Method::QUERY
    )
}

fn not_allowed(entry: &PathEntry) -> Problem {
    let mut allow: Vec<&str> = entry.routes.iter().map(|r| r.contract.method.as_str()).collect();
    if allow.contains(&"GET") {
        allow.push("HEAD");
    }
    // Method names are tokens, and tokens with commas are a valid value.
    let value = HeaderValue::from_str(&allow.join(", "));
    let problem = Problem::new(&types::METHOD_NOT_ALLOWED);
    value.map_or(problem.clone(), |value| problem.header(ALLOW, value))
}

fn names(template: &'static str) -> Vec<&'static str> {
    let parts = template.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    parts.map(|name| name.trim_start_matches('*')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static USERS: RouteContract = RouteContract::open("/users/{name}", "user");
    static REST: RouteContract = RouteContract::open("", "unmatched");

    fn find(method: &str, path: &str) -> Match {
        let table = RouteTable::new([&USERS], &REST).unwrap();
        let request = http::Request::builder().method(method).uri(path).body(()).unwrap();
        table.find(&request.into_parts().0)
    }

    fn code(method: &str, path: &str) -> &'static str {
        find(method, path).refusal.map_or("found", |problem| problem.code())
    }

    #[test]
    fn each_request_has_a_route_or_a_reason() {
        assert_eq!(code("GET", "/users/ann"), "found");
        assert_eq!(code("HEAD", "/users/ann"), "found");
        assert_eq!(code("POST", "/users/ann"), "method-not-allowed");
        assert_eq!(code("GET", "/users/"), "not-found");
        assert_eq!(code("TRACE", "/users/ann"), "method-not-allowed");
        assert_eq!(code("CONNECT", "/users/ann"), "method-not-allowed");
        assert_eq!(code("QUERY", "/users/ann"), "method-not-allowed");
        assert_eq!(code("TRACE", "/users/"), "not-found");
        assert_eq!(code("BREW", "/users/ann"), "not-implemented");
        assert_eq!(code("GET", "/users/%ff"), "invalid-request");
        assert_eq!(code("GET", "/users/%4"), "invalid-request");
    }

    #[test]
    fn a_method_without_a_route_is_counted_under_the_path() {
        let contract = find("POST", "/users/ann").route.contract;
        assert_eq!((contract.path, &contract.method), ("/users/{name}", &Method::OPTIONS));
        assert_eq!(contract.name, "unmatched");
        assert_eq!(find("BREW", "/users/ann").route.contract.path, "");
    }

    #[test]
    fn parameters_are_decoded_once() {
        assert_eq!(find("GET", "/users/a%2Fb%2541").params, [("name", "a/b%41".to_owned())]);
    }

    #[test]
    fn a_path_that_is_badly_encoded_is_told_with_its_parameter() {
        let refusal = find("GET", "/users/%zz").refusal.unwrap();
        let fault = &refusal.field_errors()[0];
        assert_eq!((fault.pointer.as_str(), fault.code), ("/path/name", "encoding"));
    }

    #[test]
    fn a_schema_that_would_not_be_held_is_refused_at_the_start() {
        fn strange() -> serde_json::Value {
            serde_json::json!({"properties": {"a": {"$ref": "#/elsewhere"}}})
        }
        static TAKES: RouteContract = {
            let mut contract = RouteContract::open("/takes", "takes");
            contract.body = BodyRule::Json(strange);
            contract
        };
        static ASKS: RouteContract = {
            let mut contract = RouteContract::open("/asks", "asks");
            contract.parameters =
                &[crate::Parameter { name: "q", required: false, schema: strange, summary: "" }];
            contract
        };
        let told = |contract| {
            let error = RouteTable::new([contract], &REST).err().unwrap();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            format!("{error}: {cause}")
        };
        let (body, query) = (told(&TAKES), told(&ASKS));
        assert!(body.contains("\"body\" of GET /takes") && body.contains("\"$ref\""), "{body}");
        assert!(query.contains("\"q\" of GET /asks"), "{query}");
    }

    #[test]
    fn a_route_cannot_be_declared_twice() {
        assert!(matches!(RouteTable::new([&USERS, &USERS], &REST), Err(RouteError::Twice { .. })));
    }
}
