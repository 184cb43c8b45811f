use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::listen::Watch;

/// A socket below TLS, which tells its watch what the client takes.
///
/// TLS has buffers of its own: what is written above it may wait there, and a flush that waits does not
/// tell whether anything moves.
pub(super) struct Reported<T> {
    socket: T,
    watch: Arc<Watch>,
}

impl<T> Reported<T> {
    pub(super) fn new(socket: T, watch: Arc<Watch>) -> Self {
        Self { socket, watch }
    }

    fn check(&self) -> io::Result<()> {
        if self.watch.is_closed() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Reported<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Reported<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.watch.write_reported(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.watch.write_reported(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
