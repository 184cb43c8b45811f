mod body;

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU16, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use atomic_waker::AtomicWaker;
use gabion_limits::{Overdue, Progress, TimeConfig};

use super::{bodies::Bodies, leftover::Left, streams::Streams, sweeper::Shared};

/// How long an HTTP/1 connection has to rest before it is put aside, and one over HTTP/2 that is to end.
const REST: Duration = Duration::from_millis(500);
/// How long a client over HTTP/2 has to hear that the connection ends; then no more is served.
const HEARING: Duration = Duration::from_secs(5);

/// The sweeper has ended the connection.
const CLOSED: u16 = 1;
/// It was for its head.
const SLOW_HEAD: u16 = 1 << 1;
const BODY_TOO_SLOW: u16 = 1 << 2;
const DRAINING: u16 = 1 << 3;
/// Old enough, or asked often enough: the next answer is the last one.
const LAST: u16 = 1 << 4;
const HTTP2: u16 = 1 << 5;
/// It rests, and was told so.
const RESTING: u16 = 1 << 6;
/// The stream holds back what was written.
const UNFLUSHED: u16 = 1 << 7;
/// Bytes of a request may be left that nobody has read.
const UNREAD: u16 = 1 << 8;
/// Its connection is encrypted, or about to be.
const TLS: u16 = 1 << 9;
/// It has one of the last places, which are for probes.
const RESERVED: u16 = 1 << 10;

/// For the handshake, and for the head, of a connection with one of the last places.
const HURRY: Duration = Duration::from_secs(1);
/// And for all of it: over HTTP/2 a client need not leave with its answer.
const HASTE: Duration = Duration::from_secs(3);
/// What comes over HTTP/2 now comes too late to be served.
const PARTING: u16 = 1 << 11;
/// And some came.
const STUBBORN: u16 = 1 << 12;
/// There is something left of the request that is being answered.
const LEFT: u16 = 1 << 13;

