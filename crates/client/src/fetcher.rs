//! Fetching a document, inside bounds.
//!
//! A fetch is one GET on a connection of its own. It knows no cookies, no proxies, no credentials and
//! no environment, and it follows nothing: what was configured is what is asked.

mod connect;
mod error;
mod exchange;
#[cfg(test)]
mod tests;
mod tls;

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use gabion_config::{ByteSize, settings};
use http::HeaderMap;
use rustls::ClientConfig;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;

pub use self::{
    error::{Fault, FetchError, InvalidFetcher},
    tls::Roots,
};
use crate::{AddressRules, Endpoint, InvalidEndpoint, endpoint::Plain};

settings! {
    /// Bounds of a fetch.
    pub struct FetcherConfig {
        /// Longest time to find the address of the host, connect, and agree on TLS.
        restart connect: Duration = Duration::from_secs(5), in Duration::from_millis(1)..=Duration::from_secs(300);
        /// Longest time from the request to the head of the answer.
        restart first_byte: Duration = Duration::from_secs(5), in Duration::from_millis(1)..=Duration::from_secs(300);
        /// Longest time for all of it.
        restart whole: Duration = Duration::from_secs(10), in Duration::from_millis(1)..=Duration::from_secs(600);
        /// Largest body of an answer.
        restart max_answer: ByteSize = ByteSize::kib(256), in ByteSize::new(1)..=ByteSize::mib(64);
        /// Takes `http` as well: whoever is on the way can then replace the answer.
        restart allow_http: bool = false;
        /// Connects to loopback, private and carrier NAT addresses as well; link-local ones need `allow`.
        restart allow_private: bool = false;
        /// Networks that may be connected to although they are not of the public internet.
        restart allow: Vec<String> = Vec::new();
    }
}

/// The addresses of a host; the port is given back with them.
type Lookup = dyn Fn(String, u16) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>
    + Send
    + Sync;

/// Fetches documents. Copies share everything. See the [crate docs](crate).
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

struct Inner {
    bounds: FetcherConfig,
    rules: AddressRules,
    tls: Arc<ClientConfig>,
    lookup: Box<Lookup>,
}

/// What was fetched: the answer to a GET with the status 200.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body, at most `max_answer` bytes.
    pub body: Bytes,
}

impl Fetcher {
    /// Fetches inside the bounds of `config`; certificates must come from `roots`.
    ///
    /// # Errors
    ///
    /// When a network to allow is none, or the roots hold no certificate.
    pub fn new(config: &FetcherConfig, roots: &Roots) -> Result<Self, InvalidFetcher> {
        Self::with_lookup(config, roots, Box::new(connect::system_lookup))
    }

    fn with_lookup(
        config: &FetcherConfig,
        roots: &Roots,
        lookup: Box<Lookup>,
    ) -> Result<Self, InvalidFetcher> {
        let mut rules = AddressRules::default().allow(&config.allow)?;
        if config.allow_private {
            rules = rules.allow_private();
        }
        let tls = Arc::new(tls::config(roots)?);
        Ok(Self(Arc::new(Inner { bounds: config.clone(), rules, tls, lookup })))
    }

    /// Checks a URL, once, at start.
    ///
    /// # Errors
    ///
    /// When it is not `https` (or `http` where that was allowed), or holds credentials or a fragment.
    pub fn endpoint(&self, url: &str) -> Result<Endpoint, InvalidEndpoint> {
        let plain = if self.0.bounds.allow_http { Plain::Allow } else { Plain::Refuse };
        Endpoint::parse(url, plain)
    }

    /// Gets the document at `endpoint`.
    ///
    /// # Errors
    ///
    /// When any bound is met, the certificate is not trusted, or the answer is not a plain 200.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection. A name that the operating system has begun to look
    /// up is looked up to its end, on one of the runtime's blocking threads.
    pub async fn get(&self, endpoint: &Endpoint) -> Result<Answer, FetchError> {
        let fetch = timeout(self.0.bounds.whole, self.0.fetch(endpoint));
        let answer = fetch.await.unwrap_or(Err(Fault::Whole(self.0.bounds.whole)));
        answer.map_err(|fault| FetchError { host: endpoint.host().into(), fault })
    }
}

impl Inner {
    async fn fetch(&self, endpoint: &Endpoint) -> Result<Answer, Fault> {
        if endpoint.server_name().is_none() && !self.bounds.allow_http {
            return Err(Fault::PlainHttp);
        }
        let connect = async {
            let stream = self.connect(endpoint).await?;
            Ok(match endpoint.server_name() {
                Some(name) => Connection::Tls(Box::new(self.agree(name, stream).await?)),
                None => Connection::Plain(stream),
            })
        };
        let connection = timeout(self.bounds.connect, connect).await;
        match connection.unwrap_or(Err(Fault::Connecting(self.bounds.connect)))? {
            Connection::Tls(stream) => exchange::get(stream, endpoint, &self.bounds).await,
            Connection::Plain(stream) => exchange::get(stream, endpoint, &self.bounds).await,
        }
    }
}

enum Connection {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("bounds", &self.0.bounds).finish_non_exhaustive()
    }
}
