use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::LazyLock,
    task::Poll,
};

use gabion_clock::{Clock, SystemClock};

use crate::{
    Panicked, Rejection, Reporter,
    above::{Above, is_above},
};

/// Runs `future` as the operation `name`: a panic becomes an internal [`Rejection`], and whatever
/// fails knows its operation and how long that took.
///
/// Under a layer that reports, as those of `gabion-tower`, or inside another `guarded`, it leaves the
/// report to them. Where nobody stands above, as in a background task, it tells the log itself. Either
/// way a failure is told once.
///
/// The future is dropped after a panic and never polled again, so no broken state of its own is
/// seen; state it shares with others must stay valid across a panic, as behind a lock.
///
/// ```
/// use gabion_errors::{Rejection, guarded};
///
/// # let mut task = std::pin::pin!(async {
/// let cleaned = guarded("cleanup", async {
///     let entries: Vec<u32> = Vec::new();
///     entries.first().copied().ok_or_else(|| Rejection::internal("the table is empty"))
/// });
/// // The log has it by now: operation="cleanup" cause="the table is empty".
/// assert!(cleaned.await.unwrap_err().is_reported());
/// # });
/// # assert!(task.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
/// ```
///
/// # Errors
///
/// What the future returns, or the panic.
///
/// # Cancel safety
///
/// As the future itself.
pub async fn guarded<T>(
    name: &'static str,
    future: impl Future<Output = Result<T, Rejection>>,
) -> Result<T, Rejection> {
    // As the log that they write to, both are the process's.
    static CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::new);
    static REPORTER: Reporter = Reporter::new();

    let began = CLOCK.now();
    attended(name, future).await.map_err(|rejection| {
        let now = CLOCK.now();
        let rejection = rejection.took(now.saturating_since(began));
        if !is_above() {
            REPORTER.report(&rejection, None, now);
        }
        rejection
    })
}

/// As [`guarded`] for a layer, which reports what fails below it: by a [`Reporter`], once it knows of
/// which request. How long it took, the layer [adds](Rejection::took).
///
/// # Errors
///
/// What the future returns, or the panic.
///
/// # Cancel safety
///
/// As the future itself.
pub async fn attended<T>(
    name: &'static str,
    future: impl Future<Output = Result<T, Rejection>>,
) -> Result<T, Rejection> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _above = Above::enter();
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or_else(|payload| {
            Poll::Ready(Err(Rejection::internal(Panicked::new(payload.as_ref()))))
        })
    })
    .await
    .map_err(|rejection| rejection.during(name))
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the future waits"),
        }
    }

    async fn failing() -> Result<(), Rejection> {
        Err(Rejection::internal("no table"))
    }

    #[test]
    fn a_panic_becomes_an_internal_rejection_with_its_operation() {
        let result = now(guarded("sum", async {
            let empty: [u8; 0] = [];
            Ok(empty[std::hint::black_box(3)])
        }));
        let rejection = result.unwrap_err();
        assert_eq!(rejection.problem().code(), "internal");
        assert_eq!(rejection.operation(), Some("sum"));
        assert!(rejection.elapsed().is_some());
        assert!(rejection.cause_chain().unwrap().contains("out of bounds"));
    }

    #[test]
    fn a_value_passes_through() {
        assert_eq!(now(guarded("sum", async { Ok(4) })).unwrap(), 4);
    }

    #[test]
    fn what_fails_with_nobody_above_is_reported() {
        assert!(now(guarded("task", failing())).unwrap_err().is_reported());
    }

    #[test]
    fn what_fails_below_a_layer_is_left_to_it() {
        let rejection = now(attended("layer", guarded("query", failing()))).unwrap_err();
        assert!(!rejection.is_reported());
        assert_eq!(rejection.operation(), Some("query"));
        // The layer has gone; the next one is on its own again.
        assert!(now(guarded("task", failing())).unwrap_err().is_reported());
    }

    #[test]
    fn of_two_in_each_other_the_outer_one_reports() {
        let inner = async {
            let failed = guarded("inner", failing()).await.unwrap_err();
            assert!(!failed.is_reported());
            Err::<(), _>(failed)
        };
        let rejection = now(guarded("outer", inner)).unwrap_err();
        assert!(rejection.is_reported());
        assert_eq!(rejection.operation(), Some("inner"));
    }

    #[test]
    fn a_panic_below_a_layer_leaves_nobody_above() {
        let panics = async { panic!("on purpose") };
        now(attended::<()>("layer", panics)).unwrap_err();
        assert!(!is_above());
    }
}
