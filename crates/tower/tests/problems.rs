//! Every error of a service has one shape, and is told once.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    Extension, Form, Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Query},
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use gabion_errors::{AsIs, BoxError, Problem, Rejection, ToProblem, types};
use gabion_monitor::RequestId;
use gabion_tower::{Exchange, Guard, ProblemLayer, RouteContract, WallLayer};
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ALLOW, CONTENT_ENCODING, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
    },
};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Level;

#[derive(Debug, thiserror::Error)]
#[error("shard 7 of /var/lib/db is full")]
struct Full7;

impl ToProblem for Full7 {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::DEPENDENCY_UNAVAILABLE)
            .detail("no room")
            .retry_after(Duration::from_secs(2))
    }
}

async fn fails() -> Result<&'static str, Rejection> {
    Err(Full7)?
}

async fn panics() -> &'static str {
    let word = std::hint::black_box("hunter2");
    panic!("the key is {word}")
}

/// A response with fields of all kinds.
async fn slow_down() -> impl IntoResponse {
    let headers = [
        (RETRY_AFTER, "7"),
        (WWW_AUTHENTICATE, "Bearer"),
        (ETAG, "\"1\""),
        (CONTENT_ENCODING, "br"),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, "come back later, says /var/lib/db")
}

async fn page() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, Extension(AsIs), "nothing")
}

async fn own_problem() -> impl IntoResponse {
    let media = [(CONTENT_TYPE, "application/problem+json; charset=utf-8")];
    (StatusCode::CONFLICT, media, r#"{"mine":true}"#)
}

async fn ids(Extension(id): Extension<RequestId>, request: Request<Body>) -> String {
    let told = request.headers()["x-request-id"].to_str().expect("a text").to_owned();
    assert_eq!(told, id.as_str());
    told
}

fn routes() -> Router {
    Router::new()
        .route("/fails", get(fails))
        .route("/panics", get(panics))
        .route("/slow-down", get(slow_down))
        .route("/page", get(page))
        .route("/own", get(own_problem))
        .route("/ids", get(ids))
        .route("/moved", get(|| async { (StatusCode::FOUND, [(LOCATION, "/ids")], "over there") }))
        .route("/teapot", get(|| async { (StatusCode::IM_A_TEAPOT, "short and stout") }))
        .route("/empty", get(|| async { StatusCode::PAYMENT_REQUIRED }))
        .route("/late", get(|| async { (StatusCode::REQUEST_TIMEOUT, "") }))
        .route("/fine", get(|| async { "fine" }))
        .route("/number", post(|Json(number): Json<u32>| async move { number.to_string() }))
        .route("/form", post(|Form(_): Form<Vec<(String, u32)>>| async {}))
        .route("/items/{number}", get(|Path(number): Path<u32>| async move { number.to_string() }))
        .route("/search", get(|Query(_): Query<Vec<(String, u32)>>| async {}))
        .route("/state", get(|Extension(_): Extension<Secretive>| async {}))
        .layer(DefaultBodyLimit::max(64))
}

/// A type whose name is nobody's business.
#[derive(Clone)]
struct Secretive;

struct Answer {
    head: http::response::Parts,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.head.headers.get(name).map_or("", |value| value.to_str().expect("a text"))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }

    fn document(&self) -> Value {
        assert_eq!(self.header(CONTENT_TYPE), Problem::CONTENT_TYPE, "{}", self.text());
        let document: Value = serde_json::from_slice(&self.body).expect("a document");
        assert_eq!(document["status"], self.head.status.as_u16());
        assert_eq!(document["request_id"], self.header("x-request-id"));
        document
    }

    fn outcome(&self) -> (u16, String) {
        let document = self.document();
        (self.head.status.as_u16(), document["code"].as_str().expect("a code").to_owned())
    }
}

