use std::time::Duration;

use gabion_clock::Instant;
use gabion_errors::{Problem, ToProblem, types};

/// The moment at which a request's answer is of no use any more.
///
/// It is a point and not a span, so that it can be passed on to whatever the request calls without
/// anybody adding the spans up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// The moment itself; from it on the deadline has passed.
    pub at: Instant,
}

impl Deadline {
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
