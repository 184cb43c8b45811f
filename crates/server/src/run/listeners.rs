use std::net::{SocketAddr, TcpListener};

use gabion_lifecycle::{Inherited, bind};

use super::{RunError, failed};
use crate::settings::ServerSettings;

/// The sockets that clients connect to.
pub(super) struct Listeners {
    pub(super) main: TcpListener,
    pub(super) admin: Option<TcpListener>,
}

impl Listeners {
    /// Takes what the predecessor left, and binds the rest.
    pub(super) fn open(
        settings: &ServerSettings,
        inherited: &mut Option<&mut Inherited>,
    ) -> Result<Self, RunError> {
        let mut open = |name, address: SocketAddr| {
            let taken = inherited.as_mut().and_then(|inherited| inherited.take(name, address));
            match taken {
                Some(listener) => Ok(listener),
                None => bind(address).map_err(failed),
            }
        };
        let main = open("main", settings.server.listen)?;
        // Checked with the configuration: empty or an address.
        let admin = settings.server.admin_listen.parse().ok();
        let admin = admin.map(|address| open("admin", address)).transpose()?;
        Ok(Self { main, admin })
    }

    /// More of the same sockets, each under its name.
    pub(super) fn copies(&self) -> std::io::Result<Vec<(&'static str, TcpListener)>> {
        let mut copies = vec![("main", self.main.try_clone()?)];
        if let Some(admin) = &self.admin {
            copies.push(("admin", admin.try_clone()?));
        }
        Ok(copies)
    }
}
