//! Backups, for administrators.

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

use super::{ADMIN, Call, Endpoint, Input, Reply, answers, json};
use crate::{app::App, audit::Actor, bulkheads, view::BackupItem};

static LIST: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/admin/backups",
    name: "list_backups",
    summary: "List backups, newest first.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("backups"),
    class: Class::Batch,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<BackupList>(StatusCode::OK),
    problems: &[],
};

static CREATE: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/admin/backups",
    name: "create_backup",
    summary: "Back up data and configuration; it counts only once it was opened and checked.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("backups"),
    class: Class::Batch,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::After(std::time::Duration::from_secs(600)),
    rate: RateRule::Standard,
    bulkhead: Some(bulkheads::EXPORT),
    cache: CacheRule::NoStore,
    answer: answers::<BackupItem>(StatusCode::CREATED),
    problems: &[],
};

static VERIFY: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/admin/backups/{id}/verify",
    name: "verify_backup",
    summary: "Open a backup, check its integrity and compare it with its manifest.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("backups"),
    class: Class::Batch,
    body: BodyRule::Empty,
    parameters: &[Parameter {
        name: "id",
        required: true,
        schema: id,
        summary: "The backup, as it is listed.",
    }],
    deadline: DeadlineRule::After(std::time::Duration::from_secs(600)),
    rate: RateRule::Standard,
    bulkhead: Some(bulkheads::EXPORT),
    cache: CacheRule::NoStore,
    answer: answers::<VerifyResponse>(StatusCode::OK),
    problems: &[&types::NOT_FOUND, &types::CONFLICT],
};

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    Endpoint { contract: &LIST, call: Call::Later(|a, e, i| Box::pin(list(a, e, i))) },
    Endpoint { contract: &CREATE, call: Call::Later(|a, e, i| Box::pin(create(a, e, i))) },
    Endpoint { contract: &VERIFY, call: Call::Later(|a, e, i| Box::pin(verify(a, e, i))) },
];

fn id() -> Value {
    serde_json::json!({
        "type": "string",
        "pattern": "^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$",
        "x-hint": "the id of a backup, as 20260301T120000Z-1a2b",
        "examples": ["20260301T120000Z-1a2b"],
    })
}

#[derive(Serialize, ToSchema)]
struct BackupList {
    #[schema(inline)]
    backups: Vec<BackupItem>,
}

#[derive(Serialize, ToSchema)]
struct VerifyResponse {
    id: String,
    verified: bool,
}

async fn list(app: &App, _exchange: &mut Exchange, _input: Input) -> Reply {
    let backups = app.backups.list().await?;
    json(StatusCode::OK, &BackupList { backups: backups.iter().map(BackupItem::from).collect() })
}

async fn create(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let actor = Actor::of(exchange)?;
    let made = app.carry_through(|app| async move { app.back_up(&actor).await }).await??;
    json(StatusCode::CREATED, &BackupItem::from(&made))
}

async fn verify(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let id = exchange.param("id").unwrap_or_default().to_owned();
    app.backups.verify(&id).await?;
    json(StatusCode::OK, &VerifyResponse { id, verified: true })
}
