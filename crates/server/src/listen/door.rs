use std::{future::Future, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use gabion_limits::{ConnectionPermit, ConnectionsFull, TrustedProxies};
use metrics::Counter;
use tokio::net::TcpStream;
use tracing::debug;

use super::{
    Answer, Entrance, Tls, Watched, connection,
    proxy::{self, ProxyError},
    socket::Socket,
};
use crate::metrics::PROXY_HEADERS;

/// What stands between a socket and its first request.
#[derive(Default)]
pub struct Door {
    proxies: Option<Proxies>,
    tls: Option<Arc<Tls>>,
}

/// What a door makes of a new connection.
pub(super) enum Admitted {
    /// It has this place.
    Place(ConnectionPermit),
    /// There is none left.
    Full(ConnectionsFull),
    /// Only trusted proxies come in here, and its peer is none.
    Untrusted,
}

/// The proxies that say whom a connection is from.
struct Proxies {
    trusted: ArcSwap<TrustedProxies>,
    accepted: Counter,
    untrusted: Counter,
    invalid: Counter,
}

impl Door {
    /// A door with TLS, where there is any.
    #[must_use]
    pub fn new(tls: Option<Arc<Tls>>) -> Self {
        Self { proxies: None, tls }
    }

    /// The same for connections of `trusted` alone, which begin with a PROXY protocol header.
    #[must_use]
    pub fn behind(mut self, trusted: TrustedProxies) -> Self {
        let counter =
            |outcome: &'static str| metrics::counter!(PROXY_HEADERS, "outcome" => outcome);
        self.proxies = Some(Proxies {
            trusted: ArcSwap::from_pointee(trusted),
            accepted: counter("accepted"),
            untrusted: counter("untrusted"),
            invalid: counter("invalid"),
        });
        self
    }

    /// From now on lets in connections of `trusted`, where it lets in those of proxies alone.
    pub fn trust(&self, trusted: TrustedProxies) {
        if let Some(proxies) = &self.proxies {
            proxies.trusted.store(Arc::new(trusted));
        }
    }

    /// Whether a socket carries requests from its first byte on.
    pub(super) fn is_open(&self) -> bool {
        self.proxies.is_none() && self.tls.is_none()
    }

    /// Looks for a place for a connection from `peer`.
    pub(super) fn admit(&self, entrance: &Entrance, peer: SocketAddr) -> Admitted {
        let found = match &self.proxies {
            None => entrance.table.admit(peer.ip()),
            Some(proxies) if !proxies.trusted.load().contains(peer.ip()) => {
                proxies.untrusted.increment(1);
                return Admitted::Untrusted;
            }
            // All connections are the proxy's. Whose they are is known with their first bytes.
            Some(_) => entrance.table.admit_unnamed(),
        };
        found.map_or_else(Admitted::Full, Admitted::Place)
    }
}

/// Leads a socket through its door and serves what comes through; it counts as open from this call on.
pub(super) fn enter<A: Answer>(
    socket: TcpStream,
    watched: Watched,
    peer: SocketAddr,
    permit: ConnectionPermit,
    entrance: Entrance,
    answer: Arc<A>,
) -> impl Future<Output = ()> + Send {
    let busy = entrance.drain.busy();
    async move {
        let (mut socket, mut permit, mut peer) = (socket, permit, peer);
        let door = Arc::clone(&entrance.door);
        if let Some(proxies) = &door.proxies {
            match watched.within(proxy::client(&mut socket)).await {
                Some(Ok(client)) => {
                    proxies.accepted.increment(1);
                    // Those that name nobody are the proxy's own.
                    peer = client.unwrap_or(peer);
                    if let Err(full) = permit.name(peer.ip()) {
                        debug!(%peer, reason = %full, "connection refused");
                        return;
                    }
                }
                Some(Err(error)) => {
                    if matches!(error, ProxyError::Invalid(_)) {
                        proxies.invalid.increment(1);
                    }
                    debug!(%peer, %error, "connection refused");
                    return;
                }
                None => return,
            }
        }
        let Some(tls) = &door.tls else {
            let socket = Socket::new(socket, Arc::clone(&watched.watch));
            let served = Box::pin(connection(socket, watched, peer, permit, entrance, answer));
            drop(busy);
            return served.await;
        };
        // In a box of its own, as what comes after it: else its room is kept as long as the connection.
        let shaken = Box::pin(watched.handshake(tls.shake(socket, &watched.watch))).await;
        match shaken {
            Some(Ok(stream)) => {
                let served = Box::pin(connection(stream, watched, peer, permit, entrance, answer));
                drop(busy);
                served.await;
            }
            Some(Err(error)) => debug!(%peer, %error, "TLS handshake failed"),
            None => debug!(%peer, "TLS handshake too slow"),
        }
    }
}
