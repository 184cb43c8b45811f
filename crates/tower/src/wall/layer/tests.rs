use std::{future::Ready, future::ready};

use gabion_clock::ManualClock;
use gabion_config::Rate;
use gabion_errors::{Problem, types};
use gabion_limits::{quota::Quota, rate::MemoryRateStore};
use http::HeaderValue;
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use super::*;
use crate::guards::RateGuard;

static OPEN: RouteContract = RouteContract::open("/{*path}", "everything");

/// Answers as a handler behind a framework does: a failure is a response with its rejection inside.
#[derive(Clone)]
struct Failing;

impl Service<Request<()>> for Failing {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let rejection = Rejection::new(Problem::new(&types::CONFLICT));
        let mut response = Response::new(Full::from("rendered without an id"));
        response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
        response.headers_mut().insert("x-of-a-layer", HeaderValue::from_static("kept"));
        response.extensions_mut().insert(Arc::new(rejection));
        ready(Ok(response))
    }
}

fn limit(store: &Arc<MemoryRateStore>) -> RateGuard<MemoryRateStore> {
    RateGuard::by_address("address", Quota::new(Rate::per_second(1), 1), Arc::clone(store))
}

async fn status<C: Clock + Clone>(layer: &WallLayer<RateGuard<MemoryRateStore>, C>) -> u16 {
    let answer = layer.layer(Failing).call(Request::new(())).await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

#[tokio::test]
async fn a_rejection_of_the_service_is_told_under_the_requests_id() {
    let store = Arc::new(MemoryRateStore::with_capacity(10));
    let mut service = WallLayer::new(&OPEN, limit(&store)).layer(Failing);
    let answer = service.call(Request::new(())).await.unwrap();
    assert_eq!(answer.status(), 409);
    assert_eq!(answer.extensions().get(), Some(&crate::Refused("conflict")));
    let headers = answer.headers();
    assert_eq!(headers["x-of-a-layer"], "kept");
    assert_eq!(headers["content-type"], Problem::CONTENT_TYPE);
    let id = headers["x-request-id"].clone();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["request_id"], id.to_str().unwrap());
}

#[tokio::test]
async fn services_of_layers_with_one_clock_share_a_limit() {
    let (clock, store) = (ManualClock::new(), Arc::new(MemoryRateStore::with_capacity(10)));
    let one = WallLayer::new(&OPEN, limit(&store)).clock(clock.clone());
    let other = WallLayer::new(&OPEN, limit(&store)).clock(clock.clone());
    assert_eq!((status(&one).await, status(&one).await, status(&other).await), (409, 429, 429));
    clock.advance(Duration::from_secs(1));
    assert_eq!((status(&other).await, status(&one).await), (409, 429));
}
