//! Request bodies that come compressed.

mod decoder;
mod gzip;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use gabion_errors::{BoxError, Problem, ToProblem, types};
use gabion_limits::{ContentCoding, Inflation, SizeError};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use self::decoder::Decoder;

pin_project! {
    /// A body as it was before it was compressed.
    ///
    /// It is decompressed as it is read, 16 KiB at a time and never ahead, so that a body which would
    /// swell to gigabytes costs no more than what its [`Inflation`] allows: the memory for one window
    /// (about 64 KiB in all), and the time up to the bound that it meets first. A body that is not
    /// compressed passes through as it is.
    ///
    /// It needs nothing else of this crate:
    ///
    /// ```
    /// use gabion_config::ByteSize;
    /// use gabion_limits::{ContentCoding, Inflation};
    /// use gabion_tower::Decompressed;
    /// # fn decompressed(request: http::Request<http_body_util::Empty<bytes::Bytes>>)
    /// #     -> Result<(), gabion_limits::UnsupportedCoding> {
    ///
    /// let coding = ContentCoding::of(request.headers())?; // else 415
    /// let bounds = Inflation::new(ByteSize::mib(10), 100); // else the body ends with an error, 413
    /// let request = request.map(|body| Decompressed::new(body, coding, bounds));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// `Content-Encoding` and `Content-Length` stay as they were sent; who hands the request on removes
    /// them.
    pub struct Decompressed<B> {
        #[pin]
        body: B,
        work: Option<Box<Work>>,
    }
}

/// A compressed body ended with an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// There is more of it than allowed, before or after.
    #[error(transparent)]
    TooLarge(#[from] SizeError),
    /// It is not what its coding says.
    #[error("the body is not valid {0}")]
    Malformed(&'static str),
    /// It ends in the middle.
    #[error("the compressed body ends before it is complete")]
    Truncated,
    /// The body itself failed.
    #[error("the body failed")]
    Body(#[source] BoxError),
}

impl ToProblem for DecompressError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::TooLarge(error) => error.to_problem(),
            Self::Malformed(_) | Self::Truncated => {
                Problem::new(&types::INVALID_REQUEST).detail(self.to_string())
            }
            Self::Body(_) => Problem::new(&types::INVALID_REQUEST)
                .detail("the body ended before it was complete"),
        }
    }
}

/// What is made at a time.
const PIECE: usize = 16 * 1024;

/// After this much without waiting, others get their turn.
const TURN: usize = 16 * PIECE;

/// What decompressing needs, for as long as it lasts.
struct Work {
    decoder: Decoder,
    inflation: Inflation,
    /// Compressed bytes that came and were not taken yet.
    rest: Bytes,
    piece: [u8; PIECE],
    since_turn: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has come yet: no body at all is not a broken one.
    Untouched,
    Begun,
    Ended,
}

impl<B> Decompressed<B> {
    /// `body`, compressed by `coding`, within `inflation`.
    pub fn new(body: B, coding: Option<ContentCoding>, inflation: Inflation) -> Self {
        let work = |coding| {
            Box::new(Work {
                decoder: Decoder::new(coding),
                inflation,
                rest: Bytes::new(),
                piece: [0; PIECE],
                since_turn: 0,
                state: State::Untouched,
            })
        };
        Self { body, work: coding.map(work) }
    }

    /// `body`, which is not compressed.
    pub const fn plain(body: B) -> Self {
        Self { body, work: None }
    }
}

impl Work {
    /// The next piece; `None` when it needs more of the body.
    fn next(&mut self) -> Result<Option<Bytes>, DecompressError> {
        let (taken, given) = self.decoder.step(&self.rest, &mut self.piece)?;
        self.rest.advance(taken);
        self.inflation.took(taken)?;
        self.inflation.gave(given)?;
        if given == 0 {
            return Ok(None);
        }
        self.since_turn += given;
        // Copied, so that a small piece does not hold the memory of a large one.
        Ok(Some(Bytes::copy_from_slice(&self.piece[..given])))
    }
}

impl<B> Body for Decompressed<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = DecompressError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, DecompressError>>> {
        let mut this = self.project();
        let own = |error: B::Error| DecompressError::Body(error.into());
        let Some(work) = this.work else {
            let frame = ready!(this.body.poll_frame(cx));
            let frame = frame.map(|frame| frame.map(plain).map_err(own));
            return Poll::Ready(frame);
        };
        loop {
            if work.state == State::Ended {
                return Poll::Ready(None);
            }
            if work.since_turn >= TURN {
                work.since_turn = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match work.next() {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(None) => {}
                Err(error) => {
                    work.state = State::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) else {
                work.since_turn = 0;
                return Poll::Pending;
            };
            let error = match frame {
                // Trailers are not compressed, and nobody here reads them.
                Some(Ok(frame)) => match plain(frame).into_data() {
                    Ok(data) if !data.is_empty() => {
                        work.rest = data;
                        work.state = State::Begun;
                        continue;
                    }
                    _ => continue,
                },
                Some(Err(error)) => own(error),
                None if work.state == State::Untouched || work.decoder.is_complete() => {
                    work.state = State::Ended;
                    return Poll::Ready(None);
                }
                None => DecompressError::Truncated,
            };
            work.state = State::Ended;
            return Poll::Ready(Some(Err(error)));
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.work {
            None => self.body.is_end_stream(),
            Some(work) if work.state == State::Untouched => self.body.is_end_stream(),
            Some(work) => work.state == State::Ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.work {
            None => self.body.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}

fn plain(frame: Frame<impl Buf>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

#[cfg(test)]
mod tests;
