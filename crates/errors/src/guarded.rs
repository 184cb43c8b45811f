use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use crate::Rejection;

/// A panic, as a cause.
#[derive(Debug, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panicked(pub String);

/// Runs `future` as the operation `name`: a panic becomes an internal [`Rejection`], and whatever
/// fails is told with the name.
///
/// The future is dropped after a panic and never polled again, so no broken state of its own is
/// seen; state it shares with others must stay valid across a panic, as behind a lock.
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
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or_else(|payload| {
            Poll::Ready(Err(Rejection::internal(Panicked(panic_message(payload.as_ref())))))
        })
    })
    .await
    .map_err(|rejection| rejection.during(name))
}

/// The message of a panic's payload.
#[must_use]
pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a payload that is not text".to_owned())
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

    #[test]
    fn a_panic_becomes_an_internal_rejection_with_its_operation() {
        let result = now(guarded("sum", async {
            let empty: [u8; 0] = [];
            Ok(empty[std::hint::black_box(3)])
        }));
        let rejection = result.unwrap_err();
        assert_eq!(rejection.problem().code(), "internal");
        assert_eq!(rejection.operation(), Some("sum"));
        assert!(rejection.cause_chain().unwrap().contains("out of bounds"));
    }

    #[test]
    fn a_value_passes_through() {
        assert_eq!(now(guarded("sum", async { Ok(4) })).unwrap(), 4);
    }
}
