use std::sync::Arc;

use gabion_clock::{Clock, Instant};
use gabion_errors::Rejection;
use gabion_limits::{
    admission::{Outcome, Permit},
    bulkhead::BulkheadPermit,
};
use gabion_monitor::LatencyWindow;
use http::StatusCode;

use super::{
    access::{Ending, Line, Reason},
    refusals::Refusals,
};
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
    bytes: Option<u64>,
}

/// The status under which requests are counted whose client left before the answer; it is never sent.
const CLIENT_CLOSED: u16 = 499;

impl<C: Clock> Track<C> {
    pub(super) fn begin(exchange: &Exchange, clock: C, window: Arc<LatencyWindow>) -> Self {
        exchange.route.metrics.began();
        let line = Line::begin(exchange);
        let (began, route) = (exchange.now, exchange.route);
        Self { clock, window, began, route, answered: None, permit: None, place: None, line }
    }

    /// The request is refused, for `rejection`.
    pub(super) fn refused(&mut self, rejection: &Rejection, now: Instant, refusals: &Refusals) {
        let Some(line) = &mut self.line else { return };
        let reason = Reason::of(rejection);
        let flood = matches!(rejection.problem().status().as_u16(), 429 | 503);
        let held_back = if flood { refusals.pass(reason, now) } else { Some(0) };
        if !line.refused(reason, held_back) {
            self.line = None;
        }
    }

    /// The request has its answer, of so many bytes; `None`: some of it is still to be made.
    pub(super) fn answered(
        &mut self,
        status: StatusCode,
        bytes: Option<u64>,
        exchange: &mut Exchange,
    ) {
        let at = self.clock.now();
        self.permit = exchange.permit.take();
        self.place = exchange.place.take();
        let answered = Answered { status: status.as_u16(), at, bytes };
        self.answered = Some(answered);
        if let Some(line) = &mut self.line {
            line.answered(exchange);
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
        if bytes.is_some() {
            self.leave(answered);
        }
    }

    /// Gives the places back.
    fn leave(&mut self, Answered { status, at, .. }: Answered) {
        self.place = None;
        if let Some(permit) = self.permit.take() {
            permit.finish(at, if status < 500 { Outcome::Success } else { Outcome::Overload });
        }
    }
}

impl<C: Clock> Drop for Track<C> {
    fn drop(&mut self) {
        let left = || Answered { status: CLIENT_CLOSED, at: self.clock.now(), bytes: None };
        let answered = self.answered.unwrap_or_else(left);
        self.leave(answered);
        let Answered { status, at, bytes } = answered;
        let duration = at.saturating_since(self.began);
        let metrics = &self.route.metrics;
        metrics.ended();
        metrics.record(status, duration);
        if let Some(line) = self.line.take() {
            line.tell(&Ending { route: self.route.contract.path, status, duration, bytes });
        }
    }
}
