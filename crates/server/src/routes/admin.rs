//! Restart and the status document.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use gabion_auth::{Access, Scope, bearer};
use gabion_errors::{Problem, types};
use gabion_limits::Class;
use gabion_tower::{Answer, BodyRule, CacheRule, DeadlineRule, Exchange, RateRule, RouteContract};
use http::{HeaderValue, Method, Response, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Interval, MissedTickBehavior},
};
use utoipa::ToSchema;

use super::{ADMIN, Call, Endpoint, Input, JSON, MONITOR, Reply, answers, batch, json};
use crate::{app::App, audit::Actor, body::ReplyBody, once_more, status};

static RESTART: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/restart",
    name: "restart",
    summary: "Hand the listening sockets over to a new process, then drain this one.",
    access: Access::AnyRole(ADMIN),
    scope: Scope::Named("restart"),
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<RestartResponse>(StatusCode::ACCEPTED),
    problems: &[&types::CONFLICT, &types::INVALID_BODY],
};

static STATUS: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/admin/status",
    name: "status",
    summary: "Budgets, admission, limits, caches, resources and alerts as one document.",
    access: Access::AnyRole(MONITOR),
    scope: Scope::Named("status"),
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: Answer { status: StatusCode::OK, media: JSON, schema: Some(status::schema) },
    problems: &[],
};

static EVENTS: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/admin/events",
    name: "events",
    summary: "The status document once a second.",
    access: Access::AnyRole(MONITOR),
    scope: Scope::Named("status"),
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Endless,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: Answer { status: StatusCode::OK, media: EVENT_STREAM, schema: Some(event) },
    problems: &[],
};

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    Endpoint { contract: &RESTART, call: Call::Later(|a, e, i| Box::pin(restart(a, e, i))) },
    Endpoint { contract: &STATUS, call: Call::Now(show) },
    Endpoint { contract: &EVENTS, call: Call::Now(events) },
];

const EVENT_STREAM: &str = "text/event-stream";

/// One event; before OpenAPI 3.2 there is no word for the stream that it is of.
fn event() -> Value {
    json!({
        "type": "object",
        "description": "Each event of the stream.",
        "required": ["data"],
        "properties": {
            "data": {
                "type": "string",
                "contentMediaType": JSON,
                "contentSchema": status::schema(),
            },
        },
    })
}

/// How often the document is sent to those who follow it.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Serialize, ToSchema)]
struct RestartResponse {
    /// Which process of its line the new one will be, counted from 1.
    generation: u64,
}

async fn restart(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let generation = app.restart(&Actor::of(exchange)?).await?;
    json(StatusCode::ACCEPTED, &RestartResponse { generation })
}

fn show(app: &App, exchange: &mut Exchange) -> Reply {
    json(StatusCode::OK, &app.status(exchange.now))
}

/// What a follower of the events holds.
struct Follower {
    app: Weak<App>,
    ticks: Interval,
    /// Local commands have none.
    token: Option<String>,
    _place: OwnedSemaphorePermit,
}

fn events(app: &App, exchange: &mut Exchange) -> Reply {
    batch::refuse_item(exchange)?;
    let place = Arc::clone(&app.followers).try_acquire_owned();
    let place = place.map_err(|_| {
        let problem = Problem::new(&types::OVERLOADED).retry_after(Duration::from_secs(10));
        problem.detail("too many follow the events already")
    })?;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let token = bearer(&exchange.head.headers).ok().flatten().map(str::to_owned);
    let follower = Follower { app: app.handle(), ticks, token, _place: place };
    let events = stream::unfold(follower, |mut follower| async move {
        follower.ticks.tick().await;
        let app = follower.app.upgrade()?;
        // Whoever follows comes back and finds the new process.
        if app.readiness.is_draining() || !follower.may_go_on(&app).await {
            return None;
        }
        let document = serde_json::to_string(&app.status(app.now())).unwrap_or_default();
        let event = Bytes::from(format!("data: {document}\n\n"));
        Some((event, follower))
    });
    let mut response = Response::new(ReplyBody::Stream(Box::pin(events)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    Ok(response)
}

impl Follower {
    /// Whether a request with the same token would be let through now.
    async fn may_go_on(&self, app: &App) -> bool {
        let Some(token) = &self.token else { return true };
        once_more::admit(app, token, &EVENTS).await.is_ok()
    }
}
