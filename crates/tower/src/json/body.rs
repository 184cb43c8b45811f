use std::{future::poll_fn, pin::pin};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use gabion_config::ByteSize;
use gabion_errors::{BoxError, Problem, Rejection, types};
use gabion_limits::Counted;
use http_body::Body;

use crate::DecompressError;

/// Reads a whole body of at most `limit`.
///
/// # Errors
///
/// 413 beyond the limit; else as [`broken`].
pub async fn collect<B>(body: B, limit: ByteSize) -> Result<Bytes, Rejection>
where
    B: Body<Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    let mut counted = Counted::new(limit);
    let mut whole = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|error| broken(error.into()))?;
        if let Ok(data) = frame.into_data() {
            counted.add(data.remaining())?;
            whole.put(data);
        }
    }
    Ok(whole.freeze())
}

/// The rejection for a body that ended with `error`: 408 for [`TooSlow`], what a [`DecompressError`]
/// says, else 400.
#[must_use]
pub fn broken(error: BoxError) -> Rejection {
    let error = match error.downcast::<DecompressError>() {
        Ok(error) => match *error {
            DecompressError::Body(error) => error,
            error => return error.into(),
        },
        Err(error) => error,
    };
    match error.downcast::<TooSlow>() {
        Ok(slow) => Rejection::new(Problem::new(&types::REQUEST_TIMEOUT)).caused_by(slow),
        Err(error) => Rejection::new(
            Problem::new(&types::INVALID_REQUEST).detail("the body ended before it was complete"),
        )
        .caused_by(error),
    }
}

/// The client sends its body too slowly; a body that fails with this is answered with 408.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the client sends its body too slowly")]
pub struct TooSlow;

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use http_body::Frame;
    use http_body_util::Full;

    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the body waits"),
        }
    }

    #[test]
    fn a_byte_too_many_is_refused() {
        let body = || Full::<Bytes>::from(vec![b'x'; 100]);
        assert_eq!(now(collect(body(), ByteSize::new(100))).unwrap().len(), 100);
        let rejection = now(collect(body(), ByteSize::new(99))).unwrap_err();
        assert_eq!(rejection.problem().code(), "body-too-large");
    }

    #[test]
    fn an_endless_body_is_refused_as_soon_as_it_is_too_large() {
        struct Endless;
        impl Body for Endless {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1024])))))
            }
        }
        let rejection = now(collect(Endless, ByteSize::mib(1))).unwrap_err();
        assert_eq!(rejection.problem().code(), "body-too-large");
    }

    #[test]
    fn a_slow_client_is_told_so() {
        assert_eq!(broken(Box::new(TooSlow)).problem().code(), "request-timeout");
        assert_eq!(broken("reset".into()).problem().code(), "invalid-request");
    }
}
