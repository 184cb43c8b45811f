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
use http::{Request, Response};
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
pub struct WallLayer<G> {
    route: &'static Route,
    guards: Arc<G>,
    request_time: RequestTime,
}

impl<G: Guard> WallLayer<G> {
    /// Guards under the one `contract`, with 30 s for each request.
    #[must_use]
    pub fn new(contract: &'static RouteContract, guards: G) -> Self {
        let request_time = RequestTime::new(Duration::from_secs(30));
        Self { route: Route::leak(contract, Some(0)), guards: Arc::new(guards), request_time }
    }

    /// The same with another time for each request.
    #[must_use]
    pub fn request_time(mut self, time: Duration) -> Self {
        self.request_time = RequestTime::new(time);
        self
    }
}

impl<G> Clone for WallLayer<G> {
    fn clone(&self) -> Self {
        let (guards, request_time) = (Arc::clone(&self.guards), self.request_time.clone());
        Self { route: self.route, guards, request_time }
    }
}

impl<G: Guard, S> Layer<S> for WallLayer<G> {
    type Service = WallService<G, S>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        let timing = Timing {
            clock: SystemClock::new(),
            request_time: layer.request_time,
            window: Arc::new(LatencyWindow::new(WINDOW)),
        };
        let wall = Wall::new(layer.route, layer.guards, Inner(inner), timing);
        WallService(Arc::new(wall))
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
        Box::pin(async move { Ok(wall.serve(request, peer).await) })
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
        service.call(request).await.map_err(Rejection::internal)
    }
}