async fn ask<S, B>(service: &mut S, request: http::request::Builder, body: &str) -> Answer
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
{
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let (head, body) = service.call(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap_or_else(|_| panic!("the body fails")).to_bytes();
    Answer { head, body }
}

async fn get_from(layer: ProblemLayer, path: &str) -> Answer {
    ask(&mut routes().layer(layer), Request::get(path), "").await
}

async fn answer(path: &str) -> Answer {
    get_from(ProblemLayer::new(), path).await
}

#[tokio::test]
async fn an_error_of_a_handler_is_told_without_its_cause() {
    let answer = answer("/fails").await;
    assert_eq!(answer.outcome(), (503, "dependency-unavailable".into()));
    assert_eq!(answer.header(RETRY_AFTER), "2");
    assert_eq!(answer.document()["detail"], "no room");
    assert!(!answer.text().contains("shard"));
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let answer = answer("/panics").await;
    assert_eq!(answer.outcome(), (500, "internal".into()));
    assert!(!answer.text().contains("hunter2"));
}

#[tokio::test]
async fn what_the_router_and_its_extractors_refuse_is_a_problem() {
    let json = "application/json";
    let long = "1".repeat(65);
    for (method, path, media, body, status, code) in [
        (Method::GET, "/nothing", "", "", 404, "not-found"),
        (Method::POST, "/fine", "", "", 405, "method-not-allowed"),
        (Method::POST, "/number", "text/plain", "7", 415, "unsupported-media-type"),
        (Method::POST, "/number", json, "?", 400, "invalid-request"),
        (Method::POST, "/number", json, "\"7\"", 422, "invalid-body"),
        (Method::POST, "/number", json, &*long, 413, "body-too-large"),
        (Method::POST, "/form", json, "", 415, "unsupported-media-type"),
        (Method::POST, "/form", "application/x-www-form-urlencoded", "a=b", 422, "invalid-body"),
        (Method::GET, "/items/seven", "", "", 400, "invalid-request"),
        (Method::GET, "/items/%ff", "", "", 400, "invalid-request"),
        (Method::GET, "/search?a=b", "", "", 400, "invalid-request"),
        (Method::GET, "/state", "", "", 500, "internal"),
        (Method::GET, "/empty", "", "", 402, "payment-required"),
    ] {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, media);
        let answer = ask(&mut routes().layer(ProblemLayer::new()), request, body).await;
        assert_eq!(answer.outcome(), (status, code.to_owned()), "{path} {body}");
        assert!(!answer.text().contains("Secretive") && !answer.text().contains("u32"));
        assert_eq!(answer.header(ALLOW), if status == 405 { "GET,HEAD" } else { "" });
    }
}

#[tokio::test]
async fn the_fields_of_an_answer_stay_but_for_those_of_its_body() {
    let answer = answer("/slow-down").await;
    assert_eq!(answer.outcome(), (503, "service-unavailable".into()));
    assert_eq!((answer.header(RETRY_AFTER), answer.header(WWW_AUTHENTICATE)), ("7", "Bearer"));
    assert_eq!(answer.document()["retry_after"], 7);
    assert_eq!((answer.header(ETAG), answer.header(CONTENT_ENCODING)), ("", ""));
    assert_eq!(answer.head.headers.get_all(CONTENT_TYPE).iter().count(), 1);
}

#[tokio::test]
async fn a_slow_service_does_not_blame_the_client() {
    assert_eq!(answer("/late").await.document()["detail"], "the request took too long");
}

