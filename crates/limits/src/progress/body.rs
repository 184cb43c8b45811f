use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::Duration,
};

use crate::time::TimeConfig;

/// Set in [`BodyProgress::wait`] while the service waits.
const WAITING: u64 = 1 << 63;
/// In its place, when the body was given up; it begins with `WAITING`, and no clock comes that far.
const GIVEN_UP: u64 = u64::MAX;

/// How long the body of one request was waited for, and what came of it.
///
/// A [`Progress`](crate::Progress) has one of its own, for the one body at a time that HTTP/1 carries.
/// Over HTTP/2 bodies come side by side, often of several clients behind one proxy: each has its own
/// there, so that nobody is blamed for another's silence. Times are the ticks of `Progress`.
#[derive(Debug, Default)]
pub struct BodyProgress {
    /// Waiting: the tick at which it would have begun to, had it waited without a pause. Else: the
    /// milliseconds it has waited so far. One word, so that the sweeper never sees half of a change.
    wait: AtomicU64,
    received: AtomicU64,
}

impl BodyProgress {
    /// The service wants bytes and there are none. May be called again while it waits.
    pub fn waiting(&self, now_ms: u64) {
        let _ = self.wait.fetch_update(Relaxed, Relaxed, |wait| {
            (wait & WAITING == 0).then(|| WAITING | now_ms.saturating_sub(wait))
        });
    }

    /// Bytes reached the service.
    pub fn received(&self, bytes: u64, now_ms: u64) {
        self.received.fetch_add(bytes, Relaxed);
        // Released after the bytes: a sweeper that counts this wait counts them too.
        let _ = self.wait.fetch_update(Release, Relaxed, |wait| {
            (wait & WAITING != 0 && wait != GIVEN_UP)
                .then(|| now_ms.saturating_sub(wait & !WAITING))
        });
    }

    /// The body is at its end, or nobody wants it any more: the next one begins anew.
    pub fn done(&self) {
        if self.wait.load(Relaxed) != 0 || self.received.load(Relaxed) != 0 {
            self.wait.store(0, Relaxed);
            self.received.store(0, Release);
        }
    }

    /// Gives the body up if it is too slow; the answer is whether it was by this call, so that each slow
    /// body is counted once. It stays [given up](Self::is_given_up) until it is [done](Self::done).
    pub fn give_up_if_slow(&self, now_ms: u64, config: &TimeConfig) -> bool {
        self.slow_wait(now_ms, config).is_some_and(|wait| {
            // Not the body that has begun in its place since.
            self.wait.compare_exchange(wait, GIVEN_UP, Relaxed, Relaxed).is_ok()
        })
    }

    /// Whether the body was given up.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.wait.load(Relaxed) == GIVEN_UP
    }

    pub(super) fn is_too_slow(&self, now_ms: u64, config: &TimeConfig) -> bool {
        self.slow_wait(now_ms, config).is_some()
    }

    /// The wait in which less than the least rate arrived, once that exceeds the grace.
    fn slow_wait(&self, now_ms: u64, config: &TimeConfig) -> Option<u64> {
        let wait = self.wait.load(Acquire);
        if wait & WAITING == 0 || wait == GIVEN_UP {
            return None;
        }
        let waited = Duration::from_millis(now_ms.saturating_sub(wait & !WAITING));
        let slow = waited >= config.body_grace
            && self.received.load(Acquire) < config.body_min_rate.bytes_in(waited)
            // Another body may have begun between the two reads.
            && self.wait.load(Relaxed) == wait;
        slow.then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ByteRate;

    fn config() -> TimeConfig {
        TimeConfig {
            body_min_rate: ByteRate::per_second(1000),
            body_grace: Duration::from_millis(50),
            ..TimeConfig::default()
        }
    }

    #[test]
    fn a_body_beside_stalled_ones_is_judged_by_itself() {
        let [stalled, also, honest] = [(); 3].map(|()| BodyProgress::default());
        stalled.waiting(0);
        also.waiting(0);
        honest.waiting(40);
        honest.received(30, 60);
        honest.waiting(60);
        let given_up = |body: &BodyProgress| body.give_up_if_slow(70, &config());
        assert_eq!([&stalled, &also, &honest].map(given_up), [true, true, false]);
        assert!(!honest.is_given_up());
        assert!(!honest.give_up_if_slow(89, &config()));
        assert!(honest.give_up_if_slow(90, &config()));
    }

    #[test]
    fn a_body_is_given_up_once_and_until_it_is_done() {
        let body = BodyProgress::default();
        body.waiting(0);
        assert!(!body.give_up_if_slow(49, &config()) && !body.is_given_up());
        assert!(body.give_up_if_slow(50, &config()) && body.is_given_up());
        body.received(1 << 20, 51);
        body.waiting(52);
        assert!(!body.give_up_if_slow(10_000, &config()) && body.is_given_up());
        body.done();
        assert!(!body.is_given_up());
        body.waiting(10_000);
        assert!(!body.give_up_if_slow(10_049, &config()));
        assert!(body.give_up_if_slow(10_050, &config()));
    }
}
