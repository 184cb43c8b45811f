//! Services that are not ready, or fail themselves.

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use gabion_errors::{BoxError, Problem, types};
use gabion_tower::ProblemLayer;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower_layer::Layer;
use tower_service::Service;

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
