//! The caller's own sessions.

use gabion_auth::{Access, Scope, Session, SessionId};
use gabion_errors::{Problem, types};
use gabion_limits::Class;
use gabion_tower::{
    BodyRule, CacheRule, DeadlineRule, Exchange, Parameter, RateRule, RouteContract,
};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Call, Endpoint, Input, NO_CONTENT, Reply, answers, caller, json, no_content};
use crate::app::App;

static LIST: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/auth/sessions",
    name: "list_sessions",
    summary: "List the caller's sessions, newest first.",
    access: Access::Bearer,
    scope: Scope::Login,
    class: Class::User,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<SessionList>(StatusCode::OK),
    problems: &[&types::DEPENDENCY_UNAVAILABLE],
};

static END: RouteContract = RouteContract {
    method: Method::DELETE,
    path: "/api/auth/sessions/{id}",
    name: "end_session",
    summary: "End one of the caller's sessions.",
    access: Access::Bearer,
    scope: Scope::Login,
    class: Class::User,
    body: BodyRule::Empty,
    parameters: &[Parameter {
        name: "id",
        required: true,
        schema: id,
        summary: "The session, as it is listed.",
    }],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: NO_CONTENT,
    problems: &[&types::NOT_FOUND, &types::DEPENDENCY_UNAVAILABLE],
};

pub(super) static ENDPOINTS: [Endpoint; 2] = [
    Endpoint { contract: &LIST, call: Call::Later(|a, e, i| Box::pin(list(a, e, i))) },
    Endpoint { contract: &END, call: Call::Later(|a, e, i| Box::pin(end(a, e, i))) },
];

fn id() -> Value {
    serde_json::json!({
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
        "x-hint": "the id of a session, 32 digits of 0-9 and a-f",
        "examples": ["8d80951db1cd5ab43b9fa0058caf6a14"],
    })
}

#[derive(Serialize, ToSchema)]
struct SessionList {
    #[schema(inline)]
    sessions: Vec<SessionItem>,
}

#[derive(Serialize, ToSchema)]
struct SessionItem {
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    #[schema(format = "date-time")]
    created_at: String,
    #[schema(format = "date-time")]
    refreshed_at: String,
    #[schema(format = "date-time")]
    expires_at: String,
    /// Where it was begun.
    address: String,
}

impl SessionItem {
    fn new(session: &Session, current: SessionId) -> Self {
        Self {
            id: session.id.to_string(),
            current: session.id == current,
            created_at: session.created_at.to_string(),
            refreshed_at: session.refreshed_at.to_string(),
            expires_at: session.expires_at.to_string(),
            address: session.address.clone(),
        }
    }
}

async fn list(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let caller = caller(exchange)?;
    let sessions = app.identity.sessions(caller).await?;
    let sessions = sessions.iter().map(|session| SessionItem::new(session, caller.session));
    json(StatusCode::OK, &SessionList { sessions: sessions.collect() })
}

async fn end(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let id = exchange.param("id").and_then(|id| id.parse::<SessionId>().ok());
    let ended = match id {
        Some(id) => app.identity.end_session(caller(exchange)?, id).await?,
        None => false,
    };
    if !ended {
        return Err(Problem::new(&types::NOT_FOUND).detail("you have no such session").into());
    }
    no_content()
}
