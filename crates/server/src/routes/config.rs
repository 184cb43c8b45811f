//! The configuration in effect, and the ways to change it.

use std::{ops::RangeInclusive, time::Duration};

use gabion_auth::{Access, Scope};
use gabion_config::{Entry, parse_duration};
use gabion_errors::{FieldError, Problem, Rejection, types};
use gabion_limits::Class;
use gabion_tower::{Answer, BodyRule, CacheRule, DeadlineRule, Exchange, RateRule, RouteContract};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{
        extensions::Extensions,
        schema::{Object, ObjectBuilder, SchemaType, Type},
    },
};

use super::{ADMIN, Call, Endpoint, Input, JSON, NO_CONTENT, Reply, answers, no_content, schema};
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

/// For commands on the machine alone: with the text comes all that the file may say, and its size is not
/// that of a request from outside.
static APPLY: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/admin/config/apply",
    name: "apply_config",
    summary: "Take a text as the configuration, in place of the file until that changes.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("config"),
    class: Class::Critical,
    body: BodyRule::Json(schema::<ApplyRequest>),
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<AcceptedItem>(StatusCode::OK),
    problems: &[&types::INVALID_BODY],
};

/// What only commands on the machine reach, through the control socket.
pub(super) static LOCAL: [Endpoint; 1] =
    [Endpoint { contract: &APPLY, call: Call::Later(|a, e, i| Box::pin(apply(a, e, i))) }];

/// The time in which a change has to be confirmed, [`TRIALS`] as a pattern.
fn confirmation() -> Object {
    const PATTERN: &str = "^([1-9][0-9]{3,6} ?ms\
        |([1-9][0-9]{0,3}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2}|86400) ?s\
        |([1-9][0-9]{0,2}|1[0-3][0-9]{2}|14[0-3][0-9]|1440) ?m\
        |([1-9]|1[0-9]|2[0-4]) ?h|1 ?d)$";
    let hint = "a time from 1s to 24h, as 60s or 5m";
    let told = "Take it back after this time, as 60s, unless it is confirmed: 1s to 24h.";
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some(told))
        .pattern(Some(PATTERN))
        .extensions(Some(Extensions::builder().add("x-hint", hint).build()))
        .build()
}

fn show_schema() -> Value {
    json!({
        "type": "object",
        "required": ["version", "needs_restart", "values"],
        "properties": {
            "version": {"type": "integer", "minimum": 0},
            "needs_restart": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Keys whose values hold only after a restart: the process has others.",
            },
            "values": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["key", "value", "origin", "change"],
                    "properties": {
                        "key": {"type": "string"},
                        "value": {"description": "`***` for a secret that is set."},
                        "origin": {"type": "string", "description": "Where it came from."},
                        "change": {
                            "type": "string",
                            "enum": ["live", "restart"],
                            "description": "When a change of it holds.",
                        },
                    },
                },
            },
        },
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"confirm": "60s"})))]
struct ReloadRequest {
    #[schema(schema_with = confirmation)]
    confirm: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollbackRequest {
    #[schema(minimum = 1)]
    version: Option<u64>,
    #[schema(schema_with = confirmation)]
    confirm: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApplyRequest {
    /// What mistakes are told by, as the name of a file.
    name: String,
    text: String,
    #[schema(schema_with = confirmation)]
    confirm: Option<String>,
}

#[derive(Serialize)]
struct ShowResponse<'a> {
    version: u64,
    needs_restart: Vec<String>,
    values: &'a [Entry],
}

fn show(app: &App, _exchange: &mut Exchange) -> Reply {
    let (version, values) = app.config.current();
    let needs_restart = app.config.needs_restart();
    super::json(StatusCode::OK, &ShowResponse { version, needs_restart, values: &values })
}

async fn reload(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let ReloadRequest { confirm } = input.parse()?;
    let confirm = span(confirm)?;
    let actor = Actor::of(exchange)?;
    let taken = app.carry_through(move |app| async move { app.reload(&actor, confirm).await });
    super::json(StatusCode::OK, &AcceptedItem::of(&taken.await??, app.config.needs_restart()))
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
    super::json(StatusCode::OK, &AcceptedItem::of(&taken.await??, app.config.needs_restart()))
}

async fn apply(app: &App, exchange: &mut Exchange, input: Input) -> Reply {
    let ApplyRequest { name, text, confirm } = input.parse()?;
    let confirm = span(confirm)?;
    let (actor, text) = (Actor::of(exchange)?, (name, text));
    let taken = app.carry_through(move |app| async move { app.apply(text, &actor, confirm).await });
    super::json(StatusCode::OK, &AcceptedItem::of(&taken.await??, app.config.needs_restart()))
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

#[cfg(test)]
mod tests {
    use gabion_config::format_duration;
    use serde_json::json;

    use super::*;

    /// As a reader of the schema would look, who has nothing but the pattern.
    fn fits(text: &str) -> bool {
        let schema = serde_json::to_value(confirmation()).unwrap();
        let schema = gabion_tower::json::Schema::compile(&schema).unwrap();
        gabion_tower::json::validate(&schema, &json!(text)).is_empty()
    }

    #[test]
    fn the_pattern_takes_what_is_taken() {
        for unit in ["ms", "s", "m", "h", "d"] {
            for number in (0..=1500).chain(86_300..=86_500).chain([9_999_999]) {
                let text = format!("{number}{unit}");
                let span = parse_duration(&text).filter(|span| TRIALS.contains(span));
                assert_eq!(fits(&text), span.is_some(), "{text}");
                assert!(span.is_none_or(|span| fits(&format_duration(span))), "{text}");
            }
        }
        for bad in ["", "60", "s", "-1s", "1.5s", "60 s s", "soon", "60s\n"] {
            assert!(!fits(bad), "{bad}");
        }
    }
}
