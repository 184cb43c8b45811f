use bytes::Bytes;
use gabion_errors::{Problem, Rejection, types};
use http::{HeaderValue, Response, header::CONTENT_TYPE};
use tracing::{debug, error, warn};

/// The response that tells `problem`, for the request `request_id`.
#[must_use]
pub fn problem_response(problem: &Problem, request_id: &str) -> Response<Bytes> {
    let mut response = Response::new(problem.to_json(request_id));
    *response.status_mut() = problem.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::CONTENT_TYPE));
    for (name, value) in problem.headers() {
        headers.append(name, value);
    }
    response
}

/// The response that tells `problem` to a gRPC client: a status of gRPC in the head, and nothing else.
#[must_use]
pub fn grpc_response(problem: &Problem) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::GRPC_CONTENT_TYPE));
    for (name, value) in problem.grpc_headers().chain(problem.headers()) {
        headers.append(name, value);
    }
    response
}

/// Tells the log why a request failed: once, with the whole chain, under the request's id.
///
/// Refusals that a client or an overload brings about in any number are told at the level `debug`
/// only; the metrics count them.
pub(crate) fn log(rejection: &Rejection, request_id: &str, route: &str) {
    let (code, operation) = (rejection.problem().code(), rejection.operation().unwrap_or(""));
    let kind = rejection.problem().kind();
    let cause = || rejection.cause_chain().unwrap_or_default();
    if *kind == types::INTERNAL {
        error!(target: "gabion::error", request_id, route, code, operation, cause = cause(), "request failed");
    } else if *kind == types::DEPENDENCY_UNAVAILABLE || *kind == types::DEADLINE_EXCEEDED {
        warn!(target: "gabion::error", request_id, route, code, operation, cause = cause(), "request failed");
    } else {
        debug!(target: "gabion::error", request_id, route, code, cause = cause(), "request refused");
    }
}
