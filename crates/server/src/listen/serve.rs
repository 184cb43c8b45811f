use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Poll, ready},
};

use bytes::Bytes;
use gabion_config::Live;
use gabion_errors::BoxError;
use gabion_lifecycle::{Acceptor, Drain};
use gabion_limits::{ConnectionPermit, ConnectionTable};
use gabion_tower::Peer;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, service::service_fn};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::{
    BodyWatch, Door, Sweeper, Watched,
    answer::Answering,
    door::{Admitted, enter},
    drive::Driven,
    socket::Socket,
};
use crate::{body::RequestBody, settings::ServerSettings};

/// What connections share on their way in.
#[derive(Clone)]
pub struct Entrance {
    /// Counts connections, in all and per address.
    pub table: Arc<ConnectionTable>,
    /// Ends what is too slow.
    pub sweeper: Arc<Sweeper>,
    /// Knows whether the server drains.
    pub drain: Drain,
    /// The bounds of heads and streams.
    pub settings: Arc<Live<ServerSettings>>,
    /// What stands before the first request.
    pub door: Arc<Door>,
}

/// A service for requests of connections; `reserved` is whether only probes are served.
pub trait Answer: Send + Sync + 'static {
    /// The body of its responses.
    type Body: Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static;

    /// Answers one request.
    fn answer(
        self: Arc<Self>,
        request: Request<RequestBody>,
        peer: Peer,
        reserved: bool,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static;
}

/// Accepts and serves connections until the drain ends accepting.
pub async fn serve<A: Answer>(acceptor: Acceptor, entrance: Entrance, answer: Arc<A>) {
    let mut ended = pin!(entrance.drain.accepting_ended());
    loop {
        let accepted = tokio::select! {
            accepted = acceptor.accept() => accepted,
            () = &mut ended => return,
        };
        let (stream, peer) = accepted;
        match entrance.door.admit(&entrance, peer) {
            Admitted::Place(permit) => {
                let watched = entrance.sweeper.watch();
                if permit.reserved() {
                    watched.watch.reserve();
                }
                let (entrance, answer) = (entrance.clone(), Arc::clone(&answer));
                if entrance.door.is_open() {
                    let stream = Socket::new(stream, Arc::clone(&watched.watch));
                    tokio::spawn(connection(stream, watched, peer, permit, entrance, answer));
                } else {
                    tokio::spawn(enter(stream, watched, peer, permit, entrance, answer));
                }
            }
            // Closed at once: an answer would cost more than the attacker's attempt.
            Admitted::Full(full) => debug!(%peer, reason = %full, "connection refused"),
            Admitted::Untrusted => {
                debug!(%peer, "connection refused: its peer is no trusted proxy");
            }
        }
    }
}

/// Serves one connection to its end; it counts as open from this call on.
///
/// `watched` may have watched it before, as through a handshake.
pub fn connection<A: Answer>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    watched: Watched,
    peer: SocketAddr,
    permit: ConnectionPermit,
    entrance: Entrance,
    answer: Arc<A>,
) -> impl Future<Output = ()> + Send {
    let kept = (entrance.drain.busy(), permit);
    let reserved = kept.1.reserved();
    let watch = Arc::clone(&watched.watch);
    watch.accepted();
    let service = service_fn(move |request: Request<Incoming>| {
        let body_watch = BodyWatch::new(Arc::clone(&watch), &request);
        let request =
            request.map(|body| RequestBody::Connection { body: Some(body), watch: body_watch });
        Answering::new(&watch, || Arc::clone(&answer).answer(request, Peer(peer), reserved))
    });
    let mut driven = Driven::new(stream, service, watched, entrance.settings);
    poll_fn(move |cx| {
        if let Err(error) = ready!(Pin::new(&mut driven).poll(cx)) {
            debug!(%peer, %error, "connection ended");
        }
        let _open_until_here = &kept;
        Poll::Ready(())
    })
}
