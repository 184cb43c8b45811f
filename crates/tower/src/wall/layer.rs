use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gabion_clock::{Clock, SystemClock};
use gabion_errors::{BoxError, Rejection};
use gabion_monitor::LatencyWindow;
use http::{
    HeaderMap, HeaderName, Request, Response,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{Handler, RequestTime, Timing, Wall, WallBody};
use crate::{Exchange, Guard, Peer, Route, RouteContract};

/// The span that the budgets look back on.
const WINDOW: Duration = Duration::from_secs(10);

/// Puts guards in front of any service that routes by itself.
///
/// The peer's address comes from the [`Peer`] in the request's extensions. The service finds what the
/// guards learnt in the extensions too: `Arc<Principal>`, `ClientAddr` and `RequestId`.
///
/// An `Arc<Rejection>` in the extensions of the service's response, as the features of
/// `gabion-errors` leave it there, becomes the answer: logged once and told under the request's id,
/// with the fields that the service and its own layers gave the response.
///
/// All services of one layer share its guards, its clock and what it counts.
pub struct WallLayer<G, C = SystemClock> {
    route: &'static Route,
    guards: Arc<G>,
    clock: C,
    request_time: RequestTime,
    window: Arc<LatencyWindow>,
}

impl<G: Guard> WallLayer<G> {
    /// Guards under the one `contract`, with 30 s for each request.
    #[must_use]
    pub fn new(contract: &'static RouteContract, guards: G) -> Self {
        Self {
            route: Route::leak(contract, Some(0)),
            guards: Arc::new(guards),
            clock: SystemClock::new(),
            request_time: RequestTime::new(Duration::from_secs(30)),
            window: Arc::new(LatencyWindow::new(WINDOW)),
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

    /// The same with another clock. Layers that share a store of limits must share a clock, since
    /// instants of different clocks do not compare.
    #[must_use]
    pub fn clock<D>(self, clock: D) -> WallLayer<G, D> {
        let Self { route, guards, request_time, window, .. } = self;
        WallLayer { route, guards, clock, request_time, window }
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
        }
    }
}

impl<G: Guard, C: Clock + Clone, S> Layer<S> for WallLayer<G, C> {
    type Service = WallService<G, S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { route, guards, clock, request_time, window } = self.clone();
        let timing = Timing { clock, request_time, window };
        WallService(Arc::new(Wall::new(route, guards, Inner(inner), timing)))
    }
}

/// The service of a [`WallLayer`]: always ready, it refuses by a response and never by waiting.
pub struct WallService<G, S, C = SystemClock>(Arc<Wall<&'static Route, Arc<G>, Inner<S>, C>>);

impl<G, S, C> Clone for WallService<G, S, C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<G, S, C, B, ResBody> Service<Request<B>> for WallService<G, S, C>
where
    G: Guard,
    C: Clock + Clone,
    B: Send + 'static,
    S: Service<Request<B>, Response = Response<ResBody>> + Clone + Send + Sync + 'static,
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
        let wall = Arc::clone(&self.0);
        let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::UNKNOWN);
        Box::pin(async move { Ok(Wall::serve(wall, request, peer).await) })
    }
}

/// A service as a handler.
pub(super) struct Inner<S>(S);

impl<S, B, ResBody> Handler<B> for Inner<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Send + 'static,
    ResBody: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = ResBody;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        body: B,
    ) -> Result<Response<ResBody>, Rejection> {
        let mut request = Request::from_parts(exchange.take_head(), body);
        let extensions = request.extensions_mut();
        extensions.insert(exchange.client);
        extensions.insert(exchange.request_id);
        if let Some(principal) = &exchange.principal {
            extensions.insert(Arc::clone(principal));
        }
        let mut service = self.0.clone();
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(Rejection::internal)?;
        let mut response = service.call(request).await.map_err(Rejection::internal)?;
        let rejection = response.extensions_mut().remove::<Arc<Rejection>>();
        let Some(rejection) = rejection.and_then(Arc::into_inner) else { return Ok(response) };
        Err(with_fields(rejection, response.headers()))
    }
}

/// `rejection` with those of `fields` that it does not have and that are not about a body.
fn with_fields(rejection: Rejection, fields: &HeaderMap) -> Rejection {
    let own: Vec<HeaderName> = rejection.problem().headers().map(|(name, _)| name).collect();
    let about_body = [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING];
    let others =
        fields.iter().filter(|(name, _)| !own.contains(name) && !about_body.contains(name));
    others.fold(rejection, |rejection, (name, value)| rejection.header(name.clone(), value.clone()))
}

#[cfg(test)]
mod tests;
