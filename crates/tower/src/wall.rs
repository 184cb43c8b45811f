//! The one fused service.

mod access;
mod body;
mod deadline;
pub(crate) mod grpc;
mod layer;
mod limits;
mod refusals;
mod track;

use std::{
    future::Future,
    ops::Deref,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use gabion_clock::{Clock, SystemClock};
use gabion_errors::{BoxError, Origin, Problem, Rejection, attended};
use gabion_limits::{ClientAddr, DeadlineTrust};
use gabion_monitor::{LatencyWindow, RequestId, TraceContext};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version, header, response,
};

pub use self::{
    body::WallBody,
    layer::{WallLayer, WallService},
};
use self::{deadline::Due, grpc::is_grpc, refusals::Refusals, track::Track};
use crate::{
    CacheRule, Exchange, Guard, LateCost, Peer, Routes, Standings,
    params::Params,
    problem::{Desk, grpc_response, problem_response},
};

/// What stands behind the guards.
pub trait Handler<B>: Send + Sync + 'static {
    /// The body of its responses.
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// Answers a request that every guard let pass.
    fn handle(
        &self,
        exchange: &mut Exchange,
        body: B,
    ) -> impl Future<Output = Result<Response<Self::Body>, Rejection>> + Send;
}

/// Marks a response that the wall itself gave; it is in the response's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub &'static str);

/// Guards around a handler: every request through [`serve`](Self::serve) is named, matched, guarded,
/// handled, and counted. See the [crate docs](crate).
pub struct Wall<R, G, H, C = SystemClock> {
    routes: R,
    guards: G,
    handler: H,
    timing: Timing<C>,
    deadlines: ArcSwap<DeadlineTrust>,
    desk: Desk,
    refusals: Refusals,
    grpc: bool,
    over_tls: bool,
}

/// What a wall knows of time.
pub struct Timing<C = SystemClock> {
    /// Read once when a request begins and once when it is answered.
    pub clock: C,
    /// How long requests may take unless their route says otherwise.
    pub request_time: RequestTime,
    /// Told of every admitted request, for the budgets of latency and errors.
    pub window: Arc<LatencyWindow>,
}

/// The time that requests have unless their route says otherwise; it can be changed while it is used.
#[derive(Debug, Clone)]
pub struct RequestTime(Arc<AtomicU64>);

