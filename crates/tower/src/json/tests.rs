mod work;

use std::{cell::Cell, sync::Arc};

use bytes::Bytes;
use gabion_clock::ManualClock;
use gabion_errors::Problem;
use gabion_monitor::LatencyWindow;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;

use super::*;
use crate::{Guard, Handler, Peer, RequestTime, RouteContract, RouteTable, Timing, Wall};

thread_local! {
    static MADE: Cell<usize> = const { Cell::new(0) };
}

fn schema() -> Value {
    MADE.set(MADE.get() + 1);
    json!({"type": "object", "required": ["a"]})
}

static TAKES: RouteContract = {
    let mut contract = RouteContract::open("/takes", "takes");
    contract.body = BodyRule::Json(schema);
    contract
};
static IGNORES: RouteContract = {
    let mut contract = RouteContract::open("/ignores", "ignores");
    contract.body = BodyRule::Empty;
    contract
};
static NOWHERE: RouteContract = RouteContract::open("unmatched", "unmatched");

struct Reads;

impl Handler<Full<Bytes>> for Reads {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        body: Full<Bytes>,
    ) -> Result<Response<Full<Bytes>>, Rejection> {
        read(exchange, body, &SizeConfig::default()).await?;
        Ok(Response::new(Full::default()))
    }
}

struct Open;

impl Guard for Open {
    async fn check(&self, _: &mut Exchange) -> Result<(), Rejection> {
        Ok(())
    }
}

fn wall() -> Wall<RouteTable, Open, Reads, ManualClock> {
    let timing = Timing {
        clock: ManualClock::new(),
        request_time: RequestTime::new(std::time::Duration::from_secs(30)),
        window: Arc::new(LatencyWindow::new(std::time::Duration::from_secs(10))),
    };
    let routes = RouteTable::new([&TAKES, &IGNORES], &NOWHERE).unwrap();
    Wall::new(routes, Open, Reads, timing)
}

async fn status(
    wall: &Wall<RouteTable, Open, Reads, ManualClock>,
    path: &str,
    media: &str,
    body: &'static str,
) -> u16 {
    let request = Request::get(path).header("content-type", media).body(Full::from(body)).unwrap();
    Wall::serve(wall, request, Peer::UNKNOWN).await.status().as_u16()
}

#[tokio::test]
async fn the_schema_is_made_once_for_all_bodies() {
    let wall = wall();
    assert_eq!(status(&wall, "/takes", "application/json", r#"{"a": 1}"#).await, 200);
    assert_eq!(status(&wall, "/takes", "application/json", "{}").await, 422);
    assert_eq!(MADE.get(), 1);
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_json_or_nothing() {
    let wall = wall();
    assert_eq!(status(&wall, "/ignores", "text/plain", "hi").await, 415);
    assert_eq!(status(&wall, "/ignores", "text/plain", "").await, 200);
    assert_eq!(status(&wall, "/ignores", "application/json", "not even JSON").await, 200);
}

#[test]
fn the_detail_counts_the_faults() {
    let fault = || FieldError::new("/a", "missing", "is required");
    assert_eq!(Problem::faulty(vec![fault()]).detail_text(), "the body has a fault");
    assert_eq!(Problem::faulty(vec![fault(), fault()]).detail_text(), "the body has 2 faults");
    let most = Problem::faulty(vec![fault(); MAX_FAULTS]);
    assert_eq!(most.detail_text(), "the body has at least 64 faults");
}
