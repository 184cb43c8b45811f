//! TCP listeners that tell what is wrong and do not give up.

mod acceptor;
mod outage;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use self::acceptor::Acceptor;

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
pub const BACKLOG: i32 = 4096;

/// Most bytes that the kernel takes for a client before it can send them; what is on its way comes on
/// top, so a fast client gets no less.
///
/// Without it the kernel takes up to `net.ipv4.tcp_wmem` for each client that asks and does not read,
/// which is 2.8 MB over loopback.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 * 1024;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another process listens there.
    #[error(
        "cannot listen on {address}: it is in use; stop the other process or choose another address"
    )]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The port is reserved.
    #[error(
        "cannot listen on {address}: not permitted; choose a port from 1024 up or grant \
         CAP_NET_BIND_SERVICE"
    )]
    NotPermitted {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address is another machine's.
    #[error(
        "cannot listen on {address}: no interface here has this address; use one of this machine's, \
         or 0.0.0.0 or [::] for all"
    )]
    NotHere {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { address },
            io::ErrorKind::AddrNotAvailable => Self::NotHere { address },
            _ => Self::Other { address, source },
        }
    }

    /// The address asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::InUse { address }
            | Self::NotPermitted { address }
            | Self::NotHere { address }
            | Self::Other { address, .. } => *address,
        }
    }
}

/// Listens on `address`, with a backlog of [`BACKLOG`]; port 0 takes any free one.
///
/// `SO_REUSEADDR` lets a restarted server listen while connections of the old one linger; a second
/// listener on the same address is refused all the same.
///
/// # Errors
///
/// When the address cannot be had; the message names it and the way out.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    open(address).map_err(|source| BindError::new(address, source))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    bound_unsent(&SockRef::from(&socket))?;
    Ok(socket.into())
}

/// What a listener is set to, its connections are born with.
#[cfg_attr(
    not(target_os = "linux"),
    expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")
)]
fn bound_unsent(listener: &SockRef<'_>) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    listener.set_tcp_notsent_lowat(UNSENT)?;
    let _ = listener;
    Ok(())
}

/// Makes a listener of a descriptor that another process passed; an error if it is none.
pub(crate) fn adopt(fd: OwnedFd) -> io::Result<TcpListener> {
    // Not every system can do this as it receives the descriptor.
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    // Apple's systems do not tell; there accepting fails.
    #[cfg(not(target_vendor = "apple"))]
    if !rustix::net::sockopt::socket_acceptconn(&fd)? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a listening socket"));
    }
    let listener = TcpListener::from(fd);
    // Fails on what listens but not on TCP.
    listener.local_addr()?;
    listener.set_nonblocking(true)?;
    bound_unsent(&SockRef::from(&listener))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use std::io::Write;

    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_way_out() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains(&address.to_string()) && message.contains("choose"), "{message}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_client_that_does_not_read_makes_the_kernel_hold_little() {
        for adopted in [false, true] {
            let mut listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
            if adopted {
                listener = adopt(TcpListener::bind("127.0.0.1:0").unwrap().into()).unwrap();
            }
            listener.set_nonblocking(false).unwrap();
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            // The kernel doubles it; what fits in there is not held here.
            client.set_recv_buffer_size(4096).unwrap();
            client.connect(&listener.local_addr().unwrap().into()).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let piece = [0; 16 * 1024];
            let taken = std::iter::from_fn(|| stream.write(&piece).ok()).sum::<usize>();
            assert!(taken < 200_000, "{taken} bytes");
        }
    }

    #[test]
    fn a_foreign_address_is_told_apart() {
        // TEST-NET-3 (RFC 5737) is nobody's.
        let error = bind("203.0.113.7:0".parse().unwrap()).unwrap_err();
        assert!(matches!(error, BindError::NotHere { .. }), "{error:?}");
    }

    #[test]
    fn a_reserved_port_is_told_apart() {
        let address = "127.0.0.1:80".parse().unwrap();
        let error = BindError::new(address, io::ErrorKind::PermissionDenied.into());
        assert!(error.to_string().contains("CAP_NET_BIND_SERVICE"), "{error}");
        assert_eq!(error.address(), address);
    }
}
