use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use atomic_waker::AtomicWaker;
use gabion_limits::{Overdue, Progress, TimeConfig};

use super::streams::Streams;

/// One connection as its sweeper sees it: the phases that its reads, writes and requests report, and
/// the means to end it.
///
/// Reports cost an atomic store each. The time they carry is the sweeper's, up to one tick old.
#[derive(Debug)]
pub struct Watch {
    progress: Progress,
    millis: Arc<AtomicU64>,
    closed: AtomicBool,
    body_too_slow: AtomicBool,
    draining: AtomicBool,
    http2: AtomicBool,
    /// Made with the first answer over HTTP/2.
    streams: OnceLock<Box<Streams>>,
    connection: AtomicWaker,
    body: AtomicWaker,
}

impl Watch {
    pub(super) fn new(millis: Arc<AtomicU64>) -> Self {
        let progress = Progress::new();
        progress.accepted(millis.load(Ordering::Relaxed));
        Self {
            progress,
            millis,
            closed: AtomicBool::new(false),
            body_too_slow: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            streams: OnceLock::new(),
            connection: AtomicWaker::new(),
            body: AtomicWaker::new(),
        }
    }

    fn now(&self) -> u64 {
        self.millis.load(Ordering::Relaxed)
    }

    /// Whether the client sends the body of its request too slowly.
    pub fn body_is_too_slow(&self) -> bool {
        self.body_too_slow.load(Ordering::Relaxed)
    }

    /// A handler waits for the body; `waker` is woken when that takes too long.
    pub fn body_waits(&self, waker: &Waker) {
        self.body.register(waker);
        self.progress.body_waiting(self.now());
    }

    /// A part of the body came.
    pub fn body_came(&self, bytes: usize) {
        self.progress.body_received(bytes, self.now());
    }

    /// Nobody waits for a body any more.
    pub fn body_ended(&self) {
        self.progress.body_done();
    }

    pub(super) fn request_began(&self, http2: bool) {
        if http2 && !self.is_http2() {
            self.http2.store(true, Ordering::Relaxed);
            self.progress.set_http2();
        }
        self.progress.request_began();
    }

    pub(super) fn request_ended(&self) {
        self.progress.request_ended(self.now());
    }

    pub(super) fn read(&self, bytes: usize) {
        self.progress.read(bytes, self.now());
    }

    /// Notes what came of a write, and hands it on.
    pub(super) fn write_reported(
        &self,
        polled: Poll<io::Result<usize>>,
        cx: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if polled.is_pending() {
            self.register(cx.waker());
            self.progress.write_blocked(self.now());
        } else {
            self.progress.write_progressed(self.now());
        }
        polled
    }

    /// A response body is there to be sent; over HTTP/2 its stream is watched until it is ended.
    pub(super) fn stream_began(&self) -> Option<u32> {
        if !self.is_http2() {
            return None;
        }
        let streams = self.streams.get_or_init(Box::default);
        let stream = streams.begin()?;
        streams.given(stream, self.now());
        Some(stream)
    }

    /// `stream` got more to send.
    pub(super) fn stream_given(&self, stream: u32) {
        if let Some(streams) = self.streams.get() {
            streams.given(stream, self.now());
        }
    }

    /// `stream` asks for more than there is: its client has taken the rest.
    pub(super) fn stream_taken(&self, stream: u32) {
        if let Some(streams) = self.streams.get() {
            streams.taken(stream);
        }
    }

    pub(super) fn stream_ended(&self, stream: u32) {
        if let Some(streams) = self.streams.get() {
            streams.end(stream);
        }
    }

    pub(super) fn register(&self, waker: &Waker) {
        self.connection.register(waker);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.connection.wake();
    }

    /// Ends what takes longer than `times` allow, and tells what it was.
    pub(super) fn sweep(&self, now: u64, times: &TimeConfig) -> Option<Overdue> {
        if self.is_closed() {
            return None;
        }
        let stalled = || {
            let most = u64::try_from(times.write_stall.as_millis()).unwrap_or(u64::MAX);
            let stalled = self.streams.get().is_some_and(|streams| streams.stalled(most, now));
            stalled.then_some(Overdue::WriteStalled)
        };
        let overdue = self.progress.overdue(now, times).or_else(stalled)?;
        if matches!(overdue, Overdue::BodyTooSlow) {
            if self.body_too_slow.swap(true, Ordering::Relaxed) {
                return None;
            }
            // Whoever reads the body answers with 408.
            self.body.wake();
        } else {
            self.closed.store(true, Ordering::Relaxed);
        }
        self.connection.wake();
        Some(overdue)
    }
}
