use std::{io, net::TcpListener};

/// Sockets passed start here (`sd_listen_fds(3)`).
const FIRST: i32 = 3;
/// More are not believed.
const MOST: i32 = 16;

/// Why passed sockets cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActivationError {
    /// `LISTEN_FDS` is no number from 0 to 16.
    #[error("LISTEN_FDS is '{0}', not a number from 0 to {MOST}")]
    Count(String),
    /// What was passed is no listening TCP socket, or the system has no safe way to take it.
    #[error("cannot take over file descriptor {number} passed by the service manager")]
    Socket {
        /// The descriptor.
        number: i32,
        /// What failed.
        #[source]
        source: io::Error,
    },
}

/// The listening sockets that systemd made for this process, in order, each with its name (the
/// socket unit's `FileDescriptorName`, else empty).
///
/// The arguments are the values of `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`; if the first is
/// absent or another process's, there are none. The sockets are duplicates made by the kernel
/// (`pidfd_getfd(2)`, Linux 5.6), so that a wrong number is an error and nothing worse; the passed
/// descriptors themselves stay open, as they do in the service manager.
///
/// # Errors
///
/// When a value or a socket is not what it should be, or the kernel is older or forbids it.
pub fn activated(
    pid: Option<&str>,
    count: Option<&str>,
    names: Option<&str>,
) -> Result<Vec<(String, TcpListener)>, ActivationError> {
    let (Some(pid), Some(count)) = (pid, count) else {
        return Ok(Vec::new());
    };
    if pid != std::process::id().to_string() {
        return Ok(Vec::new());
    }
    let number = count.parse().ok().filter(|number| (0..=MOST).contains(number));
    let number: i32 = number.ok_or_else(|| ActivationError::Count(count.to_owned()))?;
    let mut names = names.unwrap_or_default().split(':');
    (FIRST..FIRST + number)
        .map(|number| {
            let name = names.next().unwrap_or_default().to_owned();
            let listener =
                duplicate(number).map_err(|source| ActivationError::Socket { number, source })?;
            Ok((name, listener))
        })
        .collect()
}

#[cfg(target_os = "linux")]
fn duplicate(number: i32) -> io::Result<TcpListener> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let socket = pidfd_getfd(own, number, PidfdGetfdFlags::empty())?;
    crate::listener::adopt(socket)
}

#[cfg(not(target_os = "linux"))]
fn duplicate(_number: i32) -> io::Result<TcpListener> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "socket activation needs Linux"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        net::TcpStream,
        os::{fd::AsRawFd, unix::net::UnixListener},
    };

    use super::*;

    #[test]
    fn a_passed_socket_accepts() {
        let passed = TcpListener::bind("127.0.0.1:0").unwrap();
        let adopted = duplicate(passed.as_raw_fd()).unwrap();
        let client = TcpStream::connect(passed.local_addr().unwrap()).unwrap();
        adopted.set_nonblocking(false).unwrap();
        let (_, peer) = adopted.accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }

    #[test]
    fn what_does_not_listen_on_tcp_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let unix = UnixListener::bind(folder.path().join("socket")).unwrap();
        let file = tempfile::tempfile().unwrap();
        for number in [unix.as_raw_fd(), file.as_raw_fd(), i32::MAX] {
            assert!(duplicate(number).is_err(), "{number}");
        }
    }

    #[test]
    fn sockets_for_another_process_are_left_alone() {
        let listeners = activated(Some("1"), Some("2"), Some("main:admin")).unwrap();
        assert!(listeners.is_empty());
    }

    #[test]
    fn a_count_out_of_range_is_refused() {
        let pid = std::process::id().to_string();
        for count in ["", "-1", "17", "x"] {
            let error = activated(Some(&pid), Some(count), None).unwrap_err();
            assert!(matches!(error, ActivationError::Count(_)), "{count}");
        }
    }
}
