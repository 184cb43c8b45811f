use std::{array, sync::Arc, task::Waker};

use atomic_waker::AtomicWaker;
use gabion_limits::{BodyProgress, TimeConfig};
use http::{Request, header::EXPECT};
use http_body::Body;
use hyper::body::Incoming;

use super::{Watch, places::Places, streams::STREAMS};

/// The request bodies that an HTTP/2 connection is waited for.
///
/// They come side by side and may be of many clients behind one proxy, so each is judged by itself and
/// costs nobody but itself.
#[derive(Debug)]
pub(super) struct Bodies {
    used: Places,
    places: [Place; STREAMS as usize],
}

#[derive(Debug, Default)]
struct Place {
    progress: BodyProgress,
    reader: AtomicWaker,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { used: Places::default(), places: array::from_fn(|_| Place::default()) }
    }
}

impl Bodies {
    /// A place for a body, if there is one.
    fn begin(&self) -> Option<u32> {
        self.used.take()
    }

    fn place(&self, at: u32) -> &Place {
        &self.places[at as usize]
    }

    fn end(&self, at: u32) {
        self.place(at).progress.done();
        self.used.give_back(at);
    }

    /// Gives up those that are too slow, and wakes who reads them; the answer is how many.
    pub(super) fn give_up_slow(&self, now: u64, times: &TimeConfig) -> usize {
        let slow = self.places.iter().filter(|place| place.progress.give_up_if_slow(now, times));
        slow.map(|place| place.reader.wake()).count()
    }
}

/// How fast the body of one request comes, noted where its connection's sweeper looks.
#[derive(Debug)]
pub struct BodyWatch {
    watch: Arc<Watch>,
    kept: Kept,
    /// Whether the client sends the body only when it is asked for it (RFC 9110 §10.1.1).
    expects: bool,
}

/// Where a body's progress is kept.
#[derive(Debug)]
enum Kept {
    /// Over HTTP/1: by the connection, which carries one body at a time.
    Connection,
    /// Over HTTP/2 and nobody has waited yet: so many bytes were there at once.
    Ahead(u32),
    /// Over HTTP/2, once it is waited for.
    Place(u32),
    /// It is over, or one of too many; then only its request's deadline counts.
    Nowhere,
}

impl BodyWatch {
    pub(super) fn new(watch: Arc<Watch>, request: &Request<Incoming>) -> Self {
        let kept = if watch.is_http2() { Kept::Ahead(0) } else { Kept::Connection };
        let expects = !request.body().is_end_stream() && request.headers().contains_key(EXPECT);
        Self { watch, kept, expects }
    }

    /// Whether the client sends the body too slowly.
    #[must_use]
    pub fn body_is_too_slow(&self) -> bool {
        match self.kept {
            Kept::Connection => self.watch.body_is_too_slow(),
            Kept::Place(at) => self.watch.bodies().place(at).progress.is_given_up(),
            Kept::Ahead(_) | Kept::Nowhere => false,
        }
    }

    /// A handler waits for the body; `waker` is woken when that takes too long.
    pub fn body_waits(&mut self, waker: &Waker) {
        let now = self.watch.now();
        if let Kept::Ahead(came) = self.kept {
            self.kept = self.watch.bodies().begin().map_or(Kept::Nowhere, |at| {
                self.watch.bodies().place(at).progress.received(came.into(), now);
                Kept::Place(at)
            });
        }
        match self.kept {
            Kept::Connection => self.watch.body_waits(waker),
            Kept::Place(at) => {
                let place = self.watch.bodies().place(at);
                place.reader.register(waker);
                place.progress.waiting(now);
            }
            Kept::Ahead(_) | Kept::Nowhere => {}
        }
    }

    /// A part of the body came.
    pub fn body_came(&mut self, bytes: usize) {
        match &mut self.kept {
            Kept::Connection => self.watch.body_came(bytes),
            Kept::Ahead(came) => {
                *came = came.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
            }
            Kept::Place(at) => {
                let progress = &self.watch.bodies().place(*at).progress;
                progress.received(bytes as u64, self.watch.now());
            }
            Kept::Nowhere => {}
        }
    }

    /// Nobody waits for the body any more.
    pub fn body_ended(&mut self) {
        match self.kept {
            Kept::Connection => self.watch.body_ended(),
            Kept::Place(at) => {
                self.watch.bodies().end(at);
                self.kept = Kept::Nowhere;
            }
            Kept::Ahead(_) | Kept::Nowhere => {}
        }
    }

    /// Nobody reads the `rest` of the request.
    pub fn leave(&self, rest: Incoming) {
        match self.kept {
            Kept::Connection => self.watch.leave(Some(rest).filter(|_| !self.expects)),
            // Its stream is reset, and nobody else's.
            Kept::Ahead(_) | Kept::Place(_) | Kept::Nowhere => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_a_new_body_begins_anew() {
        let (bodies, times) = (Bodies::default(), TimeConfig::default());
        let all: Vec<_> = (0..STREAMS).map(|_| bodies.begin().unwrap()).collect();
        assert_eq!(all, (0..STREAMS).collect::<Vec<_>>());
        assert_eq!(bodies.begin(), None);
        bodies.place(17).progress.waiting(0);
        bodies.place(18).progress.waiting(1);
        assert_eq!([4999, 5000, 5000].map(|now| bodies.give_up_slow(now, &times)), [0, 1, 0]);
        bodies.end(17);
        assert_eq!(bodies.begin(), Some(17));
        assert!(!bodies.place(17).progress.is_given_up());
        assert_eq!(bodies.give_up_slow(5001, &times), 1);
    }
}
