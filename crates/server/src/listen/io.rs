use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use gabion_errors::{Problem, types};
use gabion_tower::refuse_unread;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Watch;

/// A stream that reports to its watch, and fails once that has closed it.
pub(super) struct WatchedIo<T> {
    stream: T,
    watch: Arc<Watch>,
    /// What is written for hyper's own refusal of a head.
    instead: Option<Bytes>,
}

impl<T> WatchedIo<T> {
    pub(super) fn new(stream: T, watch: Arc<Watch>) -> Self {
        Self { stream, watch, instead: None }
    }

    fn check(&self) -> io::Result<()> {
        if self.watch.is_closed() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WatchedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_pending() {
            self.watch.register(cx.waker());
        } else {
            self.watch.read(buf.filled().len() - before);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WatchedIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        if self.instead.is_none() && refuses_head(bytes) {
            self.instead = Some(head_too_large());
        }
        let this = &mut *self;
        let Some(instead) = &mut this.instead else {
            let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
            return this.watch.write_reported(polled, cx);
        };
        while !instead.is_empty() {
            let polled = Pin::new(&mut this.stream).poll_write(cx, instead);
            match this.watch.write_reported(polled, cx) {
                Poll::Ready(Ok(written)) => instead.advance(written),
                other => return other,
            }
        }
        // All of hyper's was replaced, which ends the connection.
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.watch.write_reported(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Whether `bytes` are hyper's own answer to a head with more fields or bytes than it reads: it has no
/// body, unlike ours.
fn refuses_head(bytes: &[u8]) -> bool {
    const EMPTY: &[u8] = b"\r\ncontent-length: 0\r\n";
    bytes.starts_with(b"HTTP/1.1 431 ") && bytes.windows(EMPTY.len()).any(|part| part == EMPTY)
}

/// What the guard of sizes answers to a head that is read to its end.
fn head_too_large() -> Bytes {
    let response = refuse_unread(&Problem::new(&types::HEADER_TOO_LARGE));
    let status = response.status();
    let mut out = format!(
        "HTTP/1.1 {} {}\r\nconnection: close\r\ncontent-length: {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        response.body().len()
    )
    .into_bytes();
    for (name, value) in response.headers() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(response.body());
    out.into()
}
