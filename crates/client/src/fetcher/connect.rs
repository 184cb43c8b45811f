use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Fault, Inner};
use crate::Endpoint;

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// Asks the resolver of the operating system.
pub(super) fn system_lookup(
    host: String,
    port: u16,
) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> {
    Box::pin(async move { Ok(lookup_host((host, port)).await?.take(MAX_ADDRESSES).collect()) })
}

impl Inner {
    /// Connects to an address that was checked. The name is looked up once: a second answer could be
    /// another one.
    pub(super) async fn connect(&self, endpoint: &Endpoint) -> Result<TcpStream, Fault> {
        let addresses = self.addresses(endpoint).await?;
        // One that swallows everything leaves the others their share of the time.
        let share = self.bounds.connect / addresses.len().max(1) as u32;
        let mut last = None;
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(io::ErrorKind::TimedOut.into()),
            }
        }
        let error = last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into());
        Err(Fault::Connect(Arc::new(error)))
    }

    /// The addresses of the host, if every one of them may be connected to: an answer that mixes
    /// public and private ones is a mistake or a trap.
    async fn addresses(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Fault> {
        let addresses = match endpoint.ip() {
            Some(ip) => vec![SocketAddr::new(ip, endpoint.port())],
            None => (self.lookup)(endpoint.host().to_owned(), endpoint.port())
                .await
                .map_err(|error| Fault::Resolve(Some(Arc::new(error))))?,
        };
        if addresses.is_empty() {
            return Err(Fault::Resolve(None));
        }
        for address in &addresses {
            self.rules.check(address.ip()).map_err(Fault::Address)?;
        }
        Ok(addresses)
    }

    pub(super) async fn agree(
        &self,
        name: &ServerName<'static>,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Fault> {
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let agreed = connector.connect(name.clone(), stream).await;
        agreed.map_err(|error| Fault::Tls(Arc::new(error)))
    }
}
