//! The API's own description.

use std::time::Duration;

use gabion_auth::{Access, Scope};
use gabion_errors::{Problem, types};
use gabion_limits::Class;
use gabion_tower::{
    BodyRule, CacheRule, DeadlineRule, Exchange, Parameter, RateRule, RouteContract,
};
use http::{Method, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Call, Endpoint, JSON, Mounted, Reply, answers, json, media, page, reply, schema};
use crate::{app::App, openapi::document};

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
    answer: media(JSON),
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
        schema: schema::<String>,
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

fn problem(_app: &App, exchange: &mut Exchange) -> Reply {
    let code = exchange.param("code").unwrap_or_default();
    let Some(kind) = types::ALL.iter().find(|kind| kind.code == code) else {
        return Err(Problem::new(&types::NOT_FOUND)
            .detail("there is no problem of this code")
            .into());
    };
    let page = ProblemPage {
        code: kind.code,
        status: kind.status.as_u16(),
        title: kind.title,
        meaning: kind.meaning,
        remedy: kind.remedy,
    };
    json(StatusCode::OK, &page)
}
