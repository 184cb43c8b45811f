use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Streams of a connection that are open at once.
pub(super) const STREAMS: u32 = 64;

/// What the streams of an HTTP/2 connection have been given to send, and since when their client does
/// not take it.
///
/// A stream whose window is closed shows nowhere else: nothing waits on the socket, and its request
/// is under way.
#[derive(Debug)]
pub(super) struct Streams {
    used: AtomicU64,
    /// The tick since when there is something to take; zero when there is nothing.
    since: [AtomicU64; STREAMS as usize],
}

impl Default for Streams {
    fn default() -> Self {
        Self { used: AtomicU64::new(0), since: [const { AtomicU64::new(0) }; STREAMS as usize] }
    }
}

impl Streams {
    /// A place for a stream; `None` when more are open than a client may open, as after resets that
    /// are not worked off yet.
    pub(super) fn begin(&self) -> Option<u32> {
        let used = self.used.fetch_update(Relaxed, Relaxed, |used| {
            let free = used.trailing_ones();
            (free < STREAMS).then(|| used | 1 << free)
        });
        used.ok().map(u64::trailing_ones)
    }

    /// There is something to take since `now`.
    pub(super) fn given(&self, stream: u32, now: u64) {
        self.since[stream as usize].store(now.max(1), Relaxed);
    }

    /// The client took everything.
    pub(super) fn taken(&self, stream: u32) {
        self.since[stream as usize].store(0, Relaxed);
    }

    /// The stream has ended.
    pub(super) fn end(&self, stream: u32) {
        self.taken(stream);
        self.used.fetch_and(!(1 << stream), Relaxed);
    }

    /// Whether one of them has waited for `millis` at `now`.
    pub(super) fn stalled(&self, millis: u64, now: u64) -> bool {
        let since = self.since.iter().map(|since| since.load(Relaxed));
        since.filter(|since| *since > 0).any(|since| now.saturating_sub(since) >= millis)
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
        streams.given(one, 0);
        streams.given(other, 500);
        assert!(!streams.stalled(1000, 900));
        assert!(streams.stalled(1000, 1001));
        streams.taken(one);
        assert!(!streams.stalled(1000, 1001));
        assert!(streams.stalled(1000, 1500));
        streams.end(other);
        assert!(!streams.stalled(1000, 9000));
    }

    #[test]
    fn places_are_bounded_and_used_again() {
        let streams = Streams::default();
        let all: Vec<_> = (0..STREAMS).map(|_| streams.begin().unwrap()).collect();
        assert_eq!(all, (0..STREAMS).collect::<Vec<_>>());
        assert_eq!(streams.begin(), None);
        streams.end(17);
        assert_eq!(streams.begin(), Some(17));
    }
}
