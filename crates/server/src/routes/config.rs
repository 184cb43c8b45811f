//! The configuration in effect, and the ways to change it.

use gabion_auth::{Access, Scope};
use gabion_config::Entry;
use gabion_errors::{Problem, types};
use gabion_limits::Class;
use gabion_tower::{Answer, BodyRule, CacheRule, DeadlineRule, Exchange, RateRule, RouteContract};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{ADMIN, Call, Endpoint, Input, JSON, NO_CONTENT, Reply, answers, json, schema};
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
    problems: &[&types::INVALID_BODY, &types::NOT_IMPLEMENTED],
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
    Endpoint { contract: &CONFIRM, call: Call::Now(confirm) },
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
    /// Revert by itself after this time unless confirmed; not honoured yet.
    #[schema(max_length = 16)]
    confirm: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollbackRequest {
    #[schema(minimum = 1)]
    version: Option<u64>,
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
    if confirm.is_some() {
        let detail = "a change that reverts by itself is not available yet; leave out confirm";
        return Err(Problem::new(&types::NOT_IMPLEMENTED).detail(detail).into());
    }
    let actor = Actor::of(exchange)?;
    let taken = app.carry_through(|app| async move { app.reload(&actor).await }).await??;
    json(StatusCode::OK, &AcceptedItem::from(taken))
}

fn confirm(_app: &App, _exchange: &mut Exchange) -> Reply {
    Err(Problem::new(&types::CONFLICT).detail("no change awaits confirmation").into())
}

async fn rollback(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let RollbackRequest { version } = input.parse()?;
    let actor = Actor::of(exchange)?;
    let taken = app.carry_through(move |app| async move { app.rollback(version, &actor).await });
    json(StatusCode::OK, &AcceptedItem::from(taken.await??))
}
