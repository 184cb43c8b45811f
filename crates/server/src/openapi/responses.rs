//! What a route answers: when all is well, and each way to be refused.

use std::collections::BTreeMap;

use gabion_auth::{Access, Scope};
use gabion_errors::{Problem, ProblemType, types};
use gabion_tower::{BodyRule, CacheRule, RateRule, RouteContract};
use http::StatusCode;
use serde_json::{Map, Value, json};

/// The responses that several operations have in common.
pub(super) struct Responses(Map<String, Value>);

impl Default for Responses {
    /// With those that belong to no operation.
    fn default() -> Self {
        let mut shared = Self(Map::new());
        shared.refer(&[&types::NOT_FOUND], RateRule::Standard);
        shared.refer(&[&types::METHOD_NOT_ALLOWED], RateRule::Standard);
        shared
    }
}

impl Responses {
    /// All that were referred to.
    pub(super) fn shared(self) -> Map<String, Value> {
        self.0
    }

    /// Every response of a route, by its status.
    pub(super) fn of(&mut self, contract: &RouteContract) -> Map<String, Value> {
        let mut by_status: BTreeMap<StatusCode, Vec<&'static ProblemType>> = BTreeMap::new();
        for problem in problems(contract) {
            let list = by_status.entry(problem.status).or_default();
            if !list.contains(&problem) {
                list.push(problem);
            }
        }
        let mut responses = Map::new();
        for (status, problems) in by_status {
            let response = self.refer(&problems, contract.rate);
            responses.insert(status.as_str().to_owned(), response);
        }
        let good = contract.answer.status.as_str().to_owned();
        responses.insert(good, success(contract));
        if contract.path == "/api/problems/{code}" {
            // For browsers.
            let either = &mut responses[contract.answer.status.as_str()];
            either["content"]["text/html"] = json!({"schema": {"type": "string"}});
            either["headers"]["Vary"] = headers(&["Vary"])["Vary"].take();
        }
        if contract.path == "/api/health" {
            // It tells more than a problem by the same status.
            let mut unwell = refusal(&[&types::OVERLOADED], contract.rate);
            let media = media_type(contract.answer.media);
            unwell["content"][media] = success(contract)["content"][media].clone();
            let status = StatusCode::SERVICE_UNAVAILABLE.as_str().to_owned();
            responses.insert(status, unwell);
        }
        responses
    }

    /// A reference to the response of `problems`, all of one status.
    fn refer(&mut self, problems: &[&'static ProblemType], rate: RateRule) -> Value {
        let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
        let mut name = codes.join(".");
        if rate == RateRule::Exempt && is_counted(problems) {
            name.push_str(".unlimited");
        }
        let place = format!("#/components/responses/{name}");
        self.0.entry(name).or_insert_with(|| refusal(problems, rate));
        json!({"$ref": place})
    }
}

fn success(contract: &RouteContract) -> Value {
    let answer = &contract.answer;
    let reason = answer.status.canonical_reason().unwrap_or_default();
    let mut response = json!({"description": reason});
    if !answer.media.is_empty() {
        let schema = answer.schema.map_or_else(|| json!({"type": "string"}), |schema| schema());
        response["content"] = json!({media_type(answer.media): {"schema": schema}});
    }
    let mut names = vec!["X-Request-Id"];
    if contract.rate != RateRule::Exempt {
        names.extend(["RateLimit", "RateLimit-Policy"]);
    }
    if contract.cache != CacheRule::NoStore {
        names.push("Cache-Control");
    }
    response["headers"] = headers(&names);
    response
}

fn media_type(media: &str) -> &str {
    media.split(';').next().unwrap_or(media)
}

fn refusal(problems: &[&'static ProblemType], rate: RateRule) -> Value {
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
    let titles: Vec<&str> = problems.iter().map(|problem| problem.title).collect();
    let status = problems.first().map_or(StatusCode::INTERNAL_SERVER_ERROR, |first| first.status);
    let own = json!({
        "properties": {"status": {"const": status.as_u16()}, "code": {"enum": codes}},
    });
    let schema = json!({"allOf": [{"$ref": "#/components/schemas/Problem"}, own]});
    let mut names = vec!["X-Request-Id"];
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            names.push("Retry-After");
        }
        StatusCode::UNAUTHORIZED => names.push("WWW-Authenticate"),
        StatusCode::METHOD_NOT_ALLOWED => names.push("Allow"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => names.push("Accept-Encoding"),
        _ => {}
    }
    if rate != RateRule::Exempt && is_counted(problems) {
        names.extend(["RateLimit", "RateLimit-Policy"]);
    }
    json!({
        "description": titles.join("; "),
        "content": {Problem::CONTENT_TYPE: {"schema": schema}},
        "x-codes": codes,
        "headers": headers(&names),
    })
}

/// Whether any of them is told after the request was counted by its address.
fn is_counted(problems: &[&'static ProblemType]) -> bool {
    let before = [
        types::URI_TOO_LONG.code,
        types::MISDIRECTED.code,
        types::HEADER_TOO_LARGE.code,
        types::NOT_IMPLEMENTED.code,
    ];
    problems.iter().any(|it| !before.contains(&it.code))
}

fn headers(names: &[&str]) -> Value {
    let refer =
        |name: &&str| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    names.iter().map(refer).collect::<Map<_, _>>().into()
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
        &types::NOT_IMPLEMENTED,
        &types::OVERLOADED,
        &types::DEADLINE_EXCEEDED,
    ];
    if contract.rate != RateRule::Exempt {
        problems.push(&types::RATE_LIMITED);
    }
    if contract.access != Access::Public {
        problems.extend([&types::UNAUTHENTICATED, &types::DEPENDENCY_UNAVAILABLE]);
    }
    let any_key = matches!(contract.scope, Scope::Any);
    if matches!(contract.access, Access::AnyRole(_)) || !any_key {
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
