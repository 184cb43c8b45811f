//! A service with errors of all kinds, and its answers.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension, Form, Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Query},
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use gabion_errors::{AsIs, Problem, Rejection, ToProblem, types};
use gabion_monitor::RequestId;
use gabion_tower::{Exchange, Guard, ProblemLayer, RouteContract};
use http::{
    Request, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower_service::Service;

#[derive(Debug, thiserror::Error)]
#[error("shard 7 of /var/lib/db is full")]
pub(crate) struct Full7;

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

pub(crate) fn routes() -> Router {
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

pub(crate) struct Answer {
    pub(crate) head: http::response::Parts,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.head.headers.get(name).map_or("", |value| value.to_str().expect("a text"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }

    pub(crate) fn document(&self) -> Value {
        assert_eq!(self.header(CONTENT_TYPE), Problem::CONTENT_TYPE, "{}", self.text());
        let document: Value = serde_json::from_slice(&self.body).expect("a document");
        assert_eq!(document["status"], self.head.status.as_u16());
        assert_eq!(document["request_id"], self.header("x-request-id"));
        document
    }

    pub(crate) fn outcome(&self) -> (u16, String) {
        let document = self.document();
        (self.head.status.as_u16(), document["code"].as_str().expect("a code").to_owned())
    }
}

pub(crate) async fn ask<S, B>(
    service: &mut S,
    request: http::request::Builder,
    body: &str,
) -> Answer
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
{
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let (head, body) = service.call(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap_or_else(|_| panic!("the body fails")).to_bytes();
    Answer { head, body }
}

pub(crate) async fn get_from(layer: ProblemLayer, path: &str) -> Answer {
    ask(&mut routes().layer(layer), Request::get(path), "").await
}

pub(crate) async fn answer(path: &str) -> Answer {
    get_from(ProblemLayer::new(), path).await
}

/// Lets everything pass.
pub(crate) struct Passes;

impl Guard for Passes {
    async fn check(&self, _: &mut Exchange) -> Result<(), Rejection> {
        Ok(())
    }
}

pub(crate) static OPEN: RouteContract = RouteContract::open("/{*path}", "everything");
