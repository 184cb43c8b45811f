use std::{array, sync::OnceLock, time::Duration};

use metrics::{Gauge, Histogram, gauge, histogram};

use crate::metrics::{ACTIVE_REQUESTS, REQUEST_DURATION};

/// Upper edges of the duration histogram in seconds; 0.1 is among them, so that a promise about
/// 100 ms is read off without interpolation.
pub const DURATION_BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counts and times requests by route.
///
/// Every label value is fixed before the first request: methods and templates when a route is
/// declared, statuses by a closed list. A client can choose among series, never add one.
pub struct HttpMetrics {
    active: Gauge,
}

impl HttpMetrics {
    /// Binds to the recorder installed now; without one nothing is kept.
    #[must_use]
    pub fn new() -> Self {
        Self { active: gauge!(ACTIVE_REQUESTS) }
    }

    /// The metrics of one route: a method as `GET` and a template as `/users/{id}`.
    ///
    /// What matches no route has one too, with a method and a template of the caller's choice.
    #[must_use]
    pub fn route(&self, method: &'static str, template: &'static str) -> RouteMetrics {
        RouteMetrics {
            active: self.active.clone(),
            method,
            template,
            durations: array::from_fn(|_| OnceLock::new()),
        }
    }
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The metrics of one route; a series exists from its first answer on.
pub struct RouteMetrics {
    active: Gauge,
    method: &'static str,
    template: &'static str,
    durations: [OnceLock<Histogram>; LABELS.len()],
}

impl RouteMetrics {
    /// A request has begun; [`ended`](Self::ended) must follow, also when it is cancelled.
    pub fn began(&self) {
        self.active.increment(1.0);
    }

    /// A request that [`began`](Self::began) has ended.
    pub fn ended(&self) {
        self.active.decrement(1.0);
    }

    /// A request was answered with `status` after `duration`.
    pub fn record(&self, status: u16, duration: Duration) {
        let slot = slot(status);
        let histogram = self.durations[slot].get_or_init(|| {
            histogram!(
                REQUEST_DURATION,
                "http_request_method" => self.method,
                "http_route" => self.template,
                "http_response_status_code" => LABELS[slot]
            )
        });
        histogram.record(duration.as_secs_f64());
    }
}

/// The statuses told one by one; behind them the classes that take the rest.
const STATUSES: [u16; 24] = [
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 421, 422, 429, 431,
    499, 500, 501, 503, 504,
];
const LABELS: [&str; STATUSES.len() + 6] = [
    "200", "201", "202", "204", "304", "400", "401", "403", "404", "405", "408", "409", "413",
    "414", "415", "421", "422", "429", "431", "499", "500", "501", "503", "504", "1xx", "2xx",
    "3xx", "4xx", "5xx", "other",
];

/// The place in [`LABELS`] of each status from 0 to 599.
static SLOTS: [u8; 600] = {
    let mut slots = [0; 600];
    let mut status = 0;
    while status < slots.len() {
        let class = if status < 100 { 5 } else { status / 100 - 1 };
        slots[status] = (STATUSES.len() + class) as u8;
        status += 1;
    }
    let mut place = 0;
    while place < STATUSES.len() {
        slots[STATUSES[place] as usize] = place as u8;
        place += 1;
    }
    slots
};

fn slot(status: u16) -> usize {
    SLOTS.get(usize::from(status)).map_or(LABELS.len() - 1, |slot| usize::from(*slot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::Recorded;

    fn recorded(test: impl FnOnce(&HttpMetrics)) -> Recorded {
        let recorder = Recorded::default();
        metrics::with_local_recorder(&recorder, || test(&HttpMetrics::new()));
        recorder
    }

    #[test]
    fn a_duration_is_recorded_in_seconds_under_its_three_labels() {
        let recorder = recorded(|http| {
            http.route("GET", "/items/{id}").record(200, Duration::from_millis(250));
        });
        let series = "http_server_request_duration_seconds{http_request_method=GET,\
                      http_route=/items/{id},http_response_status_code=200}";
        assert_eq!(recorder.values(series), [0.25]);
    }

    #[test]
    fn no_status_makes_a_series_beyond_the_closed_list() {
        let recorder = recorded(|http| {
            let route = http.route("GET", "/");
            (0..=u16::MAX).for_each(|status| route.record(status, Duration::ZERO));
        });
        assert_eq!(recorder.names().len(), LABELS.len() + 1);
    }

    #[test]
    fn each_listed_status_has_its_own_label_and_others_their_class() {
        for status in STATUSES {
            assert_eq!(LABELS[slot(status)], status.to_string());
        }
        for (status, label) in
            [(101, "1xx"), (206, "2xx"), (418, "4xx"), (599, "5xx"), (600, "other"), (99, "other")]
        {
            assert_eq!(LABELS[slot(status)], label, "{status}");
        }
    }

    #[test]
    fn requests_of_all_routes_share_one_gauge() {
        let recorder = recorded(|http| {
            let (one, two) = (http.route("GET", "/1"), http.route("GET", "/2"));
            one.began();
            two.began();
            one.ended();
        });
        assert_eq!(recorder.values("http_server_active_requests{}"), [1.0, 2.0, 1.0]);
    }

    #[test]
    fn one_edge_is_exactly_a_hundred_milliseconds_and_edges_grow() {
        assert!(DURATION_BUCKETS.contains(&0.1));
        assert!(DURATION_BUCKETS.is_sorted_by(|a, b| a < b));
    }
}
