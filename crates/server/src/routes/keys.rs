//! Signing keys, for administrators.

use gabion_auth::{Access, Scope};
use gabion_errors::types;
use gabion_limits::Class;
use gabion_tower::{
    BodyRule, CacheRule, DeadlineRule, Exchange, Parameter, RateRule, RouteContract,
};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{ADMIN, Call, Endpoint, Input, NO_CONTENT, Reply, answers, json, no_content};
use crate::{app::App, audit::Actor, keys::KeyItem};

static LIST: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/admin/keys",
    name: "list_keys",
    summary: "List the signing keys, the one that signs first; secrets are never shown.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("keys"),
    class: Class::User,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<KeyList>(StatusCode::OK),
    problems: &[],
};

static ROTATE: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/admin/keys/rotate",
    name: "rotate_keys",
    summary: "Begin to sign with a new key; the one before verifies until its last token has \
              expired.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("keys"),
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<KeyItem>(StatusCode::CREATED),
    problems: &[&types::CONFLICT],
};

static RETIRE: RouteContract = RouteContract {
    method: Method::DELETE,
    path: "/api/admin/keys/{kid}",
    name: "retire_key",
    summary: "Refuse the tokens of a key from now on; if it signs, a new one takes its place. \
              Sessions go on with their refresh tokens.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("keys"),
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[Parameter {
        name: "kid",
        required: true,
        schema: kid,
        summary: "The key, as it is listed.",
    }],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: NO_CONTENT,
    problems: &[&types::NOT_FOUND, &types::CONFLICT],
};

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    Endpoint { contract: &LIST, call: Call::Now(list) },
    Endpoint { contract: &ROTATE, call: Call::Later(|a, e, i| Box::pin(rotate(a, e, i))) },
    Endpoint { contract: &RETIRE, call: Call::Later(|a, e, i| Box::pin(retire(a, e, i))) },
];

fn kid() -> Value {
    let example = "0123456789abcdef";
    serde_json::json!({"type": "string", "minLength": 1, "maxLength": 128, "examples": [example]})
}

#[derive(Serialize, ToSchema)]
struct KeyList {
    #[schema(inline)]
    keys: Vec<KeyItem>,
}

fn list(app: &App, _exchange: &mut Exchange) -> Reply {
    json(StatusCode::OK, &KeyList { keys: app.keys.list().iter().map(KeyItem::from).collect() })
}

async fn rotate(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let actor = Actor::of(exchange)?;
    let signs = app.carry_through(|app| async move { app.rotate_keys(&actor).await }).await??;
    json(StatusCode::CREATED, &KeyItem::from(&signs))
}

async fn retire(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let actor = Actor::of(exchange)?;
    let kid = exchange.param("kid").unwrap_or_default().to_owned();
    app.carry_through(|app| async move { app.retire_key(&kid, &actor).await }).await??;
    no_content()
}
