//! The configuration in effect, and the ways to change it.

use std::{ops::RangeInclusive, time::Duration};

use gabion_auth::{Access, Scope};
use gabion_config::{Entry, parse_duration};
use gabion_errors::{FieldError, Problem, Rejection, types};
use gabion_limits::Class;
use gabion_tower::{Answer, BodyRule, CacheRule, DeadlineRule, Exchange, RateRule, RouteContract};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    ADMIN, Call, Endpoint, Input, JSON, NO_CONTENT, Reply, answers, json, no_content, schema,
};
use crate::{app::App, audit::Actor, view::AcceptedItem};

static SHOW: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/admin/config",
    name: "show_config",
    summary: "Every value in effect with its origin; secrets are hidden.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("config"),
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: Answer { status: StatusCode::OK, media: JSON, schema: Some(show_schema) },
    problems: &[],
};

static RELOAD: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/admin/config/reload",
    name: "reload_config",
    summary: "Read the configuration again; with a mistake nothing changes.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("config"),
    class: Class::Critical,
    body: BodyRule::OptionalJson(schema::<ReloadRequest>),
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<AcceptedItem>(StatusCode::OK),
    problems: &[&types::INVALID_BODY],
};

static CONFIRM: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/admin/config/confirm",
    name: "confirm_config",
    summary: "Keep a change that awaits confirmation.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("config"),
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: NO_CONTENT,
    problems: &[&types::CONFLICT],
};

static ROLLBACK: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/admin/config/rollback",
    name: "rollback_config",
    summary: "Return to the version before, or to the one named.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("config"),
    class: Class::Critical,
    body: BodyRule::OptionalJson(schema::<RollbackRequest>),
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<AcceptedItem>(StatusCode::OK),
    problems: &[&types::INVALID_BODY, &types::NOT_FOUND],
};

pub(super) static ENDPOINTS: [Endpoint; 4] = [
    Endpoint { contract: &SHOW, call: Call::Now(show) },
    Endpoint { contract: &RELOAD, call: Call::Later(|a, e, i| Box::pin(reload(a, e, i))) },
    Endpoint { contract: &CONFIRM, call: Call::Later(|a, e, i| Box::pin(confirm(a, e, i))) },
    Endpoint { contract: &ROLLBACK, call: Call::Later(|a, e, i| Box::pin(rollback(a, e, i))) },
];

fn show_schema() -> Value {
    serde_json::json!({
        "type": "object",
        "required": ["version", "values"],
        "properties": {
            "version": {"type": "integer", "minimum": 0},
            "values": {"type": "array", "items": {"type": "object"}},
        },
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReloadRequest {
    /// Take it back after this time, as 60s, unless it is confirmed: 1s to 24h.
    #[schema(max_length = 16)]
    confirm: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollbackRequest {
    #[schema(minimum = 1)]
    version: Option<u64>,
    /// Take it back after this time, as 60s, unless it is confirmed: 1s to 24h.
    #[schema(max_length = 16)]
    confirm: Option<String>,
}

#[derive(Serialize)]
struct ShowResponse<'a> {
    version: u64,
    values: &'a [Entry],
}

fn show(app: &App, _exchange: &mut Exchange) -> Reply {
    let (version, values) = app.config.current();
    json(StatusCode::OK, &ShowResponse { version, values: &values })
}

async fn reload(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let ReloadRequest { confirm } = input.parse()?;
    let confirm = span(confirm)?;
    let actor = Actor::of(exchange)?;
    let taken = app.carry_through(move |app| async move { app.reload(&actor, confirm).await });
    json(StatusCode::OK, &AcceptedItem::from(taken.await??))
}

async fn confirm(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let actor = Actor::of(exchange)?;
    app.carry_through(|app| async move { app.confirm(&actor).await }).await??;
    no_content()
}

async fn rollback(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let RollbackRequest { version, confirm } = input.parse()?;
    let confirm = span(confirm)?;
    let actor = Actor::of(exchange)?;
    let taken =
        app.carry_through(move |app| async move { app.rollback(version, &actor, confirm).await });
    json(StatusCode::OK, &AcceptedItem::from(taken.await??))
}

/// The time in which a change has to be confirmed.
fn span(confirm: Option<String>) -> Result<Option<Duration>, Rejection> {
    let Some(text) = confirm else { return Ok(None) };
    match parse_duration(&text).filter(|span| TRIALS.contains(span)) {
        Some(span) => Ok(Some(span)),
        None => {
            let detail = "is not a time as 60s or 5m, accepts 1s to 24h";
            Err(Problem::faulty(vec![FieldError::new("/confirm", "range", detail)]).into())
        }
    }
}

/// How long a change may be on trial.
const TRIALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
