use std::{
    future::pending,
    sync::{Mutex, atomic::AtomicUsize},
    task::{Context, Waker},
};

use gabion_clock::ManualClock;
use gabion_config::Rate;
use gabion_errors::types;
use gabion_limits::{quota::Quota, rate::MemoryRateStore};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use super::*;
use crate::{DeadlineRule, RouteContract, RouteTable, guards::RateGuard};

static ITEM: RouteContract = RouteContract::open("/item", "item");
static SLOW: RouteContract = {
    let mut contract = RouteContract::open("/slow", "slow");
    contract.deadline = DeadlineRule::After(Duration::from_millis(20));
    contract
};
static NOWHERE: RouteContract = RouteContract::open("_unmatched", "unmatched");

/// What the handler does.
#[derive(Clone, Copy)]
enum Does {
    Answers,
    Panics,
    Hangs,
}

impl Handler<()> for (Does, Arc<AtomicUsize>) {
    type Body = Full<Bytes>;

    async fn handle(&self, _: &mut Exchange, (): ()) -> Result<Response<Full<Bytes>>, Rejection> {
        self.1.fetch_add(1, Ordering::Relaxed);
        match self.0 {
            Does::Answers => Ok(Response::new(Full::from("done"))),
            Does::Panics => panic!("a fault with the word hunter2"),
            Does::Hangs => pending().await,
        }
    }
}

/// Notes that it was asked, stamps every response, and refuses when it is told to.
struct Noting {
    name: &'static str,
    refuses: bool,
    asked: Arc<Mutex<Vec<&'static str>>>,
}

impl Guard for Noting {
    async fn check(&self, _: &mut Exchange) -> Result<(), Rejection> {
        self.asked.lock().unwrap().push(self.name);
        if self.refuses { Err(Problem::new(&types::FORBIDDEN).into()) } else { Ok(()) }
    }

    fn stamp(&self, _: &Exchange, response: &mut response::Parts) {
        response.headers.append("x-stamped", HeaderValue::from_static(self.name));
    }
}

/// A wall with the calls that its handler saw.
struct World<G> {
    wall: Wall<RouteTable, G, (Does, Arc<AtomicUsize>), ManualClock>,
    calls: Arc<AtomicUsize>,
}

