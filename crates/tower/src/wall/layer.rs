use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    marker::PhantomData,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gabion_clock::{Clock, SystemClock};
use gabion_errors::{BoxError, Rejection, error_chain};
use gabion_limits::DeadlineTrust;
use gabion_monitor::LatencyWindow;
use http::{Extensions, HeaderMap, HeaderName, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{Handler, RequestTime, Timing, Wall, WallBody};
use crate::{
    Exchange, Guard, LateCost, Peer, Route, RouteContract,
    problem_layer::{OF_A_BODY, RejectionBy, plain},
};

/// The span that the budgets look back on.
const WINDOW: Duration = Duration::from_secs(10);

/// Puts guards in front of any service that routes by itself.
///
/// The peer's address comes from the [`Peer`] in the request's extensions, or from where
/// [`peer_of`](Self::peer_of) finds it. The service finds what the guards learnt in the extensions too:
/// `Arc<Principal>`, `ClientAddr`, `RequestId` and, unless it is endless, the request's `Deadline`.
///
/// An `Arc<Rejection>` in the extensions of the service's response, as the features of
/// `gabion-errors` leave it there, becomes the answer: logged once and told under the request's id,
/// with the fields that the service and its own layers gave the response.
///
/// All services of one layer share its guards, its clock and what it counts. They are always ready and
/// have no error: what is refused is refused by a response. Of the service behind nothing is asked
/// but that it can be cloned and sent; it need not be shared between threads. Any body goes in, and
/// any of `Bytes` comes out, as those of hyper, axum and tonic.
pub struct WallLayer<G, C = SystemClock> {
    route: &'static Route,
    guards: Arc<G>,
    clock: C,
    request_time: RequestTime,
    window: Arc<LatencyWindow>,
    deadlines: DeadlineTrust,
    grpc: bool,
    peer: PeerOf,
    answers: Answers,
}

type PeerOf = fn(&Extensions) -> Option<SocketAddr>;

/// What of a service's answers is the wall's to tell.
#[derive(Clone, Copy)]
struct Answers {
    problems: bool,
    rejections_by: RejectionBy,
}

impl<G: Guard> WallLayer<G> {
    /// Guards under the one `contract`, with 30 s for each request.
    ///
    /// # Panics
    ///
    /// When a schema of `contract` says what cannot be checked ([`Route::leak`] tells it as an error).
    #[must_use]
    pub fn new(contract: &'static RouteContract, guards: G) -> Self {
        let route = Route::leak(contract, Some(0));
        Self {
            route: route.unwrap_or_else(|error| panic!("{}", error_chain(&error))),
            guards: Arc::new(guards),
            clock: SystemClock::new(),
            request_time: RequestTime::new(Duration::from_secs(30)),
            window: Arc::new(LatencyWindow::new(WINDOW)),
            deadlines: DeadlineTrust::Nobody,
            grpc: false,
            peer: |_| None,
            answers: Answers { problems: false, rejections_by: |_| None },
        }
    }
}

impl<G, C> WallLayer<G, C> {
    /// The same with another time for each request.
    #[must_use]
    pub fn request_time(mut self, time: Duration) -> Self {
        self.request_time = RequestTime::new(time);
        self
    }

    /// The same that gives up sooner where one of `callers` says so by `X-Deadline-Ms` or
    /// `grpc-timeout`; without it nobody's word counts.
    #[must_use]
    pub fn deadlines_of(mut self, callers: DeadlineTrust) -> Self {
        self.deadlines = callers;
        self
    }

    /// The same for a gRPC service: requests of the type `application/grpc` are refused in the words of
    /// gRPC, with the status 200, a `grpc-status` and no body, all others by problem documents.
    /// Metrics and the access log know the status of the problem in both cases.
    #[must_use]
    pub fn grpc(mut self) -> Self {
        self.grpc = true;
        self
    }

    /// The same where a framework tells the peer's address in its own way: from the extensions of
    /// the request, unless there is a [`Peer`] in them. Without either all requests count as one
    /// peer's.
    ///
    /// With axum it is `|known| Some(known.get::<ConnectInfo<SocketAddr>>()?.0)`, with tonic
    /// `|known| known.get::<TcpConnectInfo>()?.remote_addr()`.
    #[must_use]
    pub fn peer_of(mut self, peer: fn(&Extensions) -> Option<SocketAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// The same that makes problem documents also of what the service answers as an error and nothing
    /// but that, as a [`ProblemLayer`](crate::ProblemLayer) does: a router's own 404 with its `Allow`, or the text
    /// of an extractor. Without it only rejections and the wall's own refusals are problems, and all
    /// others keep the body that their author gave them.
    #[must_use]
    pub fn problems(mut self) -> Self {
        self.answers.problems = true;
        self
    }

    /// The same that also looks for rejections where `find` takes them from, in the extensions of a
    /// response. With tonic it is `gabion_errors::tonic::take_rejection`, together with [`grpc`](Self::grpc).
    #[must_use]
    pub fn rejections_by(mut self, find: fn(&mut Extensions) -> Option<Arc<Rejection>>) -> Self {
        self.answers.rejections_by = find;
        self
    }

    /// The same with another clock. Layers that share a store of limits must share a clock, since
    /// instants of different clocks do not compare; so must a service that asks how much of its
    /// `Deadline` is left.
    #[must_use]
    pub fn clock<D>(self, clock: D) -> WallLayer<G, D> {
        let Self { route, guards, request_time, window, deadlines, grpc, peer, answers, .. } = self;
        WallLayer { route, guards, clock, request_time, window, deadlines, grpc, peer, answers }
    }
}

impl<G, C: Clone> Clone for WallLayer<G, C> {
    fn clone(&self) -> Self {
        Self {
            route: self.route,
            guards: Arc::clone(&self.guards),
            clock: self.clock.clone(),
            request_time: self.request_time.clone(),
            window: Arc::clone(&self.window),
            deadlines: self.deadlines.clone(),
            grpc: self.grpc,
            peer: self.peer,
            answers: self.answers,
        }
    }
}

impl<G: Guard, C: Clock + Clone, S> Layer<S> for WallLayer<G, C> {
    type Service = WallService<G, S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { route, guards, clock, request_time, window, deadlines, grpc, peer, answers } =
            self.clone();
        let timing = Timing { clock, request_time, window };
        let handler = Inner { answers, of: PhantomData };
        let mut wall = Wall::new(route, guards, handler, timing).deadlines_of(deadlines);
        if grpc {
            wall = wall.grpc();
        }
        WallService { wall: Arc::new(wall), service: inner, peer }
    }
}

/// The service of a [`WallLayer`]: always ready, it refuses by a response and never by waiting.
pub struct WallService<G, S, C = SystemClock> {
    wall: Arc<Wall<&'static Route, Arc<G>, Inner<S>, C>>,
    service: S,
    peer: PeerOf,
}

impl<G, S: Clone, C> Clone for WallService<G, S, C> {
    fn clone(&self) -> Self {
        let (wall, service) = (Arc::clone(&self.wall), self.service.clone());
        Self { wall, service, peer: self.peer }
    }
}

impl<G, S, C, B, ResBody> Service<Request<B>> for WallService<G, S, C>
where
    G: Guard,
    C: Clock + Clone,
    B: Send + 'static,
    S: Service<Request<B>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    ResBody: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<WallBody<ResBody>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (wall, service) = (Arc::clone(&self.wall), self.service.clone());
        let known = request.extensions();
        let peer = known.get::<Peer>().copied().or_else(|| (self.peer)(known).map(Peer));
        let peer = peer.unwrap_or(Peer::UNKNOWN);
        let request = request.map(|body| Carried { body, service });
        Box::pin(async move { Ok(Wall::serve(wall, request, peer).await) })
    }
}

