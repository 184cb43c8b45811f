use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::places::Places;

/// Streams of a connection that are open at once.
pub(super) const STREAMS: u32 = 64;

/// What the streams of an HTTP/2 connection have been given to send, and since when their client does
/// not take it.
///
/// A stream whose window is closed shows nowhere else: nothing waits on the socket, and its request
/// is under way, or over when all that there is was given away.
#[derive(Debug)]
pub(super) struct Streams {
    used: Places,
    /// The tick of the last change in the upper half; in the lower one whether the body is there, and
    /// how many of its pieces are not taken. Zero when the place is free.
    places: [AtomicU64; STREAMS as usize],
}

const BODY: u64 = 1 << 31;
const PIECES: u64 = BODY - 1;
const LOWER: u64 = BODY | PIECES;

impl Default for Streams {
    fn default() -> Self {
        Self { used: Places::default(), places: [const { AtomicU64::new(0) }; STREAMS as usize] }
    }
}

impl Streams {
    /// A place for a stream, if there is one.
    pub(super) fn begin(&self) -> Option<u32> {
        let free = self.used.take()?;
        self.places[free as usize].store(BODY, Relaxed);
        Some(free)
    }

    /// There is a piece more to take. That its body was asked for it tells that the client takes some.
    pub(super) fn given(&self, stream: u32, now: u64) {
        self.change(stream, |place| now << 32 | ((place & LOWER) + 1));
    }

    /// The client took a piece, or will not take any of it.
    pub(super) fn taken(&self, stream: u32, now: u64) {
        self.change(stream, |place| match (place & LOWER) - 1 {
            0 => 0,
            left => now << 32 | left,
        });
    }

    /// The body is gone; its pieces may still be there.
    pub(super) fn end(&self, stream: u32) {
        self.change(stream, |place| match place & PIECES {
            0 => 0,
            _ => place & !BODY,
        });
    }

    fn change(&self, stream: u32, next: impl Fn(u64) -> u64) {
        let place = &self.places[stream as usize];
        let changed = place.fetch_update(Relaxed, Relaxed, |place| Some(next(place)));
        if changed.is_ok_and(|before| next(before) == 0) {
            self.used.give_back(stream);
        }
    }

    /// Whether one of them has waited for `millis` at `now`.
    #[expect(clippy::cast_possible_truncation, reason = "differences are taken modulo 2^32")]
    pub(super) fn stalled(&self, millis: u64, now: u64) -> bool {
        let places = self.places.iter().map(|place| place.load(Relaxed));
        places.filter(|place| place & PIECES > 0).any(|place| {
            // Ticks modulo 2^32, seven weeks.
            let since = (place >> 32) as u32;
            u64::from((now as u32).wrapping_sub(since)) >= millis
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_stalled_when_it_takes_nothing_for_too_long() {
        let streams = Streams::default();
        let (one, other) = (streams.begin().unwrap(), streams.begin().unwrap());
        assert_ne!(one, other);
        assert!(!streams.stalled(1000, 9000));
        streams.given(one, 1);
        streams.given(other, 500);
        assert!(!streams.stalled(1000, 1000));
        assert!(streams.stalled(1000, 1001));
        streams.taken(one, 1001);
        assert!(!streams.stalled(1000, 1499));
        assert!(streams.stalled(1000, 1500));
        // The first of two pieces, and the body in between.
        streams.given(other, 1500);
        streams.end(other);
        streams.taken(other, 2000);
        assert!(!streams.stalled(1000, 2999));
        assert!(streams.stalled(1000, 3000));
        streams.taken(other, 3000);
        assert!(!streams.stalled(1000, 9000));
    }

    #[test]
    fn ticks_may_begin_again() {
        let streams = Streams::default();
        let stream = streams.begin().unwrap();
        streams.given(stream, (1 << 32) - 400);
        assert!(!streams.stalled(1000, (1 << 32) + 599));
        assert!(streams.stalled(1000, (1 << 32) + 600));
    }

    #[test]
    fn places_are_bounded_and_used_again_when_all_is_taken() {
        let streams = Streams::default();
        let all: Vec<_> = (0..STREAMS).map(|_| streams.begin().unwrap()).collect();
        assert_eq!(all, (0..STREAMS).collect::<Vec<_>>());
        assert_eq!(streams.begin(), None);
        streams.end(17);
        assert_eq!(streams.begin(), Some(17));
        streams.given(17, 0);
        streams.end(17);
        assert_eq!(streams.begin(), None);
        streams.taken(17, 5);
        assert_eq!(streams.begin(), Some(17));
    }
}