#[tokio::test]
async fn what_is_no_bare_error_passes_as_it_is() {
    for (path, status, text) in [
        ("/fine", 200, "fine"),
        ("/moved", 302, "over there"),
        ("/page", 404, "nothing"),
        ("/own", 409, r#"{"mine":true}"#),
        ("/teapot", 418, "short and stout"),
    ] {
        let answer = answer(path).await;
        assert_eq!((answer.head.status.as_u16(), answer.text()), (status, text));
        assert_eq!(answer.header("x-request-id").len(), 32);
    }
}

#[tokio::test]
async fn what_the_author_leaves_alone_passes() {
    let layer = ProblemLayer::new().leave(|answer| answer.headers.contains_key(ETAG));
    let left = get_from(layer.clone(), "/slow-down").await;
    assert_eq!(left.text(), "come back later, says /var/lib/db");
    assert_eq!(get_from(layer, "/nothing").await.outcome().0, 404);
}

#[tokio::test]
async fn texts_are_kept_only_where_they_are_asked_for_and_never_those_of_failures() {
    let layer = || ProblemLayer::new().texts();
    let refused = get_from(layer(), "/items/seven").await;
    assert!(refused.document()["detail"].as_str().unwrap().contains("seven"), "{}", refused.text());
    let failed = get_from(layer(), "/slow-down").await;
    assert!(!failed.text().contains("/var/lib"), "{}", failed.text());
    let empty = get_from(layer(), "/empty").await;
    assert_eq!(empty.document()["detail"], "This must be paid for.");
}

#[tokio::test]
async fn an_answer_to_head_tells_the_length_and_nothing_else() {
    let mut service = ProblemLayer::new().layer(routes());
    let answer = ask(&mut service, Request::head("/nothing"), "").await;
    assert_eq!((answer.head.status.as_u16(), answer.text()), (404, ""));
    assert!(answer.header("content-length").parse::<u32>().unwrap() > 100);
}

#[tokio::test]
async fn a_valid_id_is_kept_and_any_other_replaced() {
    let mut service = routes().layer(ProblemLayer::new());
    let with = |id: &str| Request::get("/ids").header("x-request-id", id);
    let kept = ask(&mut service, with("from-a-proxy"), "").await;
    assert_eq!((kept.text(), kept.header("x-request-id")), ("from-a-proxy", "from-a-proxy"));
    let replaced = ask(&mut service, with("no spaces, please"), "").await;
    assert_eq!((replaced.text(), replaced.text().len()), (replaced.header("x-request-id"), 32));
}

#[tokio::test]
async fn the_pages_of_the_types_may_be_elsewhere() {
    let layer = ProblemLayer::new().types_at("https://example.org/problems/");
    let answer = get_from(layer, "/nothing").await;
    assert_eq!(answer.document()["type"], "https://example.org/problems/not-found");
}

fn grpc(path: &str) -> http::request::Builder {
    Request::get(path).header(CONTENT_TYPE, "application/grpc+proto")
}

#[tokio::test]
async fn grpc_is_answered_in_its_own_words() {
    let mut service = routes().layer(ProblemLayer::new());
    for (path, status) in [("/panics", "13"), ("/fails", "14")] {
        let answer = ask(&mut service, grpc(path), "").await;
        assert_eq!((answer.head.status.as_u16(), answer.header("grpc-status")), (200, status));
        assert_eq!(answer.text(), "");
    }
    let router = ask(&mut service, grpc("/nothing"), "").await;
    assert_eq!(router.head.status, 404);
    assert_eq!(router.header(CONTENT_TYPE), "");
}

/// Answers as a gRPC library does: a status in the head, with a rejection where only it knows.
#[derive(Clone)]
struct Status(Arc<Rejection>);

async fn status() -> impl IntoResponse {
    let rejection = Arc::new(Full7.into());
    let head = [(CONTENT_TYPE.as_str(), "application/grpc"), ("grpc-status", "14")];
    (head, Extension(Status(rejection)))
}

fn take_rejection(known: &mut http::Extensions) -> Option<Arc<Rejection>> {
    known.remove().map(|Status(rejection)| rejection)
}

#[tokio::test]
async fn the_rejection_of_a_library_is_told_and_its_answer_stays() {
    let log = Log::listen(Level::WARN);
    let layer = ProblemLayer::new().rejections_by(take_rejection);
    let mut service = Router::new().route("/call", get(status)).layer(layer);
    let answer = ask(&mut service, grpc("/call"), "").await;
    assert_eq!((answer.head.status.as_u16(), answer.header("grpc-status")), (200, "14"));
    assert_eq!(log.lines().len(), 1);
    assert_eq!(log.lines()[0]["request_id"], answer.header("x-request-id"));
}

#[tokio::test]
async fn a_wall_tells_the_rejection_of_a_library_too() {
    let log = Log::listen(Level::WARN);
    let layer = WallLayer::new(&OPEN, Passes).grpc().rejections_by(take_rejection);
    let mut service = Router::new().route("/call", get(status)).layer(layer);
    let answer = ask(&mut service, grpc("/call"), "").await;
    assert_eq!((answer.head.status.as_u16(), answer.header("grpc-status")), (200, "14"));
    assert_eq!(answer.head.headers.get_all("grpc-status").iter().count(), 1);
    assert_eq!(log.lines()[0]["cause"], Full7.to_string());
}

/// The lines that this thread writes while it lives.
struct Log {
    lines: Arc<Mutex<Vec<u8>>>,
    _listening: tracing::subscriber::DefaultGuard,
}

#[derive(Clone)]
struct Writes(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn listen(level: Level) -> Self {
        let lines = Arc::<Mutex<Vec<u8>>>::default();
        let writes = Writes(Arc::clone(&lines));
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(level)
            .with_writer(move || writes.clone());
        Self { lines, _listening: tracing::subscriber::set_default(subscriber.finish()) }
    }

    /// Those about errors.
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.lines.lock().expect("no panic").clone()).expect("a text");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
        lines.filter(|line| line["target"] == "gabion::error").collect()
    }
}

#[tokio::test]
async fn a_failure_is_told_once_with_all_that_is_known() {
    let log = Log::listen(Level::INFO);
    let layer = ProblemLayer::new().route_of(|_| Some("/{template}".to_owned()));
    let answer = get_from(layer, "/fails").await;
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for (name, wanted) in [
        ("request_id", answer.header("x-request-id")),
        ("route", "/{template}"),
        ("code", "dependency-unavailable"),
        ("cause", "shard 7 of /var/lib/db is full"),
    ] {
        assert_eq!(lines[0][name], wanted);
    }
    assert!(lines[0]["duration_us"].is_number(), "{}", lines[0]);
}

/// Lets everything pass.
struct Passes;

impl Guard for Passes {
    async fn check(&self, _: &mut Exchange) -> Result<(), Rejection> {
        Ok(())
    }
}

