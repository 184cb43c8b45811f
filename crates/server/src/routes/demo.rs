//! Routes for load tests and examples; mounted only with `demo.enabled`.

mod as_asked;

use std::{future::poll_fn, pin::pin, time::Duration};

use bytes::Buf;
use gabion_auth::{Access, Scope};
use gabion_cache::Loaded;
use gabion_clock::Clock;
use gabion_limits::{Class, Counted};
use gabion_tower::{
    BodyRule, CacheRule, DeadlineRule, Decompressed, Exchange, Parameter, RateRule, RouteContract,
    json::broken,
};
use http::{Method, StatusCode};
use http_body::Body;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

pub use self::as_asked::AsAsked;
use super::{Call, Endpoint, Input, Reply, answers, json};
use crate::{app::App, body::RequestBody};

const WORK_PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "cpu_us",
        required: false,
        schema: micros,
        summary: "CPU time to burn, in microseconds.",
    },
    Parameter {
        name: "io_ms",
        required: false,
        schema: millis,
        summary: "Time to wait, in milliseconds.",
    },
    Parameter { name: "class", required: false, schema: class, summary: "Who is refused first." },
];

/// What a class is called in a query.
const CLASSES: [&str; 4] = ["critical", "user", "degraded", "batch"];

macro_rules! work {
    ($name:ident, $class:ident, $operation:literal, $path:literal) => {
        static $name: RouteContract = RouteContract {
            method: Method::GET,
            path: $path,
            name: $operation,
            summary: "Burn CPU, wait, and answer 64 bytes of JSON.",
            access: Access::Bearer,
            scope: Scope::Named("demo"),
            class: Class::$class,
            body: BodyRule::Empty,
            parameters: WORK_PARAMETERS,
            deadline: DeadlineRule::Default,
            rate: RateRule::Standard,
            bulkhead: None,
            cache: CacheRule::NoStore,
            answer: answers::<WorkResponse>(StatusCode::OK),
            problems: &[],
        };
    };
}

// The same route for each class, in the order of `CLASSES`; the table knows the one for users.
work!(WORK_CRITICAL, Critical, "demo_work", "/api/demo/work");
work!(WORK, User, "demo_work", "/api/demo/work");
work!(WORK_DEGRADED, Degraded, "demo_work", "/api/demo/work");
work!(WORK_BATCH, Batch, "demo_work", "/api/demo/work");

static CACHED: RouteContract = RouteContract {
    method: Method::GET,
    path: "/api/demo/cached/{key}",
    name: "demo_cached",
    summary: "A slow value behind the cache.",
    access: Access::Bearer,
    scope: Scope::Named("demo"),
    class: Class::Degraded,
    body: BodyRule::Empty,
    parameters: &[
        Parameter { name: "key", required: true, schema: key, summary: "Which value." },
        Parameter {
            name: "load_ms",
            required: false,
            schema: millis,
            summary: "How slow, in milliseconds.",
        },
    ],
    deadline: DeadlineRule::Default,
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<CachedResponse>(StatusCode::OK),
    problems: &[],
};

static UPLOAD: RouteContract = RouteContract {
    method: Method::POST,
    path: "/api/demo/upload",
    name: "demo_upload",
    summary: "Stream a body of any type and answer its length and hash, once decompressed.",
    access: Access::Bearer,
    scope: Scope::Named("demo"),
    class: Class::Batch,
    body: BodyRule::Stream,
    parameters: &[],
    deadline: DeadlineRule::After(Duration::from_secs(600)),
    rate: RateRule::Standard,
    bulkhead: None,
    cache: CacheRule::NoStore,
    answer: answers::<UploadResponse>(StatusCode::OK),
    problems: &[],
};

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    Endpoint { contract: &WORK, call: Call::Later(|a, e, i| Box::pin(work(a, e, i))) },
    Endpoint { contract: &CACHED, call: Call::Later(|a, e, i| Box::pin(cached(a, e, i))) },
    Endpoint { contract: &UPLOAD, call: Call::Later(|a, e, i| Box::pin(upload(a, e, i))) },
];

/// The longest that anybody may have CPU burnt for one request.
const MAX_MICROS: u64 = 1_000_000;
const MAX_MILLIS: u64 = 60_000;

fn micros() -> Value {
    serde_json::json!({"type": "integer", "minimum": 0, "maximum": MAX_MICROS})
}

fn millis() -> Value {
    serde_json::json!({"type": "integer", "minimum": 0, "maximum": MAX_MILLIS})
}

fn key() -> Value {
    serde_json::json!({"type": "string", "minLength": 1, "examples": ["stone"]})
}

fn class() -> Value {
    serde_json::json!({"type": "string", "enum": CLASSES})
}

#[derive(Serialize, ToSchema)]
struct WorkResponse {
    ok: bool,
    data: &'static str,
}

#[derive(Clone, Serialize, ToSchema)]
struct CachedResponse {
    key: String,
    value: String,
    #[schema(format = "date-time")]
    loaded_at: String,
}

#[derive(Serialize, ToSchema)]
struct UploadResponse {
    bytes: u64,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
}

async fn work(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let asked = |name| exchange.values.unsigned(name).unwrap_or_default();
    let (cpu, io) = (asked("cpu_us"), asked("io_ms"));
    if cpu > 0 {
        burn(&app.clock, Duration::from_micros(cpu));
    }
    if io > 0 {
        tokio::time::sleep(Duration::from_millis(io)).await;
    }
    json(
        StatusCode::OK,
        &WorkResponse { ok: true, data: "0123456789abcdef0123456789abcdef0123456789a" },
    )
}

/// Keeps a core busy, as work does; the one place that asks for the time in a loop.
fn burn(clock: &impl Clock, span: Duration) {
    let until = clock.now() + span;
    while clock.now() < until {
        std::hint::spin_loop();
    }
}

async fn cached(app: &App, exchange: &mut Exchange, _input: Input) -> Reply {
    let wait = exchange.values.unsigned("load_ms").unwrap_or_default();
    let wait = Duration::from_millis(wait);
    let key = exchange.param("key").unwrap_or_default().to_owned();
    let clock = app.clock;
    let load = {
        let key = key.clone();
        async move {
            tokio::time::sleep(wait).await;
            let value: String = key.chars().rev().collect();
            let loaded_at = clock.unix().to_string();
            let document = CachedResponse { key, value, loaded_at };
            Ok(Loaded::Present(serde_json::to_vec(&document).unwrap_or_default().into()))
        }
    };
    let document = app.caches.demo(&key, exchange.now, load).await?;
    Ok(super::reply(StatusCode::OK, super::JSON, document))
}

async fn upload(app: &App, _exchange: &mut Exchange, input: Input) -> Reply {
    let limit = app.settings.load().limits.size.body;
    let (mut counted, mut hash) = (Counted::new(limit), Sha256::new());
    let none = || Decompressed::plain(RequestBody::empty());
    let mut body = pin!(input.stream.unwrap_or_else(none));
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|error| broken(error.into()))?;
        if let Ok(data) = frame.into_data() {
            counted.add(data.remaining())?;
            hash.update(&data);
        }
    }
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    json(StatusCode::OK, &UploadResponse { bytes: counted.used(), sha256 })
}
