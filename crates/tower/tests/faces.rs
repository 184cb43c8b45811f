//! A wall in front of services that can do no more than frameworks ask of them.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, pending, ready},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use gabion_clock::{Clock, ManualClock};
use gabion_config::Rate;
use gabion_errors::{Problem, Rejection, types};
use gabion_limits::{
    ClientAddr, Deadline, DeadlineTrust, LimitMode, TrustedProxies,
    admission::{Admission, Fixed},
    bulkhead::{Bulkhead, BulkheadConfig},
    quota::Quota,
    rate::MemoryRateStore,
};
use gabion_tower::{
    DeadlineRule, Exchange, Guard, Peer, RouteContract, WallBody, WallLayer,
    guards::{AdmissionGuard, BulkheadGuard, RateGuard},
};
use http::{Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tower_layer::Layer;
use tower_service::Service;

static OPEN: RouteContract = RouteContract::open("/{*path}", "everything");
static EXPORT: RouteContract = {
    let mut contract = RouteContract::open("/export", "export");
    contract.bulkhead = Some("export");
    contract
};
static UNKNOWN: RouteContract = {
    let mut contract = RouteContract::open("/export", "export");
    contract.bulkhead = Some("imports");
    contract
};
static ENDLESS: RouteContract = {
    let mut contract = RouteContract::open("/events", "events");
    contract.deadline = DeadlineRule::Endless;
    contract
};

type Answering<B> = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

/// Calls a function. It can be sent and cloned, but not shared between threads.
#[derive(Clone)]
struct Calls<F> {
    function: F,
    _unshared: Cell<()>,
}

fn calls<B, F: Fn(Request<()>) -> Answering<B>>(function: F) -> Calls<F> {
    Calls { function, _unshared: Cell::new(()) }
}

impl<B, F: Fn(Request<()>) -> Answering<B>> Service<Request<()>> for Calls<F> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Answering<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Answering<B> {
        (self.function)(request)
    }
}

fn text(text: impl Into<Bytes>) -> Answering<Full<Bytes>> {
    Box::pin(ready(Ok(Response::new(Full::from(text.into())))))
}

fn hello(_: Request<()>) -> Answering<Full<Bytes>> {
    text("hello")
}

fn never(_: Request<()>) -> Answering<Full<Bytes>> {
    Box::pin(pending())
}

fn tells_what_is_left(request: Request<()>) -> Answering<Full<Bytes>> {
    let deadline: Option<Deadline> = request.into_parts().0.extensions.remove();
    let left = deadline.map(|deadline| deadline.remaining(ManualClock::new().now()));
    text(format!("{left:?}"))
}

/// Lets everything pass.
struct Passes;

impl Guard for Passes {
    async fn check(&self, _: &mut Exchange) -> Result<(), Rejection> {
        Ok(())
    }
}

/// Refuses everything by one problem.
struct Refuses(Problem);

impl Guard for Refuses {
    async fn check(&self, _: &mut Exchange) -> Result<(), Rejection> {
        Err(self.0.clone().into())
    }
}

async fn body<B: Body<Data = Bytes>>(response: Response<WallBody<B>>) -> String
where
    WallBody<B>: Body<Data = Bytes>,
{
    let collected = response.into_body().collect().await;
    let bytes = collected.unwrap_or_else(|_| panic!("the body fails")).to_bytes();
    String::from_utf8(bytes.to_vec()).expect("a text")
}

fn request() -> Request<()> {
    Request::new(())
}

fn grpc(media: &str) -> Request<()> {
    Request::post("/shop.Shelves/Count").header(CONTENT_TYPE, media).body(()).expect("a request")
}

#[tokio::test]
async fn a_service_that_cannot_be_shared_is_served_from_any_thread() {
    let mut service = WallLayer::new(&OPEN, Passes).layer(calls(hello));
    let answer = tokio::spawn(service.call(request())).await.unwrap().unwrap();
    assert_eq!(body(answer).await, "hello");
    // As frameworks keep services, which know nothing of their types.
    let mut boxed: Box<dyn Service<_, Error = _, Future = _, Response = _> + Send> =
        Box::new(service.clone());
    assert_eq!(boxed.call(request()).await.unwrap().status(), 200);
}

#[test]
fn it_is_ready_also_when_it_refuses_everything() {
    let refusal = Problem::new(&types::OVERLOADED).retry_after(Duration::from_secs(1));
    let mut service = WallLayer::new(&OPEN, Refuses(refusal)).layer(calls(never));
    let mut cx = Context::from_waker(Waker::noop());
    let ready = Service::<Request<()>>::poll_ready(&mut service, &mut cx);
    assert!(matches!(ready, Poll::Ready(Ok(()))));
    let answer = pin!(service.call(request())).poll(&mut cx);
    assert!(matches!(answer, Poll::Ready(Ok(answer)) if answer.status() == 503));
}

