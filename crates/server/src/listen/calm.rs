use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use gabion_limits::{FrameMeter, TooManyFrames};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Watch;

/// The stream of an HTTP/2 connection, which parts with a client that sends floods of frames, and tells
/// its watch of header blocks that are not at their end.
pub(super) struct Calm<'a, T> {
    io: T,
    watch: &'a Watch,
    meter: FrameMeter,
    /// The header block that is open, as the watch was told.
    block: Option<u16>,
    /// The last write was taken whole, so that the next byte begins a frame: heads and loads of frames
    /// are offered together.
    between_frames: bool,
}

impl<'a, T> Calm<'a, T> {
    /// `io` begins with the preface.
    pub(super) fn new(io: T, watch: &'a Watch) -> Self {
        Self { io, watch, meter: FrameMeter::new(), block: None, between_frames: true }
    }

    fn wrote(&mut self, polled: &Poll<io::Result<usize>>, offered: usize) {
        if let Poll::Ready(Ok(written)) = polled {
            self.meter.sent(*written);
            self.between_frames = *written == offered;
        }
    }
}

impl<T: AsyncWrite + Unpin> Calm<'_, T> {
    /// Says why, as far as that is taken at once: who is flooded with answers does not wait.
    fn part(&mut self, cx: &mut Context<'_>, reason: TooManyFrames) -> io::Error {
        self.watch.flooded();
        if self.between_frames {
            let _ = Pin::new(&mut self.io).poll_write(cx, &reason.goaway());
            let _ = Pin::new(&mut self.io).poll_flush(cx);
        }
        io::Error::other(reason)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Calm<'_, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if polled.is_ready() {
            let now_ms = self.watch.now();
            if let Err(reason) = self.meter.read(&buf.filled()[before..], now_ms) {
                return Poll::Ready(Err(self.part(cx, reason)));
            }
            let block = self.meter.header_block();
            if block != self.block {
                self.block = block;
                self.watch.header_block(block.is_some());
            }
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Calm<'_, T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(&polled, bytes.len());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.wrote(&polled, bytes.iter().map(|piece| piece.len()).sum());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
