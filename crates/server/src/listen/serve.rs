use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use gabion_config::Live;
use gabion_errors::BoxError;
use gabion_lifecycle::{Acceptor, Drain};
use gabion_limits::{ConnectionPermit, ConnectionTable};
use gabion_tower::Peer;
use http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::{Sweeper, Watch, io::WatchedIo, streams::STREAMS};
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
        match entrance.table.admit(peer.ip()) {
            Ok(permit) => {
                let connection = connection(stream, peer, permit, entrance.clone(), answer.clone());
                tokio::spawn(connection);
            }
            // Closed at once: an answer would cost more than the attacker's attempt.
            Err(full) => debug!(%peer, reason = %full, "connection refused"),
        }
    }
}

/// Serves one connection to its end; it counts as open from this call on.
pub fn connection<A: Answer>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    permit: ConnectionPermit,
    entrance: Entrance,
    answer: Arc<A>,
) -> impl Future<Output = ()> + Send {
    let busy = entrance.drain.busy();
    async move {
        let watched = entrance.sweeper.watch();
        let reserved = permit.reserved();
        let builder = builder(&entrance.settings.load_full());
        let io = TokioIo::new(WatchedIo::new(stream, Arc::clone(&watched.watch)));
        let service = {
            let watch = Arc::clone(&watched.watch);
            service_fn(move |request: Request<Incoming>| {
                watch.request_began(request.version() == Version::HTTP_2);
                let under_way = Some(UnderWay(Arc::clone(&watch)));
                let body_watch = Arc::clone(&watch);
                let request =
                    request.map(|body| RequestBody::Connection { body, watch: body_watch });
                Answering {
                    answer: Arc::clone(&answer).answer(request, Peer(peer), reserved),
                    under_way,
                }
            })
        };
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut told = false;
        let ended = poll_fn(|cx| {
            if !told && watched.watch.is_draining() {
                told = true;
                if watched.watch.is_http2() {
                    // GOAWAY; an HTTP/1 connection is told with its next response.
                    connection.as_mut().graceful_shutdown();
                }
            }
            connection.as_mut().poll(cx)
        });
        if let Err(error) = ended.await {
            debug!(%peer, %error, "connection ended");
        }
        drop((permit, busy, watched));
    }
}

pin_project! {
    /// An answer on its way: written out, since an `async` block around a future moves all of it.
    struct Answering<F> {
        #[pin]
        answer: F,
        under_way: Option<UnderWay>,
    }
}

impl<B: Body, F: Future<Output = Response<B>>> Future for Answering<F> {
    type Output = Result<Response<Counted<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Poll::Ready(response) = this.answer.poll(cx) else { return Poll::Pending };
        let under_way = this.under_way.take();
        Poll::Ready(Ok(response.map(|body| {
            let sent = body.is_end_stream();
            let watch = under_way.as_ref().filter(|_| !sent).map(|under_way| &under_way.0);
            let stream = watch.and_then(|watch| watch.stream_began());
            Counted { body, stream, under_way }
        })))
    }
}

fn builder(settings: &ServerSettings) -> Builder<TokioExecutor> {
    let (size, http2) = (&settings.limits.size, settings.server.http2);
    let mut builder = Builder::new(TokioExecutor::new());
    if !http2 {
        builder = builder.http1_only();
    }
    // Larger heads than the limits allow are still parsed, so that they are answered with a problem.
    let most = size.head.as_usize().saturating_add(64 * 1024);
    builder.http1().max_buf_size(most);
    // Answers are small: to copy one behind its head costs less than a write of two pieces.
    builder.http1().writev(false);
    // Beyond hyper's own hundred it allocates and fills two tables for each request; what it refuses
    // by itself gets its problem from `WatchedIo`.
    if size.headers > 100 {
        builder.http1().max_headers(size.headers.saturating_add(1));
    }
    builder
        .http2()
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .max_send_buf_size(64 * 1024)
        .max_header_list_size(u32::try_from(most).unwrap_or(u32::MAX));
    builder
}

/// A request under way on its connection.
struct UnderWay(Arc<Watch>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// A response body; when it ends, its request is no longer under way.
struct Counted<B> {
    body: B,
    /// Where its progress is noted, over HTTP/2.
    stream: Option<u32>,
    under_way: Option<UnderWay>,
}

impl<B> Drop for Counted<B> {
    fn drop(&mut self) {
        if let (Some(under_way), Some(stream)) = (&self.under_way, self.stream) {
            under_way.0.stream_ended(stream);
        }
    }
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Some(under_way), Some(stream)) = (&self.under_way, self.stream) {
            if polled.is_pending() {
                under_way.0.stream_taken(stream);
            } else {
                under_way.0.stream_given(stream);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
