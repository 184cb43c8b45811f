use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use gabion_clock::Instant;
use gabion_errors::Rejection;
use gabion_limits::{Deadline, DeadlineExceeded};

/// Runs `work` until `deadline`, counted from `now`.
///
/// Most requests are answered at the first poll; only those that are not get a timer.
pub(super) async fn within<T>(
    deadline: Option<Deadline>,
    now: Instant,
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
    let Some(deadline) = deadline else { return work.await };
    let timed = tokio::time::timeout(deadline.remaining(now), work).await;
    timed.unwrap_or_else(|_| Err(DeadlineExceeded.into()))
}