impl RequestTime {
    /// This long.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        let this = Self(Arc::default());
        this.set(time);
        this
    }

    /// From now on this long; requests under way keep theirs.
    pub fn set(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// What `Strict-Transport-Security` says over TLS, and only there.
pub const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");
const API_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

impl<R: Routes, G: Guard, H, C: Clock + Clone> Wall<R, G, H, C> {
    /// Puts `guards` in front of `handler`.
    pub fn new(routes: R, guards: G, handler: H, timing: Timing<C>) -> Self {
        let (deadlines, desk) = (ArcSwap::from_pointee(DeadlineTrust::Nobody), Desk::new());
        let (refusals, grpc, over_tls) = (Refusals::default(), false, false);
        Self { routes, guards, handler, timing, deadlines, desk, refusals, grpc, over_tls }
    }

    /// The same that gives up sooner where one of these callers says so.
    #[must_use]
    pub fn deadlines_of(self, callers: DeadlineTrust) -> Self {
        self.set_deadlines_of(callers);
        self
    }

    /// From now on gives up sooner where one of these callers says so.
    pub fn set_deadlines_of(&self, callers: DeadlineTrust) {
        self.deadlines.store(Arc::new(callers));
    }

    /// The same that refuses gRPC requests in the words of gRPC.
    #[must_use]
    pub fn grpc(mut self) -> Self {
        self.grpc = true;
        self
    }

    /// The same for connections that are encrypted: each response tells the client to come over TLS
    /// alone for a year, to this host and those below it (HSTS, RFC 6797).
    #[must_use]
    pub fn over_tls(mut self) -> Self {
        self.over_tls = true;
        self
    }

    /// Answers one request; every outcome is a response.
    ///
    /// `this` is the wall, borrowed or in an `Arc`: owned, the future can outlive the caller without
    /// another one around it that would have to be moved.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped because the client has left, everything the request held is given
    /// back and it is counted with the status 499.
    pub async fn serve<B>(
        this: impl Deref<Target = Self> + Send,
        request: Request<B>,
        peer: Peer,
    ) -> Response<WallBody<H::Body>>
    where
        H: Handler<B>,
        B: Send,
    {
        let (head, body) = request.into_parts();
        let grpc = this.grpc && is_grpc(&head.headers);
        let (mut exchange, refusal, due) = this.begin(head, peer);
        let mut track =
            Track::begin(&exchange, this.timing.clock.clone(), Arc::clone(&this.timing.window));
        let name = exchange.contract().name;
        let outcome = {
            // Pinned where it is made: passed on by value, it would be copied at each step.
            let work = pin!(async {
                this.guards.check(&mut exchange).await?;
                // Only now, so that nobody probes for paths without a limit.
                if let Some(problem) = refusal {
                    return Err(problem.into());
                }
                due.check(&this.timing.clock)?;
                this.handler.handle(&mut exchange, body).await
            });
            due.within(pin!(attended(name, work))).await
        };
        if exchange.late_cost != LateCost::default() {
            this.guards.settle(&mut exchange).await;
        }
        let (response, status) = match outcome {
            Ok(response) => {
                let status = response.status();
                (response.map(WallBody::handler), status)
            }
            Err(rejection) => {
                if due.is_callers(&rejection) {
                    // It says nothing about how fast this server is.
                    exchange.permit = None;
                }
                let now = this.timing.clock.now();
                let took = now.saturating_since(exchange.now);
                // Also what never came to the operation itself, or took it too long.
                let rejection = rejection.during(name).took(took);
                let request_id = exchange.request_id.as_str();
                let origin = Origin { request_id, route: exchange.contract().path };
                this.desk.tell(&rejection, origin, now);
                track.refused(&rejection, now, &this.refusals);
                let problem = rejection.problem();
                let response = if grpc {
                    grpc_response(problem)
                } else {
                    problem_response(problem, request_id)
                };
                let mut response = response.map(WallBody::whole);
                response.extensions_mut().insert(Refused(problem.code()));
                (response, problem.status())
            }
        };
        let (mut head, mut body) = response.into_parts();
        if exchange.head.method == Method::HEAD {
            body = body.left_out(&mut head.headers);
        }
        this.guards.stamp(&exchange, &mut head);
        stamp(&exchange, &mut head);
        if this.over_tls {
            head.headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        }
        // That of the problem, also where gRPC says it with another.
        track.answered(status, body.known_length(), &mut exchange);
        Response::from_parts(head, body.tracked(Box::new(track)))
    }

    /// A request as the guards see it first.
    #[cfg(test)]
    pub(crate) fn exchange(&self, head: http::request::Parts, peer: Peer) -> Exchange {
        self.begin(head, peer).0
    }

    fn begin(&self, head: http::request::Parts, peer: Peer) -> (Exchange, Option<Problem>, Due) {
        let now = self.timing.clock.now();
        let matched = self.routes.find(&head);
        let given = head.headers.get(X_REQUEST_ID);
        let request_id = given.and_then(|id| RequestId::accept(id.as_bytes()));
        let parent = head.headers.get(TRACEPARENT);
        let trace = parent.and_then(|parent| TraceContext::parse(parent.as_bytes()));
        let asked = self.deadlines.load().asked(peer.0.ip(), &head.headers);
        let rule = matched.route.contract.deadline;
        let due = Due::new(rule, &self.timing.request_time, asked, now);
        let exchange = Exchange {
            head,
            now,
            unix: self.timing.clock.unix(),
            peer,
            client: ClientAddr::new(peer.0.ip()),
            request_id: request_id.unwrap_or_else(RequestId::random),
            trace: trace.map(|parent| parent.child()),
            route: matched.route,
            params: matched.params,
            values: Params::default(),
            deadline: due.deadline,
            principal: None,
            permit: None,
            place: None,
            closes: false,
            standings: Standings::default(),
            late_cost: LateCost::default(),
        };
        (exchange, matched.refusal, due)
    }
}

/// The refusal of a request that never reached a wall, since its head is not even read to its end:
/// with a name and the fields that every response has.
#[must_use]
pub fn refuse_unread(problem: &Problem) -> Response<Bytes> {
    let request_id = RequestId::random();
    let mut response = problem_response(problem, request_id.as_str());
    let headers = response.headers_mut();
    stamp_usual(&request_id, headers);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    response
}

/// The fields of every response, whatever it is about.
fn stamp_usual(request_id: &RequestId, headers: &mut HeaderMap) {
    headers.insert(X_REQUEST_ID, request_id.to_header_value());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(header::REFERRER_POLICY, NO_REFERRER);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(API_POLICY);
}

/// The fields of every response to `exchange`.
fn stamp(exchange: &Exchange, response: &mut response::Parts) {
    let headers = &mut response.headers;
    stamp_usual(&exchange.request_id, headers);
    if let CacheRule::Public(age) = exchange.contract().cache
        && response.status.is_success()
        // What a known caller is told has fields about that caller.
        && exchange.principal.is_none()
    {
        let value = HeaderValue::from_str(&format!("public, max-age={}", age.as_secs()));
        // Digits and letters are a valid value.
        headers.entry(header::CACHE_CONTROL).or_insert(value.unwrap_or(NO_STORE));
    } else if response.status != http::StatusCode::NOT_MODIFIED {
        headers.insert(header::CACHE_CONTROL, NO_STORE);
    }
    if exchange.closes && exchange.head.version <= Version::HTTP_11 {
        headers.insert(header::CONNECTION, CLOSE);
    }
    limits::stamp(&exchange.standings, response);
}

#[cfg(test)]
mod tests;