/// A body with the service that is to have it. So each request brings its own clone through the wall,
/// and the service need not be shared between threads.
pub(super) struct Carried<B, S> {
    body: B,
    service: S,
}

/// Hands requests to the service that came with them.
pub(super) struct Inner<S> {
    answers: Answers,
    of: PhantomData<fn() -> S>,
}

impl<S, B, ResBody> Handler<Carried<B, S>> for Inner<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Send + 'static,
    ResBody: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = ResBody;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        Carried { body, mut service }: Carried<B, S>,
    ) -> Result<Response<ResBody>, Rejection> {
        let mut request = Request::from_parts(exchange.take_head(), body);
        let extensions = request.extensions_mut();
        extensions.insert(exchange.client);
        extensions.insert(exchange.request_id);
        if let Some(deadline) = exchange.deadline {
            extensions.insert(deadline);
        }
        if let Some(principal) = &exchange.principal {
            extensions.insert(Arc::clone(principal));
        }
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(Rejection::internal)?;
        let mut response = service.call(request).await.map_err(Rejection::internal)?;
        let known = response.extensions_mut();
        if let Some(cost) = known.remove::<LateCost>() {
            exchange.late_cost = exchange.late_cost.and(cost);
        }
        let Answers { problems, rejections_by } = self.answers;
        let rejection = known.remove::<Arc<Rejection>>().or_else(|| rejections_by(known));
        if let Some(rejection) = rejection {
            return Err(with_fields(Rejection::from_shared(rejection), response.headers()));
        }
        let known = response.extensions();
        let plain =
            if problems { plain(response.status(), response.headers(), known) } else { None };
        match plain {
            Some(problem) => Err(with_fields(problem.into(), response.headers())),
            None => Ok(response),
        }
    }
}

/// `rejection` with those of `fields` that it does not have and that are not about a body.
fn with_fields(rejection: Rejection, fields: &HeaderMap) -> Rejection {
    let own: Vec<HeaderName> = rejection.problem().headers().map(|(name, _)| name).collect();
    let others = fields.iter().filter(|(name, _)| !own.contains(name) && !OF_A_BODY.contains(name));
    others.fold(rejection, |rejection, (name, value)| rejection.header(name.clone(), value.clone()))
}

#[cfg(test)]
mod tests;
