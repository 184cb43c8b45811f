use gabion_errors::{Problem, types};
use gabion_monitor::{HttpMetrics, RouteMetrics};
use http::{
    HeaderValue, Method,
    header::{ALLOW, CONNECTION},
    request::Parts,
};

use crate::{BodyRule, RouteContract};

/// A contract with the metrics of its route.
pub struct Route {
    /// What was declared.
    pub contract: &'static RouteContract,
    /// The handles of its metrics.
    pub metrics: RouteMetrics,
    /// Its place in the order of declaration; `None` for the route of what matches nothing.
    pub index: Option<usize>,
    /// The JSON Schema of its body, where it reads one.
    pub schema: Option<serde_json::Value>,
}

impl Route {
    /// Binds the metrics of `contract`. A route lives as long as the process, as its contract does;
    /// requests then refer to it without counting references.
    #[must_use]
    pub fn leak(contract: &'static RouteContract, index: Option<usize>) -> &'static Self {
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
            BodyRule::Json(schema) | BodyRule::OptionalJson(schema) => Some(schema()),
            BodyRule::Empty | BodyRule::Stream => None,
        };
        Box::leak(Box::new(Self { contract, metrics, index, schema }))
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

/// Two contracts cannot both be served.
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
}

impl RouteTable {
    /// A table of `contracts`; what they do not cover gets `unmatched`. So does another method on a
    /// path of theirs, which is counted under that path and the method `_OTHER`.
    ///
    /// # Errors
    ///
    /// When two contracts contradict each other.
    pub fn new(
        contracts: impl IntoIterator<Item = &'static RouteContract>,
        unmatched: &'static RouteContract,
    ) -> Result<Self, RouteError> {
        let mut entries: Vec<(&'static str, PathEntry)> = Vec::new();
        for (index, contract) in contracts.into_iter().enumerate() {
            let path = contract.path;
            let known = entries.iter().position(|(own, _)| *own == path);
            let place = known.unwrap_or_else(|| {
                let (routes, parameters) = (Vec::new(), names(path));
                let other = Route::leak(unmatched.at(path), None);
                entries.push((path, PathEntry { routes, parameters, other }));
                entries.len() - 1
            });
            let entry = &mut entries[place].1;
            if entry.routes.iter().any(|route| route.contract.method == contract.method) {
                return Err(RouteError::Twice { method: contract.method.clone(), path });
            }
            entry.routes.push(Route::leak(contract, Some(index)));
        }
        let mut paths = matchit::Router::new();
        for (path, entry) in entries {
            paths.insert(path, entry).map_err(|source| RouteError::Path { path, source })?;
        }
        Ok(Self { paths, unmatched: Route::leak(unmatched, None) })
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
        let Ok(params) = names.zip(found.params.iter()).map(decode).collect() else {
            let problem = Problem::new(&types::INVALID_REQUEST);
            return self.refuse(problem.detail("the path is not valid percent-encoded UTF-8"));
        };
        Match { route, params, refusal: None }
    }
}

/// The methods of RFC 9110 §9 and RFC 5789 that may have a route.
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

fn decode(
    (name, (_, raw)): (&'static str, (&str, &str)),
) -> Result<(&'static str, String), std::str::Utf8Error> {
    let decoded = percent_encoding::percent_decode_str(raw).decode_utf8()?;
    Ok((name, decoded.into_owned()))
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
        assert_eq!(code("TRACE", "/users/ann"), "not-implemented");
        assert_eq!(code("BREW", "/users/ann"), "not-implemented");
        assert_eq!(code("GET", "/users/%ff"), "invalid-request");
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
    fn a_route_cannot_be_declared_twice() {
        assert!(matches!(RouteTable::new([&USERS, &USERS], &REST), Err(RouteError::Twice { .. })));
    }
}
