use std::{future::poll_fn, io, sync::Arc, task::Poll};

use rustls::server::Acceptor;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{Tls, reported::Reported};
use crate::listen::{Watch, refusal, socket::Socket};

/// What of a plain request is read after its refusal, in bytes.
const UNREAD: u64 = 64 * 1024;

impl Tls {
    /// Shakes hands on `socket`; the caller bounds the time.
    ///
    /// # Errors
    ///
    /// When the client does not speak TLS, or nothing that we have in common with it.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the socket.
    pub(in crate::listen) async fn shake(
        &self,
        socket: TcpStream,
        watch: &Arc<Watch>,
    ) -> io::Result<Box<TlsStream<impl AsyncRead + AsyncWrite + Unpin + use<>>>> {
        let shaken = self.try_shake(socket, watch).await;
        match &shaken {
            Ok(_) => self.completed.increment(1),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.plain.increment(1),
            Err(_) => self.failed.increment(1),
        }
        shaken
    }

    async fn try_shake(
        &self,
        socket: TcpStream,
        watch: &Arc<Watch>,
    ) -> io::Result<Box<TlsStream<Reported<Socket>>>> {
        // Methods begin with a capital letter, and no record of TLS does.
        let mut first = [0];
        socket.peek(&mut first).await?;
        if first[0].is_ascii_uppercase() {
            return Err(Box::pin(refuse_plain(socket)).await);
        }
        // Up to here nothing was computed, whoever sends it however slowly.
        let socket = Reported::new(Socket::new(socket, Arc::clone(watch)), Arc::clone(watch));
        // In boxes, so that whoever has said nothing yet holds no room for it.
        let hello = Box::pin(LazyConfigAcceptor::new(Acceptor::default(), socket)).await?;
        let mut shaking = Box::pin(hello.into_stream(Arc::clone(&self.config)));
        {
            let places = self.places.load_full();
            // The semaphore is never closed.
            let _place = places.acquire().await.map_err(io::Error::other)?;
            // Behind what is ready to run: a flood of handshakes gets a share of the time, not all of it.
            yield_now().await;
            // The key exchange and the signature. What is left to do is little, and waits for the client.
            let begun = poll_fn(|cx| Poll::Ready(shaking.as_mut().poll(cx))).await;
            if let Poll::Ready(shaken) = begun {
                return shaken.map(Box::new);
            }
        }
        shaking.await.map(Box::new)
    }
}

/// Tells a client without TLS what is wrong, so that nobody has to guess it from a reset.
async fn refuse_plain(mut socket: TcpStream) -> io::Error {
    let told = async {
        socket.write_all(&refusal::plain_http()).await?;
        socket.shutdown().await?;
        // Else the client could be told of a reset before it has read the answer (RFC 9112 §9.6).
        tokio::io::copy(&mut socket.take(UNREAD), &mut tokio::io::sink()).await
    };
    let _ = told.await;
    io::Error::new(io::ErrorKind::Unsupported, "plain HTTP where TLS is spoken")
}
