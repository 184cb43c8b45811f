//! The log and the metrics that tell of an error.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::Router;
use gabion_tower::{ProblemLayer, WallLayer};
use http::Request;
use serde_json::Value;
use tracing::Level;

use crate::service::{OPEN, Passes, ask, get_from, routes};

/// The lines that this thread writes while it lives.
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<u8>>>,
    _listening: tracing::subscriber::DefaultGuard,
}

#[derive(Clone)]
struct Writes(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn listen(level: Level) -> Self {
        let lines = Arc::<Mutex<Vec<u8>>>::default();
        let writes = Writes(Arc::clone(&lines));
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(level)
            .with_writer(move || writes.clone());
        Self { lines, _listening: tracing::subscriber::set_default(subscriber.finish()) }
    }

    /// Those about errors.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.lines.lock().expect("no panic").clone()).expect("a text");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
        lines.filter(|line| line["target"] == "gabion::error").collect()
    }
}

#[tokio::test]
async fn a_failure_is_told_once_with_all_that_is_known() {
    let log = Log::listen(Level::INFO);
    let layer = ProblemLayer::new().route_of(|_| Some("/{template}".to_owned()));
    let answer = get_from(layer, "/fails").await;
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for (name, wanted) in [
        ("request_id", answer.header("x-request-id")),
        ("route", "/{template}"),
        ("code", "dependency-unavailable"),
        ("cause", "shard 7 of /var/lib/db is full"),
    ] {
        assert_eq!(lines[0][name], wanted);
    }
    assert!(lines[0]["duration_us"].is_number(), "{}", lines[0]);
}

fn counting() -> (metrics_exporter_prometheus::PrometheusRecorder, Counted) {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    (recorder, Counted(handle))
}

struct Counted(metrics_exporter_prometheus::PrometheusHandle);

impl Counted {
    fn of(&self, code: &str) -> Option<String> {
        let series = format!("gabion_problems_total{{code=\"{code}\"}} ");
        let text = self.0.render();
        text.lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned)
    }
}

#[tokio::test]
async fn inside_a_wall_or_around_it_nothing_is_told_or_counted_twice() {
    let inside =
        |routes: Router| routes.layer(ProblemLayer::new()).layer(WallLayer::new(&OPEN, Passes));
    let around = |routes: Router| {
        routes.layer(WallLayer::new(&OPEN, Passes).problems()).layer(ProblemLayer::new())
    };
    let orders: [&dyn Fn(Router) -> Router; 2] = [&inside, &around];
    for order in orders {
        let log = Log::listen(Level::DEBUG);
        let (recorder, counted) = counting();
        let _counting = metrics::set_default_local_recorder(&recorder);
        let mut service = order(routes());
        for (path, code) in [
            ("/fails", "dependency-unavailable"),
            ("/panics", "internal"),
            ("/nothing", "not-found"),
        ] {
            let before = log.lines().len();
            let answer = ask(&mut service, Request::get(path), "").await;
            assert_eq!(answer.outcome().1, code);
            assert_eq!(counted.of(code).unwrap(), "1", "{code}");
            let lines = &log.lines()[before..];
            assert!(lines.len() <= 1, "{lines:?}");
            assert!(lines.len() == 1 || code == "not-found", "{code}");
            assert!(lines.iter().all(|line| line["request_id"] == answer.header("x-request-id")));
        }
    }
}

#[tokio::test]
async fn the_codes_of_a_status_are_counted_too() {
    let (recorder, counted) = counting();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let mut service = routes().layer(ProblemLayer::new());
    for _ in 0..2 {
        ask(&mut service, Request::get("/empty"), "").await;
    }
    ask(&mut service, Request::get("/fine"), "").await;
    assert_eq!(counted.of("payment-required").unwrap(), "2");
    assert_eq!(counted.of("internal").unwrap(), "0");
}
