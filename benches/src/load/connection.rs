use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::reply::{self, Reply};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// The largest answer that is understood.
const LARGEST: usize = 16 * 1024;

/// A connection that has at most one request under way.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8; LARGEST]>,
    filled: usize,
}

/// What reading has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// Nothing that ends the wait.
    Nothing,
    /// The answer's status.
    Status(u16),
    /// The connection is of no more use.
    Closed,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, buffer: Box::new([0; LARGEST]), filled: 0 })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends a request in one piece; it always fits into an empty socket.
    pub(super) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.filled = 0;
        match self.stream.write(request) {
            Ok(sent) if sent == request.len() => Ok(()),
            Ok(_) => Err(ErrorKind::WriteZero.into()),
            Err(error) => Err(error),
        }
    }

    /// Reads what is there.
    pub(super) fn receive(&mut self) -> Received {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => Received::Closed,
            Ok(count) => {
                self.filled += count;
                match reply::read(&self.buffer[..self.filled]) {
                    Reply::Whole { status, .. } => Received::Status(status),
                    Reply::Partial if self.filled < LARGEST => Received::Nothing,
                    Reply::Partial | Reply::Broken => Received::Closed,
                }
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Received::Nothing
            }
            Err(_) => Received::Closed,
        }
    }
}