static OPEN: RouteContract = RouteContract::open("/{*path}", "everything");

fn counting() -> (metrics_exporter_prometheus::PrometheusRecorder, Counted) {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    (recorder, Counted(handle))
}

struct Counted(metrics_exporter_prometheus::PrometheusHandle);

impl Counted {
    fn of(&self, code: &str) -> Option<String> {
        let series = format!("gabion_problems_total{{code=\"{code}\"}} ");
        let text = self.0.render();
        text.lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned)
    }
}

#[tokio::test]
async fn inside_a_wall_or_around_it_nothing_is_told_or_counted_twice() {
    let inside =
        |routes: Router| routes.layer(ProblemLayer::new()).layer(WallLayer::new(&OPEN, Passes));
    let around = |routes: Router| {
        routes.layer(WallLayer::new(&OPEN, Passes).problems()).layer(ProblemLayer::new())
    };
    let orders: [&dyn Fn(Router) -> Router; 2] = [&inside, &around];
    for order in orders {
        let log = Log::listen(Level::DEBUG);
        let (recorder, counted) = counting();
        let _counting = metrics::set_default_local_recorder(&recorder);
        let mut service = order(routes());
        for (path, code) in [
            ("/fails", "dependency-unavailable"),
            ("/panics", "internal"),
            ("/nothing", "not-found"),
        ] {
            let before = log.lines().len();
            let answer = ask(&mut service, Request::get(path), "").await;
            assert_eq!(answer.outcome().1, code);
            assert_eq!(counted.of(code).unwrap(), "1", "{code}");
            let lines = &log.lines()[before..];
            assert!(lines.len() <= 1, "{lines:?}");
            assert!(lines.len() == 1 || code == "not-found", "{code}");
            assert!(lines.iter().all(|line| line["request_id"] == answer.header("x-request-id")));
        }
    }
}

#[tokio::test]
async fn the_codes_of_a_status_are_counted_too() {
    let (recorder, counted) = counting();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let mut service = routes().layer(ProblemLayer::new());
    for _ in 0..2 {
        ask(&mut service, Request::get("/empty"), "").await;
    }
    ask(&mut service, Request::get("/fine"), "").await;
    assert_eq!(counted.of("payment-required").unwrap(), "2");
    assert_eq!(counted.of("internal").unwrap(), "0");
}

#[tokio::test]
async fn a_wall_makes_problems_of_bare_errors_only_when_it_is_told_to() {
    let wall = || WallLayer::new(&OPEN, Passes);
    let ask = async |layer: WallLayer<Passes>| {
        ask(&mut routes().layer(layer), Request::post("/fine"), "").await
    };
    assert_eq!(ask(wall()).await.text(), "");
    let problem = ask(wall().problems()).await;
    assert_eq!(problem.outcome(), (405, "method-not-allowed".into()));
    assert_eq!(problem.header(ALLOW), "GET,HEAD");
}

/// Becomes ready when it is told to, or fails.
#[derive(Clone)]
struct Waits(Arc<Mutex<Poll<Result<(), &'static str>>>>);

impl Service<Request<()>> for Waits {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.lock().expect("no panic").map_err(Into::into)
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        assert!(request.uri().path() != "/panics", "before there is a future");
        ready(if request.uri().path() == "/fails" {
            Err("the pipe broke".into())
        } else {
            Ok(Response::new(Full::from("fine")))
        })
    }
}

#[tokio::test]
async fn it_is_ready_when_its_service_is_and_answers_for_one_that_never_will_be() {
    let state = Arc::new(Mutex::new(Poll::Pending));
    let mut service = ProblemLayer::new().layer(Waits(Arc::clone(&state)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_pending());
    *state.lock().unwrap() = Poll::Ready(Ok(()));
    assert!(service.poll_ready(&mut cx).is_ready());
    assert_eq!(service.call(Request::new(())).await.unwrap().status(), 200);
    *state.lock().unwrap() = Poll::Ready(Err("closed for good"));
    assert!(service.poll_ready(&mut cx).is_ready());
    let answer = service.call(Request::new(())).await.unwrap();
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()[CONTENT_TYPE], HeaderValue::from_static(Problem::CONTENT_TYPE));
}

#[tokio::test]
async fn an_error_or_a_panic_of_the_service_itself_is_a_problem() {
    let ready = Arc::new(Mutex::new(Poll::Ready(Ok(()))));
    let mut service = ProblemLayer::new().layer(Waits(ready));
    for path in ["/fails", "/panics"] {
        let answer = service.call(Request::get(path).body(()).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status.as_u16(), &document["code"]), (500, &json!("internal")));
        assert_eq!(document["detail"], types::INTERNAL.meaning);
    }
}
