use gabion_limits::Overdue;
use metrics::{Counter, counter};

use crate::metrics::CONNECTIONS_CLOSED;

/// How often a connection met each of its limits.
#[derive(Debug)]
pub(super) struct Closed {
    handshake: Counter,
    head: Counter,
    body: Counter,
    write: Counter,
    idle: Counter,
    /// Floods over HTTP/2.
    pub(super) frames: Counter,
    pub(super) age: Counter,
    pub(super) requests: Counter,
}

impl Closed {
    pub(super) fn new() -> Self {
        let counter = |reason: &'static str| counter!(CONNECTIONS_CLOSED, "reason" => reason);
        Self {
            handshake: counter("handshake"),
            head: counter("head"),
            body: counter("body"),
            write: counter("write"),
            idle: counter("idle"),
            frames: counter("frames"),
            age: counter("age"),
            requests: counter("requests"),
        }
    }

    pub(super) fn count(&self, overdue: Overdue) {
        let counter = match overdue {
            Overdue::Handshake => &self.handshake,
            Overdue::Head => &self.head,
            Overdue::BodyTooSlow => &self.body,
            Overdue::WriteStalled => &self.write,
            Overdue::Idle => &self.idle,
            // Limits that this server does not know have no reason of their own.
            _ => return,
        };
        counter.increment(1);
    }
}
