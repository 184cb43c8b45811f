use std::{
    ffi::OsStr,
    io,
    os::unix::{
        ffi::OsStrExt,
        net::{SocketAddr, UnixDatagram},
    },
};

/// Tells systemd where the process is in its life (`sd_notify(3)`); does nothing where nobody asked.
///
/// A message that cannot be sent is logged and otherwise ignored: service goes before bookkeeping.
///
/// For a hand-over, the old process first sends [`main_pid`](Self::main_pid) with the successor's
/// id, since systemd listens to the main process alone (`NotifyAccess=main`); the successor then
/// sends [`ready`](Self::ready).
#[derive(Debug)]
pub struct Notifier(Option<Target>);

#[derive(Debug)]
struct Target {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// For `socket`, the value of `NOTIFY_SOCKET`: a path, or an abstract name with a leading `@`.
    ///
    /// # Errors
    ///
    /// When the value is neither, or no socket can be made.
    pub fn new(socket: Option<&OsStr>) -> io::Result<Self> {
        let Some(name) = socket.filter(|name| !name.is_empty()) else {
            return Ok(Self(None));
        };
        let address = match name.as_bytes() {
            [b'@', name @ ..] => abstract_address(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a path or @name"));
            }
        };
        let socket = UnixDatagram::unbound()?;
        // A full queue must not hold up the service.
        socket.set_nonblocking(true)?;
        Ok(Self(Some(Target { socket, address })))
    }

    /// Requests are welcome.
    pub fn ready(&self) {
        self.send("READY=1\n");
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.send("STOPPING=1\n");
    }

    /// From now on `pid` is the service's main process.
    pub fn main_pid(&self, pid: u32) {
        self.send(&format!("MAINPID={pid}\n"));
    }

    fn send(&self, message: &str) {
        let Some(Target { socket, address }) = &self.0 else {
            return;
        };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(%error, message = message.trim_end(), "cannot notify the service manager");
        }
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;

    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "abstract socket names exist on Linux only"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn messages_reach_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(path.as_os_str())).unwrap();
        notifier.ready();
        notifier.main_pid(77);
        notifier.stopping();
        let messages = [received(&systemd), received(&systemd), received(&systemd)];
        assert_eq!(messages, ["READY=1\n", "MAINPID=77\n", "STOPPING=1\n"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn messages_reach_an_abstract_name() {
        let name = format!("@gabion-notify-{}", std::process::id());
        let address = abstract_address(&name.as_bytes()[1..]).unwrap();
        let systemd = UnixDatagram::bind_addr(&address).unwrap();
        Notifier::new(Some(OsStr::new(&name))).unwrap().ready();
        assert_eq!(received(&systemd), "READY=1\n");
    }

    #[test]
    fn what_is_no_socket_name_is_refused() {
        assert!(Notifier::new(Some(OsStr::new("vsock:2:1234"))).is_err());
    }

    #[test]
    fn a_manager_that_went_away_does_not_stop_the_service() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        Notifier::new(Some(gone.as_os_str())).unwrap().ready();
    }
}
