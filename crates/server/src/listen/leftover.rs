//! What a request over HTTP/1 leaves behind that is answered before its body was read.
//!
//! The next request begins behind the body, so hyper ends a connection whose body is not there yet, with
//! an answer that says nothing of it: a client that sends the next one on the same connection loses it,
//! and may not send it again. So what has come is taken away before the answer is given, and if that is
//! not all of it, the answer says that the connection ends with it (RFC 9112 §9.6).

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;

/// The rest of such a body; `None` where it must not be asked for, since the client waits for a
/// `100 Continue`.
pub(super) type Left = Option<Incoming>;

/// An answer that waits for what is left of its request.
pub(super) struct Late<R> {
    pub(super) response: R,
    left: Left,
    taken: usize,
    /// How often the connection was given a turn to read what has come.
    turns: u8,
}

/// Taken away at most; more is not worth a connection.
const MOST: usize = 64 * 1024;
/// In one of them bytes come from the connection; in the other one the connection looks for more.
const TURNS: u8 = 2;

impl<R> Late<R> {
    pub(super) fn new(response: R, left: Left) -> Self {
        Self { response, left, taken: 0, turns: 0 }
    }

    /// Takes away what has come, without waiting for more; whether that was all.
    pub(super) fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(left) = &mut self.left else { return Poll::Ready(false) };
        while self.taken <= MOST {
            match Pin::new(&mut *left).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.taken += frame.data_ref().map_or(0, Bytes::len);
                    self.turns = 0;
                }
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                Poll::Pending if self.turns == TURNS => return Poll::Ready(false),
                Poll::Pending => {
                    self.turns += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(false)
    }
}
