use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
    sync::{Mutex, MutexGuard, PoisonError},
};

use gabion_clock::{Clock, SystemClock};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::outage::{Cause, Outage, Report};
use crate::metrics::AcceptErrors;

/// Accepts connections for as long as it lives, whatever a single one does.
///
/// A lack of file descriptors or memory is waited out (10 to 100 ms between tries, the connections
/// stay in the kernel's queue) and logged once when it begins and once when it ends. Its descriptor
/// is what a [`Handover`](crate::Handover) passes on.
#[derive(Debug)]
pub struct Acceptor<C = SystemClock> {
    listener: TcpListener,
    outage: Mutex<Outage>,
    errors: AcceptErrors,
    clock: C,
}

impl Acceptor {
    /// Accepts on `listener`, as [`bind`](crate::bind) or a predecessor gave it.
    ///
    /// # Errors
    ///
    /// When the runtime cannot watch the socket.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        Self::with_clock(listener, SystemClock::new())
    }
}

impl<C: Clock> Acceptor<C> {
    /// Like [`new`](Acceptor::new), with a clock of the caller's.
    ///
    /// # Errors
    ///
    /// As [`new`](Acceptor::new).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn with_clock(listener: std::net::TcpListener, clock: C) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            outage: Mutex::default(),
            errors: AcceptErrors::new(),
            clock,
        })
    }

    /// The address listened on.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection, with `TCP_NODELAY` set, and whom it comes from.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost when the future is dropped.
    pub async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            let error = match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.accepted();
                    // Fails only on a connection that has failed, which its reader finds out.
                    let _ = stream.set_nodelay(true);
                    return (stream, peer);
                }
                Err(error) => error,
            };
            let cause = Cause::of(&error);
            match cause {
                Cause::Aborted => {
                    self.errors.aborted.increment(1);
                    continue;
                }
                Cause::Exhausted => self.errors.exhausted.increment(1),
                Cause::Other => self.errors.other.increment(1),
            }
            let failed = self.outage().failed(self.clock.now());
            if failed.first {
                tracing::error!(%error, ?cause, "cannot accept connections, they wait in the queue");
            }
            sleep(failed.wait).await;
        }
    }

    fn accepted(&self) {
        let mut outage = self.outage();
        if !outage.is_open() {
            return;
        }
        if let Some(Report { lasted, failures }) = outage.accepted(self.clock.now()) {
            tracing::info!(?lasted, failures, "connections are accepted again");
        }
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> AsFd for Acceptor<C> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind;

    #[tokio::test]
    async fn connections_come_without_delay_and_with_their_peer() {
        let acceptor = Acceptor::new(bind("127.0.0.1:0".parse().unwrap()).unwrap()).unwrap();
        let client = TcpStream::connect(acceptor.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = acceptor.accept().await;
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(stream.nodelay().unwrap());
    }
}
