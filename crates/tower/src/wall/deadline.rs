use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use gabion_clock::{Clock, Instant};
use gabion_errors::{Rejection, types};
use gabion_limits::{Deadline, DeadlineExceeded};

use super::RequestTime;
use crate::DeadlineRule;

/// When the answer to one request must be there.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub(super) deadline: Option<Deadline>,
    now: Instant,
    /// Whether it is the caller's, and so shorter than the route's.
    asked: bool,
}

impl Due {
    /// By `rule`, or as the caller `asked` where that is sooner; counted from `now`.
    pub(super) fn new(
        rule: DeadlineRule,
        time: &RequestTime,
        asked: Option<Duration>,
        now: Instant,
    ) -> Self {
        let own = match rule {
            DeadlineRule::Default => Some(time.get()),
            DeadlineRule::After(time) => Some(time),
            DeadlineRule::Endless => None,
        };
        let asked = asked.filter(|asked| own.is_none_or(|own| *asked < own));
        let deadline = asked.or(own).map(|span| Deadline::after(now, span));
        Self { deadline, now, asked: asked.is_some() }
    }

    /// Refuses work that nobody waits for any more: what the caller left may have been too little, or
    /// used up by the guards. A deadline of ours is long, and its timer is enough.
    pub(super) fn check(self, clock: &impl Clock) -> Result<(), DeadlineExceeded> {
        match self.deadline {
            Some(deadline) if self.asked => deadline.check(clock.now()),
            _ => Ok(()),
        }
    }

    /// Whether `rejection` says that the caller's own deadline has passed. Then it is the caller who
    /// was in a hurry, and not this server that was slow.
    pub(super) fn is_callers(self, rejection: &Rejection) -> bool {
        self.asked && *rejection.problem().kind() == types::DEADLINE_EXCEEDED
    }

    /// Runs `work` until then.
    ///
    /// Most requests are answered at the first poll; only those that are not get a timer.
    pub(super) async fn within<T>(
        self,
        work: impl Future<Output = Result<T, Rejection>>,
    ) -> Result<T, Rejection> {
        let mut work = pin!(work);
        let first = poll_fn(|cx| {
            Poll::Ready(match work.as_mut().poll(cx) {
                Poll::Ready(done) => Some(done),
                Poll::Pending => None,
            })
        });
        if let Some(done) = first.await {
            return done;
        }
        let Some(deadline) = self.deadline else { return work.await };
        let timed = tokio::time::timeout(deadline.remaining(self.now), work).await;
        timed.unwrap_or_else(|_| Err(DeadlineExceeded.into()))
    }
}
