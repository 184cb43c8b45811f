//! Errors of gRPC, which has its own words for them.

use std::sync::Arc;

use axum::{Extension, Router, response::IntoResponse, routing::get};
use gabion_errors::Rejection;
use gabion_tower::{ProblemLayer, WallLayer};
use http::{Request, header::CONTENT_TYPE};
use tracing::Level;

use crate::{
    service::{Full7, OPEN, Passes, ask, routes},
    telling::Log,
};

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