/// One connection as its sweeper sees it: the phases that its reads, writes and requests report, and
/// the means to end it.
///
/// Reports cost an atomic store each. The time they carry is the sweeper's, up to one tick old.
#[derive(Debug)]
pub struct Watch {
    progress: Progress,
    shared: Arc<Shared>,
    marks: AtomicU16,
    /// Made with the first answer over HTTP/2.
    streams: OnceLock<Box<Streams>>,
    /// Made when a body is waited for over HTTP/2.
    bodies: OnceLock<Box<Bodies>>,
    /// The tick after the one at which a client over HTTP/2 was told to go away; zero until then.
    told: AtomicU64,
    connection: AtomicWaker,
    body: AtomicWaker,
    /// Of a request over HTTP/1 that is about to be answered, what nobody will read.
    left: Mutex<Option<Box<Left>>>,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let progress = Progress::new();
        progress.accepted(shared.now());
        Self {
            progress,
            shared,
            marks: AtomicU16::new(0),
            streams: OnceLock::new(),
            bodies: OnceLock::new(),
            told: AtomicU64::new(0),
            connection: AtomicWaker::new(),
            body: AtomicWaker::new(),
            left: Mutex::new(None),
        }
    }

    pub(super) fn handshake_began(&self) {
        self.mark(TLS);
        self.progress.handshake_began(self.now());
    }

    pub(super) fn is_tls(&self) -> bool {
        self.has(TLS)
    }

    /// The connection has one of the last places: it is for one answer, and ends at once without a
    /// request.
    pub(super) fn reserve(&self) {
        self.mark(RESERVED);
    }

    /// From now on requests can come.
    pub(super) fn accepted(&self) {
        self.progress.accepted(self.now());
    }

    /// The client speaks HTTP/2.
    pub(super) fn set_http2(&self) {
        self.mark(HTTP2);
        self.progress.set_http2();
    }

    pub(super) fn request_began(&self) {
        let begun = self.progress.request_began();
        if begun >= self.shared.most_requests() && self.mark(LAST) & LAST == 0 {
            self.shared.closed.requests.increment(1);
        }
        // Not before: over HTTP/2 a client that is told to go away may not even ask.
        if self.has(RESERVED) {
            self.mark(LAST);
        }
    }

    pub(super) fn request_ended(&self) {
        self.progress.request_ended(self.now());
    }

    pub(super) fn read(&self, bytes: usize) {
        self.progress.read(bytes, self.now());
    }

    /// Bytes are there that belong to no request: they came before the last one had ended, when the next
    /// head does not begin yet.
    pub(super) fn head_began(&self) {
        self.read(1);
    }

    /// Over HTTP/2, the header block that is open is another one, or none.
    pub(super) fn header_block(&self, open: bool) {
        if open {
            self.progress.header_block_began(self.now());
        } else {
            self.progress.header_block_ended();
        }
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
            self.progress.write_progressed();
        }
        polled
    }

    /// Notes what came of a flush.
    pub(super) fn flush_reported(&self, polled: &Poll<io::Result<()>>, cx: &Context<'_>) {
        if polled.is_pending() {
            self.register(cx.waker());
            self.mark(UNFLUSHED);
        } else if self.has(UNFLUSHED) {
            self.unmark(UNFLUSHED);
        }
    }

    /// A response body is there to be sent; over HTTP/2 its stream is watched until all of it is
    /// sent.
    pub(super) fn stream_began(&self) -> Option<u32> {
        if !self.is_http2() {
            return None;
        }
        let streams = self.streams.get_or_init(Box::default);
        streams.begin()
    }

    /// `stream` got a piece to send.
    pub(super) fn stream_given(&self, stream: u32) {
        if let Some(streams) = self.streams.get() {
            streams.given(stream, self.now());
        }
    }

    /// A piece of `stream` is sent, or given up.
    pub(super) fn stream_taken(&self, stream: u32) {
        if let Some(streams) = self.streams.get() {
            streams.taken(stream, self.now());
        }
    }

    /// No more comes for `stream`.
    pub(super) fn stream_ended(&self, stream: u32) {
        if let Some(streams) = self.streams.get() {
            streams.end(stream);
        }
    }

    pub(super) fn register(&self, waker: &Waker) {
        self.connection.register(waker);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.has(CLOSED)
    }

    /// Whether it was closed while its client did not take what was written.
    pub(super) fn is_closed_stuck(&self) -> bool {
        self.is_closed() && (self.has(UNFLUSHED) || self.progress.is_write_blocked())
    }

    /// Whether it was closed for a head that did not come to its end, with nothing of an answer under way.
    pub(super) fn is_closed_for_head(&self) -> bool {
        self.has(SLOW_HEAD) && !self.has(UNFLUSHED) && !self.progress.is_write_blocked()
    }

    pub(super) fn is_http2(&self) -> bool {
        self.has(HTTP2)
    }

    /// Whether the connection ends with the next answer.
    pub(super) fn is_last(&self) -> bool {
        self.has(LAST)
    }

    /// Whether the client is to be told that no more requests are taken.
    pub(super) fn is_ending(&self) -> bool {
        self.has(DRAINING | LAST)
    }

    /// The client was told over HTTP/2 to go away.
    pub(super) fn goes_away(&self) {
        self.told.store(self.now().saturating_add(1), Relaxed);
    }

    pub(super) fn has_gone_away(&self) -> bool {
        self.told.load(Relaxed) != 0
    }

    /// Whether that was so long ago that nothing more is served.
    pub(super) fn is_parting(&self) -> bool {
        self.has(PARTING)
    }

    /// A request came that is not served any more.
    pub(super) fn asked_too_late(&self) {
        self.mark(PARTING | STUBBORN);
    }

    /// Whether a connection over HTTP/2 whose client was told is over: when nothing is under way, and for
    /// who goes on asking after the time of one more request.
    fn has_parted(&self, now: u64, times: &TimeConfig) -> bool {
        let told = self.told.load(Relaxed);
        if told == 0 {
            return false;
        }
        let since = Duration::from_millis(now.saturating_add(1).saturating_sub(told));
        if since >= HEARING {
            self.mark(PARTING);
        }
        self.has(PARTING) && self.progress.has_rested(REST, now)
            || self.has(STUBBORN) && since >= HEARING.saturating_add(times.request)
    }

    /// Whether the connection was told to rest, and still does.
    pub(super) fn may_be_put_aside(&self) -> bool {
        self.has(RESTING) && !self.has(UNFLUSHED) && self.progress.has_rested(REST, self.now())
    }

    /// The connection is at work again, or was when it was told to rest.
    pub(super) fn wake_up(&self) {
        if self.has(RESTING) {
            self.unmark(RESTING);
        }
    }

    pub(super) fn drain(&self) {
        self.mark(DRAINING);
        self.connection.wake();
    }

    /// Ends what takes longer than `times` allow, and tells what it was.
    pub(super) fn sweep(&self, now: u64, times: &TimeConfig) -> Option<Overdue> {
        if self.is_closed() {
            return None;
        }
        let hurried;
        let times = if self.has(RESERVED) {
            if self.progress.is_older_than(HASTE, now) {
                self.mark(CLOSED);
                self.shared.closed.age.increment(1);
                self.connection.wake();
                return None;
            }
            hurried = TimeConfig {
                tls_handshake: times.tls_handshake.min(HURRY),
                head: times.head.min(HURRY),
                ..times.clone()
            };
            &hurried
        } else {
            times
        };
        if !self.is_last()
            && self.progress.is_older_than(times.connection, now)
            && self.mark(LAST) & LAST == 0
        {
            self.shared.closed.age.increment(1);
            self.connection.wake();
        }
        if self.has_parted(now, times) {
            self.mark(CLOSED);
            self.connection.wake();
            return None;
        }
        let slow = self.bodies.get().map_or(0, |bodies| bodies.give_up_slow(now, times));
        (0..slow).for_each(|_| self.shared.closed.count(Overdue::BodyTooSlow));
        let Some(overdue) = self.overdue(now, times) else {
            if !self.has(RESTING | HTTP2) && self.progress.has_rested(REST, now) {
                self.mark(RESTING);
                self.connection.wake();
            }
            return None;
        };
        match overdue {
            Overdue::BodyTooSlow => {
                if self.mark(BODY_TOO_SLOW) & BODY_TOO_SLOW != 0 {
                    return None;
                }
                // What is left of the body stands before the next request.
                self.mark(LAST);
                // Whoever reads the body answers with 408.
                self.body.wake();
            }
            Overdue::Head => _ = self.mark(CLOSED | SLOW_HEAD),
            _ => _ = self.mark(CLOSED),
        }
        self.connection.wake();
        Some(overdue)
    }

    fn overdue(&self, now: u64, times: &TimeConfig) -> Option<Overdue> {
        self.progress.overdue(now, times).or_else(|| {
            let most = u64::try_from(times.write_stall.as_millis()).unwrap_or(u64::MAX);
            let stalled = self.streams.get().is_some_and(|streams| streams.stalled(most, now));
            stalled.then_some(Overdue::WriteStalled)
        })
    }

    /// The client was asked for calm: it sends more frames than it pays for, or one of the floods that
    /// h2 knows.
    pub(super) fn flooded(&self) {
        self.shared.closed.frames.increment(1);
    }

    pub(super) fn now(&self) -> u64 {
        self.shared.now()
    }

    /// Whether one of `marks` is there.
    fn has(&self, marks: u16) -> bool {
        self.marks.load(Relaxed) & marks != 0
    }

    /// Sets `marks`; the answer is what was there before.
    fn mark(&self, marks: u16) -> u16 {
        self.marks.fetch_or(marks, Relaxed)
    }

    fn unmark(&self, marks: u16) {
        self.marks.fetch_and(!marks, Relaxed);
    }
}

#[cfg(test)]
mod tests;
