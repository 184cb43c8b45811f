//! The API's own description.

mod accept;

use std::time::Duration;

use gabion_auth::{Access, Scope};
use gabion_errors::{Problem, types};
use gabion_limits::Class;
use gabion_tower::{
    Answer, BodyRule, CacheRule, DeadlineRule, Exchange, Parameter, RateRule, RouteContract,
};
use http::{HeaderValue, Method, Response, StatusCode, header::VARY};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use self::accept::prefers_html;
use super::{Call, Endpoint, JSON, Mounted, Reply, answers, json, media, page, reply};
use crate::{app::App, body::ReplyBody, openapi::document};

static OPENAPI: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/openapi.json",
    name: "openapi",
    summary: "This API as an OpenAPI 3.1 document.",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::Degraded,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::Public(Duration::from_secs(60)),
    answer: Answer { status: StatusCode::OK, media: JSON, schema: Some(openapi_schema) },
    problems: &[],
};

static DOCS: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/docs",
    name: "docs",
    summary: "This API as a page.",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::Degraded,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::Public(Duration::from_secs(60)),
    answer: media(page::HTML),
    problems: &[],
};

static PROBLEM: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/problems/{code}",
    name: "problem",
    summary: "What a problem means and what to do about it.",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::Degraded,
    body: BodyRule::Empty,
    parameters: &[Parameter {
        name: "code",
        required: true,
        schema: codes,
        summary: "The problem's code.",
    }],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::Public(Duration::from_secs(3600)),
    answer: answers::<ProblemPage>(StatusCode::OK),
    problems: &[&types::NOT_FOUND],
};

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    Endpoint { contract: &OPENAPI, call: Call::Within(|a, m, e, _| Box::pin(openapi(a, m, e))) },
    Endpoint { contract: &DOCS, call: Call::Now(docs) },
    Endpoint { contract: &PROBLEM, call: Call::Now(problem) },
];

fn openapi_schema() -> Value {
    serde_json::json!({
        "type": "object",
        "required": ["openapi", "info", "servers", "tags", "paths", "components"],
        "properties": {
            "openapi": {"type": "string", "pattern": "^3[.]1[.]"},
            "info": {"type": "object"},
            "servers": {"type": "array", "items": {"type": "object"}},
            "tags": {"type": "array", "items": {"type": "object"}},
            "paths": {"type": "object"},
            "components": {"type": "object"},
        },
    })
}

fn codes() -> Value {
    let codes: Vec<&str> = types::ALL.iter().map(|kind| kind.code).collect();
    serde_json::json!({"type": "string", "enum": codes})
}

#[derive(Serialize, ToSchema)]
struct ProblemPage {
    code: &'static str,
    status: u16,
    title: &'static str,
    meaning: &'static str,
    remedy: &'static str,
}

async fn openapi(app: &App, mounted: &Mounted, exchange: &mut Exchange) -> Reply {
    let make = || serde_json::to_vec(&document(&mounted.endpoints)).unwrap_or_default().into();
    let name = format!("openapi-{}", mounted.name);
    Ok(reply(StatusCode::OK, JSON, app.caches.document(&name, exchange.now, make).await?))
}

fn docs(app: &App, _exchange: &mut Exchange) -> Reply {
    Ok(app.pages.docs.response())
}

fn problem(app: &App, exchange: &mut Exchange) -> Reply {
    let code = exchange.param("code").unwrap_or_default();
    let Some(kind) = types::ALL.iter().find(|kind| kind.code == code) else {
        return Err(Problem::new(&types::NOT_FOUND)
            .detail("there is no problem of this code")
            .into());
    };
    // Who follows the link of a problem in a browser wants to read.
    if prefers_html(&exchange.head.headers)
        && let Some(page) = app.pages.problem(code)
    {
        return Ok(either(page.response()));
    }
    let page = ProblemPage {
        code: kind.code,
        status: kind.status.as_u16(),
        title: kind.title,
        meaning: kind.meaning,
        remedy: kind.remedy,
    };
    json(StatusCode::OK, &page).map(either)
}

/// One of two: a cache must not give a program what was made for a browser.
fn either(mut response: Response<ReplyBody>) -> Response<ReplyBody> {
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}
