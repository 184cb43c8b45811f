mod body;
mod mark;

use std::{
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::Duration,
};

pub use self::body::BodyProgress;
use self::mark::Mark;
use crate::time::TimeConfig;

/// What one connection waits for, and since when; shared by whoever moves its bytes, its service and a
/// sweeper.
///
/// A client can hold a connection by being slow in many ways: in the handshake, in the head, in the
/// body, in reading the answer, or by doing nothing. A timer for each of them, armed anew for each
/// request, costs more than serving a small request. Here the connection only notes what happens, by
/// a few atomics, and one sweeper looks at every connection now and then, asking
/// [`Progress::overdue`].
///
/// Times are ticks: milliseconds of a coarse clock that the sweeper keeps, passed in as `now_ms`.
/// A deadline is noticed late by a tick and a sweep, never early.
///
/// It judges the client only. How long the server may take is the [deadline](crate::Deadline)'s
/// business.
///
/// Before [`handshake_began`](Self::handshake_began) or [`accepted`](Self::accepted) nothing is
/// overdue.
#[derive(Debug, Default)]
pub struct Progress {
    http2: AtomicBool,
    /// Those in flight in the lower half, all that ever began in the upper: one addition tells both.
    requests: AtomicU64,
    /// Since when there is a connection.
    began: Mark,
    handshake: Mark,
    /// Set while a request's head is awaited or arrives.
    head: Mark,
    /// Set while a header block arrives over HTTP/2.
    block: Mark,
    /// When the last request ended; says nothing while one is in flight.
    idle: Mark,
    write: Mark,
    body: BodyProgress,
}

/// A request in [`Progress::requests`].
const ONE_BEGUN: u64 = (1 << 32) | 1;
const IN_FLIGHT: u64 = (1 << 32) - 1;

/// What a client was too slow with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overdue {
    /// The TLS handshake.
    Handshake,
    /// A request's head.
    Head,
    /// A request's body.
    BodyTooSlow,
    /// Taking the response.
    WriteStalled,
    /// The next request.
    Idle,
}

impl Progress {
    /// A connection of which nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The TLS handshake begins; a head is awaited when it is done.
    pub fn handshake_began(&self, now_ms: u64) {
        self.began.set_if_clear(now_ms);
        self.head.clear();
        self.handshake.set(now_ms);
    }

    /// The connection can carry requests: it was accepted, or its handshake is done.
    pub fn accepted(&self, now_ms: u64) {
        self.began.set_if_clear(now_ms);
        self.head.set(now_ms);
        self.handshake.clear();
    }

    /// From now on the connection speaks HTTP/2: bytes between requests are often not a head.
    pub fn set_http2(&self) {
        self.http2.store(true, Relaxed);
    }

    /// Bytes arrived. On an idle HTTP/1 connection they begin a head.
    pub fn read(&self, bytes: usize, now_ms: u64) {
        if bytes > 0 && self.in_flight() == 0 && !self.http2.load(Relaxed) {
            self.head.set_if_clear(now_ms);
        }
    }

    /// A header block begins over HTTP/2; it has the time of a head, whatever is in flight beside it.
    pub fn header_block_began(&self, now_ms: u64) {
        self.block.set(now_ms);
    }

    /// No header block is open any more.
    pub fn header_block_ended(&self) {
        self.block.clear();
    }

    /// A request's head is complete; the answer is how many requests there were, with this one.
    pub fn request_began(&self) -> u32 {
        let before = self.requests.fetch_add(ONE_BEGUN, Relaxed);
        self.head.clear();
        // The upper half of 64 bits.
        (before >> 32) as u32 + 1
    }

    /// A request's response is written to its end, or given up.
    pub fn request_ended(&self, now_ms: u64) {
        // Before the count: whoever sees that nothing is in flight sees since when.
        self.idle.set(now_ms);
        let before = self.requests.fetch_update(Release, Relaxed, |requests| {
            (requests & IN_FLIGHT != 0).then(|| requests - 1)
        });
        if before.is_ok_and(|requests| requests & IN_FLIGHT == 1) {
            self.body.done();
        }
    }

    /// The service wants body bytes and there are none. Only the time from here to the next
    /// [`body_received`](Self::body_received) counts, so a slow handler is not blamed on the client.
    ///
    /// May be called again while it waits. This is for the one body at a time of HTTP/1; over HTTP/2 each
    /// body has a [`BodyProgress`] of its own.
    pub fn body_waiting(&self, now_ms: u64) {
        self.body.waiting(now_ms);
    }

    /// Body bytes reached the service.
    pub fn body_received(&self, bytes: usize, now_ms: u64) {
        self.body.received(bytes as u64, now_ms);
    }

    /// The body is at its end, or nobody wants it any more.
    pub fn body_done(&self) {
        self.body.done();
    }

    /// The client takes no more bytes for now. May be called again while it blocks.
    pub fn write_blocked(&self, now_ms: u64) {
        self.write.set_if_clear(now_ms);
    }

    /// The client took some bytes; a write that blocks again is told anew.
    pub fn write_progressed(&self) {
        self.write.clear();
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        // The lower half of 64 bits.
        (self.requests.load(Relaxed) & IN_FLIGHT) as u32
    }

    /// Whether the connection is older than `age`, its handshake included.
    #[must_use]
    pub fn is_older_than(&self, age: Duration, now_ms: u64) -> bool {
        self.began.has_lasted(age, now_ms)
    }

    /// Whether nothing has been under way for `span`: no request, no head, nothing to write. A connection
    /// that has not had a request yet does not rest, since its head is awaited.
    #[must_use]
    pub fn has_rested(&self, span: Duration, now_ms: u64) -> bool {
        self.is_idle() && !self.write.is_set() && self.idle.has_lasted(span, now_ms)
    }

    /// Whether bytes wait for the client to take them.
    #[must_use]
    pub fn is_write_blocked(&self) -> bool {
        self.write.is_set()
    }

    fn is_idle(&self) -> bool {
        self.requests.load(Acquire) & IN_FLIGHT == 0 && !self.head.is_set()
    }

    /// What the client is too slow with, if anything.
    #[must_use]
    pub fn overdue(&self, now_ms: u64, config: &TimeConfig) -> Option<Overdue> {
        if self.handshake.has_lasted(config.tls_handshake, now_ms) {
            Some(Overdue::Handshake)
        } else if self.head.has_lasted(config.head, now_ms)
            || self.block.has_lasted(config.head, now_ms)
        {
            Some(Overdue::Head)
        } else if self.body.is_too_slow(now_ms, config) {
            Some(Overdue::BodyTooSlow)
        } else if self.write.has_lasted(config.write_stall, now_ms) {
            Some(Overdue::WriteStalled)
        } else if self.is_idle() && self.idle.has_lasted(config.idle, now_ms) {
            Some(Overdue::Idle)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
