//! What load balancers, supervisors and scrapers ask.

use std::time::Duration;

use gabion_auth::{Access, Scope};
use gabion_errors::{Problem, types};
use gabion_lifecycle::State;
use gabion_limits::Class;
use gabion_monitor::Status;
use gabion_tower::{Answer, BodyRule, CacheRule, DeadlineRule, Exchange, RateRule, RouteContract};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::schema::{Array, ArrayBuilder, Object, ObjectBuilder, Type},
};

use super::{Call, Endpoint, MONITOR, Reply, answers, json, media, reply};
use crate::app::App;

const PLAIN: &str = "text/plain; charset=utf-8";
/// The text format of Prometheus.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

static HEALTH: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/health",
    name: "health",
    summary: "Tell whether the service works; role monitor or admin also sees each check.",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<HealthResponse>(StatusCode::OK),
    problems: &[],
};

static LIVEZ: RouteContract = RouteContract {
    method: Method::GET,
    path: "/livez",
    name: "livez",
    summary: "Tell whether the process answers at all.",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Exempt,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: media(PLAIN),
    problems: &[],
};

static READYZ: RouteContract = RouteContract {
    method: Method::GET,
    path: "/readyz",
    name: "readyz",
    summary: "Tell whether new requests should come here.",
    access: Access::Public,
    scope: Scope::Any,
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Exempt,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: media(PLAIN),
    problems: &[&types::DRAINING, &types::DEPENDENCY_UNAVAILABLE],
};

static METRICS: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/metrics",
    name: "metrics",
    summary: "Every metric, in the text format of Prometheus.",
    access: Access::AnyRole(MONITOR),
    scope: Scope::Named("status"),
    class: Class::Critical,
    body: BodyRule::Empty,
    parameters: &[],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: Answer { status: StatusCode::OK, media: PROMETHEUS, schema: None },
    problems: &[],
};

pub(super) static ENDPOINTS: [Endpoint; 4] = [
    Endpoint { contract: &HEALTH, call: Call::Now(health) },
    Endpoint { contract: &LIVEZ, call: Call::Now(livez) },
    Endpoint { contract: &READYZ, call: Call::Now(readyz) },
    Endpoint { contract: &METRICS, call: Call::Now(metrics) },
];

#[derive(Serialize, ToSchema)]
struct HealthResponse {
    /// As the worst of what it needs.
    #[schema(schema_with = status_schema)]
    status: Status,
    /// For the roles monitor and admin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = checks_schema, required = false)]
    checks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<u64>,
}

fn status_schema() -> Object {
    let names = ["healthy", "degraded", "unhealthy"];
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}

fn checks_schema() -> Array {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let check = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("name", text())
        .property("status", status_schema())
        .property("detail", text())
        .required("name")
        .required("status");
    ArrayBuilder::new().items(check).description(Some("For the roles monitor and admin.")).build()
}

fn health(app: &App, exchange: &mut Exchange) -> Reply {
    let report = app.observatory.health.report();
    let insider = exchange.principal.as_ref();
    let insider = insider
        .is_some_and(|p| MONITOR.iter().any(|role| p.roles.contains(role)) && p.has(METRICS.scope));
    let status = if report.status == Status::Unhealthy {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let response = HealthResponse {
        status: report.status,
        checks: insider.then(|| serde_json::to_value(&report.checks).unwrap_or_default()),
        uptime_seconds: insider.then(|| app.uptime(exchange.now).as_secs()),
    };
    json(status, &response)
}

fn livez(_app: &App, _exchange: &mut Exchange) -> Reply {
    Ok(reply(StatusCode::OK, PLAIN, "ok".into()))
}

fn readyz(app: &App, _exchange: &mut Exchange) -> Reply {
    let wait = Duration::from_secs(1);
    match app.readiness.state() {
        State::Ready => Ok(reply(StatusCode::OK, PLAIN, "ok".into())),
        State::Starting => {
            let problem = Problem::new(&types::DEPENDENCY_UNAVAILABLE).retry_after(wait);
            Err(problem.detail("the server is starting").into())
        }
        State::Draining | State::Stopped => {
            Err(Problem::new(&types::DRAINING).retry_after(wait).into())
        }
    }
}

fn metrics(app: &App, _exchange: &mut Exchange) -> Reply {
    Ok(reply(StatusCode::OK, PROMETHEUS, app.telemetry.render().into()))
}
