mod trust;

use std::time::Duration;

use gabion_clock::Instant;
use gabion_errors::{Problem, ToProblem, types};
use http::{HeaderName, HeaderValue};

pub use self::trust::DeadlineTrust;
use self::trust::LONGEST_MS;

/// The moment at which a request's answer is of no use any more.
///
/// It is a point and not a span, so that it can be passed on to whatever the request calls without
/// anybody adding the spans up. Between servers it travels as the time that is left, since their clocks
/// do not compare:
///
/// ```
/// use std::time::Duration;
/// use gabion_clock::{Clock, ManualClock};
/// use gabion_limits::Deadline;
///
/// let clock = ManualClock::new();
/// let deadline = Deadline::after(clock.now(), Duration::from_millis(800));
/// clock.advance(Duration::from_millis(300));
/// let mut headers = http::HeaderMap::new();
/// headers.insert(Deadline::HEADER, deadline.header_value(clock.now()));
/// assert_eq!(headers["x-deadline-ms"], "500");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// The moment itself; from it on the deadline has passed.
    pub at: Instant,
}

impl Deadline {
    /// Tells whoever is called how long the answer is of use, in milliseconds: `X-Deadline-Ms`.
    pub const HEADER: HeaderName = HeaderName::from_static("x-deadline-ms");

    /// `span` after `now`.
    #[must_use]
    pub fn after(now: Instant, span: Duration) -> Self {
        Self { at: now + span }
    }

    /// What is left; zero once it has passed.
    #[must_use]
    pub const fn remaining(self, now: Instant) -> Duration {
        self.at.saturating_since(now)
    }

    /// What is left at `now`, for [`HEADER`](Self::HEADER) of a call to somebody else: whole
    /// milliseconds, rounded down, ten minutes at most. Zero once it has passed, when there is
    /// no use in calling.
    #[must_use]
    pub fn header_value(self, now: Instant) -> HeaderValue {
        let millis = u64::try_from(self.remaining(now).as_millis()).unwrap_or(u64::MAX);
        millis.min(LONGEST_MS).into()
    }

    /// Whether it has passed.
    #[must_use]
    pub fn expired(self, now: Instant) -> bool {
        self.at <= now
    }

    /// Succeeds while there is time left.
    ///
    /// # Errors
    ///
    /// When it has passed.
    pub fn check(self, now: Instant) -> Result<(), DeadlineExceeded> {
        if self.expired(now) { Err(DeadlineExceeded) } else { Ok(()) }
    }
}

/// The server did not finish in the time that the request had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request's deadline has passed")]
pub struct DeadlineExceeded;

impl ToProblem for DeadlineExceeded {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::DEADLINE_EXCEEDED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_passed_at_its_own_moment() {
        let now = Instant::from_nanos(7);
        let deadline = Deadline::after(now, Duration::from_nanos(3));
        assert_eq!(deadline.check(Instant::from_nanos(9)), Ok(()));
        assert_eq!(deadline.check(Instant::from_nanos(10)), Err(DeadlineExceeded));
        assert_eq!(DeadlineExceeded.to_problem().status(), 504);
    }

    #[test]
    fn what_is_left_never_goes_below_zero() {
        let deadline = Deadline::after(Instant::from_nanos(7), Duration::from_nanos(3));
        assert_eq!(deadline.remaining(Instant::from_nanos(8)), Duration::from_nanos(2));
        assert_eq!(deadline.remaining(Instant::from_nanos(90)), Duration::ZERO);
    }
}