#[tokio::test]
async fn the_peer_is_where_the_framework_says() {
    #[derive(Clone)]
    struct Accepted(SocketAddr);
    let tells = |request: Request<()>| {
        let client: Option<&ClientAddr> = request.extensions().get();
        text(client.unwrap().ip().to_string())
    };
    let layer = WallLayer::new(&OPEN, Passes).peer_of(|known| Some(known.get::<Accepted>()?.0));
    let mut service = layer.layer(calls(tells));
    let mut asks = async |peer: Option<Peer>| {
        let mut request = request();
        request.extensions_mut().insert(Accepted(([192, 0, 2, 7], 1).into()));
        peer.map(|peer| request.extensions_mut().insert(peer));
        body(service.call(request).await.unwrap()).await
    };
    assert_eq!(asks(None).await, "192.0.2.7");
    assert_eq!(asks(Some(Peer(([192, 0, 2, 8], 1).into()))).await, "192.0.2.8");
}

#[tokio::test]
async fn grpc_is_refused_in_its_own_words() {
    let refusal = Problem::new(&types::RATE_LIMITED).retry_after(Duration::from_secs(3));
    let layer = WallLayer::new(&OPEN, Refuses(refusal)).grpc();
    let mut service = layer.layer(calls(hello));
    let answer = service.call(grpc("application/grpc+proto")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let headers = answer.headers();
    assert_eq!(headers[CONTENT_TYPE], "application/grpc");
    assert_eq!(headers["grpc-status"], "8");
    assert_eq!(headers["grpc-retry-pushback-ms"], "3000");
    assert!(headers["grpc-message"].to_str().unwrap().contains("used up a quota"));
    assert!(headers.contains_key("x-request-id"));
    assert!(answer.body().is_end_stream());
}

#[tokio::test]
async fn others_are_refused_by_a_problem_document() {
    let refuses = || Refuses(Problem::new(&types::FORBIDDEN));
    let mut service = WallLayer::new(&OPEN, refuses()).grpc().layer(calls(hello));
    for media in ["application/json", "application/grpc-web"] {
        let answer = service.call(grpc(media)).await.unwrap();
        assert_eq!(shape(&answer), FORBIDDEN, "{media}");
    }
    // So is gRPC where nobody said that there is any.
    let mut service = WallLayer::new(&OPEN, refuses()).layer(calls(hello));
    let answer = service.call(grpc("application/grpc")).await.unwrap();
    assert_eq!(shape(&answer), FORBIDDEN);
}

const FORBIDDEN: (u16, &str) = (403, Problem::CONTENT_TYPE);

fn shape<B>(answer: &Response<B>) -> (u16, &str) {
    (answer.status().as_u16(), answer.headers()[CONTENT_TYPE].to_str().expect("a text"))
}

#[tokio::test]
async fn a_refusal_of_grpc_is_counted_by_its_problem() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let refuses = Refuses(Problem::new(&types::OVERLOADED));
    let mut service = WallLayer::new(&OPEN, refuses).grpc().layer(calls(hello));
    drop(service.call(grpc("application/grpc")).await);
    let shown = shown.render();
    assert!(shown.contains(r#"http_response_status_code="503""#), "{shown}");
}

/// The answer of `layer`'s service to a request that leaves it this long.
async fn in_hurry<G: Guard>(
    layer: WallLayer<G, ManualClock>,
    field: (&str, &str),
    service: fn(Request<()>) -> Answering<Full<Bytes>>,
) -> (u16, String) {
    let proxies = TrustedProxies::new(&["192.0.2.1".into()]).expect("an address");
    let layer = layer.deadlines_of(DeadlineTrust::Proxies(proxies));
    let mut request = Request::get("/").header(field.0, field.1).body(()).expect("a request");
    request.extensions_mut().insert(Peer(([192, 0, 2, 1], 1).into()));
    let answer = layer.layer(calls(service)).call(request).await.expect("an answer");
    (answer.status().as_u16(), body(answer).await)
}

#[tokio::test]
async fn a_service_knows_how_much_time_it_has() {
    let layer = || WallLayer::new(&OPEN, Passes).clock(ManualClock::new());
    let told = |field| in_hurry(layer(), field, tells_what_is_left);
    assert_eq!(told(("x-other", "1")).await.1, "Some(30s)");
    assert_eq!(told(("x-deadline-ms", "250")).await.1, "Some(250ms)");
    assert_eq!(told(("grpc-timeout", "2S")).await.1, "Some(2s)");
    // Nobody gets more time than the route has.
    assert_eq!(told(("x-deadline-ms", "40000")).await.1, "Some(30s)");
    let endless = || WallLayer::new(&ENDLESS, Passes).clock(ManualClock::new());
    let told = |field| in_hurry(endless(), field, tells_what_is_left);
    assert_eq!(told(("x-other", "1")).await.1, "None");
    assert_eq!(told(("x-deadline-ms", "250")).await.1, "Some(250ms)");
}

#[tokio::test]
async fn what_comes_too_late_is_not_handled() {
    let panics: fn(Request<()>) -> Answering<Full<Bytes>> = |_| panic!("it is handled");
    let layer = WallLayer::new(&OPEN, Passes).clock(ManualClock::new());
    let (status, body) = in_hurry(layer, ("x-deadline-ms", "0"), panics).await;
    assert_eq!(status, 504);
    assert!(body.contains("deadline-exceeded"), "{body}");
}

#[tokio::test]
async fn what_the_guards_have_used_up_is_not_there_for_the_service() {
    struct Slow(ManualClock);
    impl Guard for Slow {
        async fn check(&self, _: &mut Exchange) -> Result<(), Rejection> {
            self.0.advance(Duration::from_millis(20));
            Ok(())
        }
    }
    let panics: fn(Request<()>) -> Answering<Full<Bytes>> = |_| panic!("it is handled");
    let clock = ManualClock::new();
    let layer = WallLayer::new(&OPEN, Slow(clock.clone())).clock(clock.clone());
    assert_eq!(in_hurry(layer.clone(), ("x-deadline-ms", "20"), panics).await.0, 504);
    assert_eq!(in_hurry(layer, ("x-deadline-ms", "21"), hello).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_ends_work_under_way() {
    let layer = WallLayer::new(&OPEN, Passes).clock(ManualClock::new());
    let began = tokio::time::Instant::now();
    assert_eq!(in_hurry(layer, ("x-deadline-ms", "250"), never).await.0, 504);
    assert_eq!(began.elapsed().as_millis(), 250);
}

#[tokio::test]
async fn who_waits_for_a_place_holds_none_in_flight() {
    let bulkhead = exports(1);
    let admission = Arc::new(Admission::new(Fixed(10), LimitMode::Enforce));
    let guards = (BulkheadGuard::new([bulkhead.clone()]), AdmissionGuard::new(admission.clone()));
    let mut service = WallLayer::new(&EXPORT, guards).layer(calls(never));
    let mut cx = Context::from_waker(Waker::noop());
    let (mut first, mut second) = (service.call(request()), service.call(request()));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    assert_eq!(admission.snapshot().in_flight, 1);
    assert_eq!((bulkhead.snapshot().used, bulkhead.snapshot().waiting), (1, 1));
    drop(second);
    assert_eq!(bulkhead.snapshot().waiting, 0);
    drop(first);
    assert_eq!((bulkhead.snapshot().used, admission.snapshot().in_flight), (0, 0));
}

fn exports(places: u32) -> Arc<Bulkhead> {
    let config = BulkheadConfig { places, wait: Duration::from_secs(2) };
    Arc::new(Bulkhead::new("export", &config))
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_refused() {
    let layer = WallLayer::new(&EXPORT, BulkheadGuard::new([exports(1)]));
    let first = tokio::spawn(layer.layer(calls(never)).call(request()));
    tokio::task::yield_now().await;
    // The same guards for each service of the layer.
    let mut service = layer.layer(calls(hello));
    let began = tokio::time::Instant::now();
    let answer = service.call(request()).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(service.call(request()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_place_is_free_once_the_answer_is_complete() {
    let bulkhead = exports(1);
    let mut whole =
        WallLayer::new(&EXPORT, BulkheadGuard::new([bulkhead.clone()])).layer(calls(hello));
    let _answer = whole.call(request()).await.unwrap();
    assert_eq!(bulkhead.snapshot().used, 0);
    let streams = |_: Request<()>| -> Answering<_> {
        let frames = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
        Box::pin(ready(Ok(Response::new(StreamBody::new(frames)))))
    };
    let mut streamed =
        WallLayer::new(&EXPORT, BulkheadGuard::new([bulkhead.clone()])).layer(calls(streams));
    let answer = streamed.call(request()).await.unwrap();
    assert_eq!(bulkhead.snapshot().used, 1);
    drop(answer);
    assert_eq!(bulkhead.snapshot().used, 0);
}

#[tokio::test]
async fn a_bulkhead_that_nobody_has_refuses_the_route() {
    let mut service =
        WallLayer::new(&UNKNOWN, BulkheadGuard::new([exports(1)])).layer(calls(hello));
    assert_eq!(service.call(request()).await.unwrap().status(), 500);
}

#[tokio::test]
async fn a_guard_alone_is_a_layer() {
    let store = Arc::new(MemoryRateStore::with_capacity(10));
    let quota = Quota::new(Rate::per_minute(1), 1);
    let limit = RateGuard::by_address("address", quota, store);
    let mut service = WallLayer::new(&OPEN, limit).layer(calls(hello));
    assert_eq!(service.call(request()).await.unwrap().status(), 200);
    assert_eq!(service.call(request()).await.unwrap().status(), 429);
}
