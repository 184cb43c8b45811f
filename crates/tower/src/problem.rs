use bytes::Bytes;
use gabion_clock::Instant;
use gabion_errors::{Origin, Problem, ProblemType, Rejection, Reporter, types};
use http::{HeaderValue, Response, header::CONTENT_TYPE};
use metrics::Counter;

use crate::metrics::PROBLEMS;

/// The response that tells `problem`, for the request `request_id`.
#[must_use]
pub fn problem_response(problem: &Problem, request_id: &str) -> Response<Bytes> {
    problem_response_under(Problem::TYPES, problem, request_id)
}

/// The same where the pages of the types are at `base`.
pub(crate) fn problem_response_under(
    base: &str,
    problem: &Problem,
    request_id: &str,
) -> Response<Bytes> {
    let mut response = Response::new(problem.to_json_under(base, request_id));
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

/// Tells log and metrics of each rejection, once.
pub(crate) struct Desk {
    reporter: Reporter,
    /// Of the types that every service shares; looking a counter up costs more than a refusal may.
    counters: Vec<(&'static ProblemType, Counter)>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let counters = types::ALL.iter().map(|kind| (*kind, counter(kind)));
        Self { reporter: Reporter::new(), counters: counters.collect() }
    }

    /// `rejection` is about to be answered to the request of `origin`.
    pub(crate) fn tell(&self, rejection: &Rejection, origin: Origin<'_>, now: Instant) {
        self.count(rejection.problem().kind());
        self.reporter.report(rejection, Some(origin), now);
    }

    /// A problem of this type is about to be answered.
    pub(crate) fn count(&self, kind: &'static ProblemType) {
        match self.counters.iter().find(|(own, _)| std::ptr::eq(*own, kind)) {
            Some((_, counter)) => counter.increment(1),
            None => counter(kind).increment(1),
        }
    }
}

fn counter(kind: &ProblemType) -> Counter {
    metrics::counter!(PROBLEMS, "code" => kind.code)
}
