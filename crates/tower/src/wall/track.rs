use std::{sync::Arc, time::Duration};

use gabion_clock::{Clock, Instant};
use gabion_limits::{
    admission::{Outcome, Permit},
    bulkhead::BulkheadPermit,
};
use gabion_errors::redact;
use gabion_monitor::LatencyWindow;
use http::StatusCode;
use tracing::{Level, debug, enabled, info};

use crate::{Exchange, Route};

/// What is counted of one request, from its first decision to the end of its response body.
pub(super) struct Track<C: Clock> {
    clock: C,
    window: Arc<LatencyWindow>,
    began: Instant,
    route: &'static Route,
    answered: Option<Answered>,
    permit: Option<Permit>,
    place: Option<BulkheadPermit>,
    line: Option<Box<Line>>,
}

/// How and when a request was answered. Its duration ends with the response's head, so that a client
/// which reads slowly does not count as a slow server.
#[derive(Clone, Copy)]
struct Answered {
    status: u16,
    at: Instant,
}

/// What the access log tells; copied only while somebody listens.
struct Line {
    request_id: String,
    trace_id: Option<String>,
    method: String,
    path: String,
    client: String,
    subject: Option<String>,
}

/// The status under which requests are counted whose client left before the answer; it is never sent.
const CLIENT_CLOSED: u16 = 499;

impl<C: Clock> Track<C> {
    pub(super) fn begin(exchange: &Exchange, clock: C, window: Arc<LatencyWindow>) -> Self {
        exchange.route.metrics.began();
        let line = enabled!(target: "gabion::access", Level::INFO).then(|| {
            Box::new(Line {
                request_id: exchange.request_id.as_str().to_owned(),
                trace_id: exchange.trace.as_ref().map(|trace| format!("{:032x}", trace.trace_id)),
                // Anybody may write anything in these two, also a token that belongs into a header.
                method: redact(exchange.head.method.as_str()).into_owned(),
                path: redact(exchange.head.uri.path()).into_owned(),
                client: String::new(),
                subject: None,
            })
        });
        let (began, route) = (exchange.now, exchange.route);
        Self { clock, window, began, route, answered: None, permit: None, place: None, line }
    }

    /// The request has its answer; `whole` is whether nothing of it is still to be made.
    pub(super) fn answered(&mut self, status: StatusCode, whole: bool, exchange: &mut Exchange) {
        let at = self.clock.now();
        self.permit = exchange.permit.take();
        self.place = exchange.place.take();
        let answered = Answered { status: status.as_u16(), at };
        self.answered = Some(answered);
        if let Some(line) = &mut self.line {
            line.client = exchange.client.ip().to_string();
            line.subject = exchange.principal.as_ref().map(|p| p.username.to_string());
        }
        // What was refused is not what the budgets promise anything about.
        if self.permit.is_some() {
            let duration = at.saturating_since(self.began);
            if status.is_server_error() {
                self.window.record_error(duration);
            } else {
                self.window.record(duration);
            }
        }
        if whole {
            self.leave(answered);
        }
    }

    /// Gives the places back.
    fn leave(&mut self, Answered { status, at }: Answered) {
        self.place = None;
        if let Some(permit) = self.permit.take() {
            permit.finish(at, if status < 500 { Outcome::Success } else { Outcome::Overload });
        }
    }

    fn log(line: &Line, route: &'static str, status: u16, duration: Duration) {
        macro_rules! tell {
            ($level:ident) => {
                $level!(
                    target: "gabion::access",
                    request_id = line.request_id,
                    trace_id = line.trace_id,
                    method = line.method,
                    path = line.path,
                    route,
                    status,
                    duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
                    client = line.client,
                    subject = line.subject,
                    "request"
                )
            };
        }
        // What is let through is bounded by the limits; what they refuse is bounded by nobody, and
        // would fill a disk.
        if matches!(status, 429 | 503) {
            tell!(debug);
        } else {
            tell!(info);
        }
    }
}

impl<C: Clock> Drop for Track<C> {
    fn drop(&mut self) {
        let left = || Answered { status: CLIENT_CLOSED, at: self.clock.now() };
        let answered = self.answered.unwrap_or_else(left);
        self.leave(answered);
        let Answered { status, at } = answered;
        let duration = at.saturating_since(self.began);
        let metrics = &self.route.metrics;
        metrics.ended();
        metrics.record(status, duration);
        if let Some(line) = self.line.take() {
            Self::log(&line, self.route.contract.path, status, duration);
        }
    }
}
