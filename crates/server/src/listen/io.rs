use std::{
    future::poll_fn,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Watch, framing::Unanswered, refusal};

/// Read at once from a connection that has no buffer. Most requests fit, and are then read by one call.
const PIECE: usize = 4096;

/// A stream that reports to its watch, and fails once that has closed it.
pub(super) struct WatchedIo<T> {
    stream: T,
    watch: Arc<Watch>,
    /// Read already, and not taken by hyper yet.
    ahead: Bytes,
    /// What is written for hyper's own refusal of a head, or for one of ours that looks the same; the
    /// connection ends with it.
    instead: Option<Box<Bytes>>,
    unanswered: Unanswered,
    /// Nothing more comes from the client.
    at_end: bool,
}

/// What comes of a connection behind an answer that ends it.
fn ended() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl<T> WatchedIo<T> {
    pub(super) fn new(stream: T, watch: Arc<Watch>) -> Self {
        Self {
            stream,
            watch,
            ahead: Bytes::new(),
            instead: None,
            unanswered: Unanswered::default(),
            at_end: false,
        }
    }

    /// What was read and belongs to nobody yet.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Puts back what was read from here.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        self.ahead = bytes;
    }

    /// Whether the client has sent everything that it is going to send.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    fn check(&self) -> io::Result<()> {
        if self.watch.is_closed() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl<T: AsyncRead + Unpin> WatchedIo<T> {
    /// Waits for more than is there already, without a buffer to wait with; `false` when nothing more comes
    /// from the client and nothing is left to be looked at.
    ///
    /// # Errors
    ///
    /// Those of the stream, and `TimedOut` when the watch closes it; the head that did not come to its end
    /// was answered then.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>>
    where
        T: AsyncWrite,
    {
        if let Err(error) = self.check() {
            if self.watch.is_closed_for_head() && !self.ahead.is_empty() {
                self.refuse_slow_head(cx);
            }
            return Poll::Ready(Err(error));
        }
        let mut space = [MaybeUninit::uninit(); PIECE];
        let mut piece = ReadBuf::uninit(&mut space);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut piece);
        if polled.is_pending() {
            self.watch.register(cx.waker());
        }
        ready!(polled)?;
        let came = piece.filled();
        self.at_end = came.is_empty();
        self.watch.read(came.len());
        self.unanswered.came(came.len());
        self.ahead = if self.ahead.is_empty() {
            Bytes::copy_from_slice(came)
        } else {
            [&self.ahead[..], came].concat().into()
        };
        Poll::Ready(Ok(!self.ahead.is_empty()))
    }

    /// Reads and forgets what still comes, at most `most` bytes, until the client ends its side. Who is
    /// still sending when a socket is closed is told of a broken connection, and may never see the answer
    /// before it (RFC 9112 §9.6).
    pub(super) async fn forget(&mut self, most: usize) {
        let mut left = most;
        poll_fn(|cx| {
            while left > 0 {
                let mut space = [MaybeUninit::uninit(); PIECE];
                let mut piece = ReadBuf::uninit(&mut space);
                match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece)) {
                    Ok(()) if !piece.filled().is_empty() => {
                        left = left.saturating_sub(piece.filled().len());
                    }
                    _ => break,
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

impl<T: AsyncWrite + Unpin> WatchedIo<T> {
    /// Writes an answer to a head that does not come to its end, and ends this side. What the client does
    /// not take at once is dropped.
    pub(super) fn refuse_slow_head(&mut self, cx: &mut Context<'_>) {
        let mut answer = refusal::head_too_slow(self.watch.is_tls());
        let mut stream = Pin::new(&mut self.stream);
        while !answer.is_empty() {
            match stream.as_mut().poll_write(cx, &answer) {
                Poll::Ready(Ok(written)) if written > 0 => answer.advance(written),
                _ => return,
            }
        }
        // Neither is waited for.
        let _ = stream.as_mut().poll_flush(cx);
        let _ = stream.as_mut().poll_shutdown(cx);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WatchedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        if let Some(left) = &self.instead {
            // Whoever writes the rest wakes the reader.
            return if left.is_empty() { Poll::Ready(Err(ended())) } else { Poll::Pending };
        }
        if !self.ahead.is_empty() {
            let taken = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..taken]);
            self.ahead.advance(taken);
            if self.ahead.is_empty() {
                self.ahead = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_pending() {
            self.watch.register(cx.waker());
        } else {
            let came = buf.filled().len() - before;
            self.at_end = came == 0;
            self.watch.read(came);
            self.unanswered.came(came);
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
        if self.instead.is_none()
            && let Some(status) = refusal::bare(bytes)
        {
            let tls = self.watch.is_tls();
            self.instead = Some(Box::new(match status {
                b"431" if !self.unanswered.is_small() => refusal::head_too_large(tls),
                b"414" => refusal::target_too_long(tls),
                _ => refusal::malformed(tls),
            }));
            // The rest of the head, most of all.
            self.watch.left_unread();
        }
        let this = &mut *self;
        this.unanswered.answered();
        let Some(instead) = &mut this.instead else {
            let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
            return this.watch.write_reported(polled, cx);
        };
        if instead.is_empty() {
            return Poll::Ready(Err(ended()));
        }
        while !instead.is_empty() {
            let polled = Pin::new(&mut this.stream).poll_write(cx, instead);
            match this.watch.write_reported(polled, cx) {
                Poll::Ready(Ok(written)) => instead.advance(written),
                other => return other,
            }
        }
        // All of hyper's was replaced; a reader may wait for that.
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(bytes.len()))
    }

    /// Over HTTP/2 only, see `writev(false)` in `drive`: hyper's own refusals of a head do not come here.
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
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        // A stream with buffers of its own, as of TLS, takes what its client has not taken yet.
        self.watch.flush_reported(&polled, cx);
        if polled.is_pending() {
            self.check()?;
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch.flush_reported(&polled, cx);
        if polled.is_pending() {
            self.check()?;
        }
        polled
    }
}
