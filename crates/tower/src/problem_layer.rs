//! One shape for every error of a service.
//!
//! This is for who only wants the errors: no guards, no contracts, no limits. A [`WallLayer`](crate::WallLayer)
//! does the same for the rejections of its service, and with [`problems`](crate::WallLayer::problems) for the rest.

mod plain;
mod service;

use std::sync::Arc;

use gabion_clock::SystemClock;
use gabion_errors::{Problem, Rejection};
use http::{Extensions, response::Parts};
use tower_layer::Layer;

pub(crate) use self::plain::{OF_A_BODY, plain};
pub use self::service::ProblemService;
use crate::problem::Desk;

/// Makes problem documents of all that a service answers as an error, and tells of each once.
///
/// - Every request has an id: a valid `X-Request-Id` is kept. The service finds it in the request's
///   extensions as `RequestId` and in its `X-Request-Id`; every answer has it.
/// - A panic becomes a [`Rejection`], and so does an error of the service.
/// - A `Rejection` that stands in the extensions of the response, as the features of `gabion-errors` leave
///   it there, becomes the answer: under the request's id, with the fields that the service and its layers gave
///   the response. Its cause goes to the log once, under the same id ([`Reporter`](gabion_errors::Reporter)).
/// - Any other answer whose status IANA lists as an error, as a router's own 404 or the text of an extractor,
///   becomes the problem that its [status](gabion_errors::types::for_status) says. Its fields stay, as `Allow`,
///   `Retry-After` and `WWW-Authenticate`, but for those about the body. What the body said is lost
///   unless [`texts`](Self::texts) keeps it; statuses that are not on the list are left alone.
/// - `gabion_problems_total` counts both.
/// - A request of gRPC is answered in the words of gRPC, and what is answered in them stays as it is.
///
/// Everything else passes untouched, and so do problem documents, and answers that are
/// [`AsIs`](gabion_errors::AsIs) or that [`leave`](Self::leave) names. Bodies are neither read nor copied, and what
/// fails while a body is sent is the server's to tell.
///
/// It is ready when the service is: it forwards `poll_ready`, and keeps no clone of its own to be ready sooner.
/// It has no error: where the service fails to become ready, the next request is answered with that.
///
/// Inside a [`WallLayer`](crate::WallLayer) it takes the wall's id, and the wall finds nothing left to tell.
///
/// ```
/// use gabion_tower::ProblemLayer;
///
/// // With axum: `Router::new().route(…).layer(ProblemLayer::new())`.
/// let layer = ProblemLayer::new()
///     .types_at("https://example.org/problems/")
///     .leave(|answer| answer.headers.get("content-type").is_some_and(|media| media == "text/html"));
/// ```
pub struct ProblemLayer<C = SystemClock> {
    desk: Arc<Desk>,
    clock: C,
    options: Options,
}

#[derive(Clone, Copy)]
struct Options {
    types_at: &'static str,
    texts: bool,
    leave: fn(&Parts) -> bool,
    rejections_by: RejectionBy,
    route_of: fn(&Extensions) -> Option<String>,
}

pub(crate) type RejectionBy = fn(&mut Extensions) -> Option<Arc<Rejection>>;

impl ProblemLayer {
    /// Everything at its defaults.
    #[must_use]
    pub fn new() -> Self {
        let options = Options {
            types_at: Problem::TYPES,
            texts: false,
            leave: |_| false,
            rejections_by: |_| None,
            route_of: |_| None,
        };
        Self { desk: Arc::new(Desk::new()), clock: SystemClock::new(), options }
    }
}

impl Default for ProblemLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> ProblemLayer<C> {
    /// The same where the pages of the problem types are at `base`, to which the code is added, instead of
    /// `/api/problems/`.
    #[must_use]
    pub fn types_at(mut self, base: &'static str) -> Self {
        self.options.types_at = base;
        self
    }

    /// The same that leaves the answers alone of which `which` is true.
    #[must_use]
    pub fn leave(mut self, which: fn(&Parts) -> bool) -> Self {
        self.options.leave = which;
        self
    }

    /// The same that keeps what an answer from 400 to 499 says as the detail, where it is `text/plain` of at
    /// most 512 bytes. The texts of extractors name fields and places, and types of the program as well;
    /// decide whether strangers may read them. Those of 500 and above are never kept.
    #[must_use]
    pub fn texts(mut self) -> Self {
        self.options.texts = true;
        self
    }

    /// The same that also looks for rejections where `find` takes them from, in the extensions of a
    /// response. With tonic it is `gabion_errors::tonic::take_rejection`.
    #[must_use]
    pub fn rejections_by(mut self, find: fn(&mut Extensions) -> Option<Arc<Rejection>>) -> Self {
        self.options.rejections_by = find;
        self
    }

    /// The same that tells the log the route of what fails, from the extensions of the request. With axum it is
    /// `|known| Some(known.get::<MatchedPath>()?.as_str().to_owned())`. Give a template, never a path:
    /// what repeats is known by it.
    #[must_use]
    pub fn route_of(mut self, route: fn(&Extensions) -> Option<String>) -> Self {
        self.options.route_of = route;
        self
    }

    /// The same with another clock: it tells how long what fails took.
    #[must_use]
    pub fn clock<D>(self, clock: D) -> ProblemLayer<D> {
        ProblemLayer { desk: self.desk, clock, options: self.options }
    }
}

impl<C: Clone> Clone for ProblemLayer<C> {
    fn clone(&self) -> Self {
        let (desk, clock) = (Arc::clone(&self.desk), self.clock.clone());
        Self { desk, clock, options: self.options }
    }
}

impl<C: Clone, S> Layer<S> for ProblemLayer<C> {
    type Service = ProblemService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        ProblemService::new(inner, self.clone())
    }
}