impl<G: Guard> World<G> {
    fn new(does: Does, guards: G) -> Self {
        let calls = Arc::<AtomicUsize>::default();
        let timing = Timing {
            clock: ManualClock::new(),
            request_time: RequestTime::new(Duration::from_secs(30)),
            window: Arc::new(LatencyWindow::new(Duration::from_secs(10))),
        };
        let routes = RouteTable::new([&ITEM, &SLOW], &NOWHERE).unwrap();
        Self { wall: Wall::new(routes, guards, (does, Arc::clone(&calls)), timing), calls }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    async fn send(&self, request: http::request::Builder) -> Answer {
        let request = request.body(()).unwrap();
        let (head, body) = Wall::serve(&self.wall, request, Peer::UNKNOWN).await.into_parts();
        Answer { head, body: body.collect().await.unwrap().to_bytes() }
    }
}

struct Answer {
    head: response::Parts,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Its status, and its code when it is a problem document that says the same status.
    fn outcome(&self) -> (u16, String) {
        let status = self.head.status.as_u16();
        if self.header("content-type") != Problem::CONTENT_TYPE {
            return (status, String::new());
        }
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        (status, problem["code"].as_str().unwrap().to_owned())
    }
}

fn noting(refusing: &'static str) -> (impl Guard, Arc<Mutex<Vec<&'static str>>>) {
    let asked = Arc::<Mutex<Vec<&'static str>>>::default();
    let guard = |name| Noting { name, refuses: name == refusing, asked: Arc::clone(&asked) };
    ((guard("first"), guard("second"), guard("third")), asked)
}

fn open() -> impl Guard {
    noting("").0
}

#[tokio::test]
async fn guards_are_asked_in_order_and_the_first_refusal_is_the_answer() {
    let (guards, asked) = noting("second");
    let world = World::new(Does::Answers, guards);
    assert_eq!(world.get("/item").await.outcome(), (403, "forbidden".into()));
    assert_eq!(*asked.lock().unwrap(), ["first", "second"]);
    assert_eq!(world.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn every_guard_stamps_a_refusal_too() {
    let answer = World::new(Does::Answers, noting("first").0).get("/item").await;
    let stamps: Vec<_> = answer.head.headers.get_all("x-stamped").iter().collect();
    assert_eq!(stamps, ["first", "second", "third"]);
}

#[tokio::test]
async fn what_every_guard_lets_pass_is_handled() {
    let answer = World::new(Does::Answers, open()).get("/item").await;
    assert_eq!((answer.outcome().0, &*answer.body), (200, &b"done"[..]));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn nobody_probes_for_paths_without_the_guards() {
    let (guards, asked) = noting("");
    let world = World::new(Does::Answers, guards);
    assert_eq!(world.get("/nowhere").await.outcome(), (404, "not-found".into()));
    assert_eq!(asked.lock().unwrap().len(), 3);
    let refusing = World::new(Does::Answers, noting("first").0);
    assert_eq!(refusing.get("/nowhere").await.outcome(), (403, "forbidden".into()));
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = World::new(Does::Answers, open());
    let answer = world.send(Request::builder().method(Method::PUT).uri("/item")).await;
    assert_eq!(answer.outcome(), (405, "method-not-allowed".into()));
    assert_eq!(answer.header("allow"), "GET, HEAD");
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let answer = World::new(Does::Panics, open()).get("/item").await;
    assert_eq!(answer.outcome(), (500, "internal".into()));
    assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_has_until_the_deadline_of_its_route() {
    let world = World::new(Does::Hangs, open());
    let began = tokio::time::Instant::now();
    assert_eq!(world.get("/slow").await.outcome(), (504, "deadline-exceeded".into()));
    assert_eq!(began.elapsed().as_millis(), 20);
    assert_eq!(world.get("/item").await.outcome(), (504, "deadline-exceeded".into()));
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_request_keeps_a_well_formed_id_and_gets_one_otherwise() {
    let world = World::new(Does::Answers, open());
    let with_id = |id: &str| Request::get("/item").header("x-request-id", id);
    let kept = world.send(with_id("0123456789abcdef")).await;
    assert_eq!(kept.header("x-request-id"), "0123456789abcdef");
    let refused = world.send(with_id("no spaces, please")).await;
    assert_eq!(refused.header("x-request-id").len(), 32);
    let (one, other) = (world.get("/item").await, world.get("/item").await);
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}

#[tokio::test]
async fn what_the_limits_have_left_stands_in_one_field() {
    let store = Arc::new(MemoryRateStore::with_capacity(10));
    let limit = |name, burst| {
        RateGuard::by_address(name, Quota::new(Rate::per_second(1), burst), Arc::clone(&store))
    };
    let world = World::new(Does::Answers, (limit("narrow", 2), limit("wide", 9)));
    let answer = world.get("/item").await;
    assert_eq!(answer.header("ratelimit"), r#""narrow";r=1;t=1, "wide";r=8;t=1"#);
    world.get("/item").await;
    let refused = world.get("/item").await;
    assert_eq!(refused.outcome(), (429, "rate-limited".into()));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), r#""narrow";r=0;t=1"#);
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_as_gone() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let world = World::new(Does::Hangs, open());
    {
        let request = Request::get("/item").body(()).unwrap();
        let mut serving = pin!(Wall::serve(&world.wall, request, Peer::UNKNOWN));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(serving.as_mut().poll(&mut cx).is_pending());
        assert!(shown.render().contains("active_requests 1"));
    }
    let shown = shown.render();
    assert!(shown.contains(r#"http_response_status_code="499""#), "{shown}");
    assert!(shown.contains("active_requests 0"), "{shown}");
}

#[tokio::test]
async fn a_place_in_flight_is_held_until_the_body_ends() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let world = World::new(Does::Answers, open());
    let request = Request::get("/item").body(()).unwrap();
    let response = Wall::serve(&world.wall, request, Peer::UNKNOWN).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(shown.render().contains("active_requests 1"), "{}", shown.render());
    drop(response);
    assert!(shown.render().contains("active_requests 0"), "{}", shown.render());
}

#[tokio::test]
async fn an_answer_to_head_has_the_length_and_nothing_of_it() {
    let world = World::new(Does::Answers, open());
    let answer = world.send(Request::head("/item")).await;
    assert_eq!((answer.header("content-length"), &*answer.body), ("4", &b""[..]));
    let refused = World::new(Does::Answers, noting("second").0);
    let refused = refused.send(Request::head("/item")).await;
    assert_eq!((refused.head.status, &*refused.body), (StatusCode::FORBIDDEN, &b""[..]));
    assert!(refused.header("content-length").parse::<u32>().is_ok_and(|length| length > 100));
}
