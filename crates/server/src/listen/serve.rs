use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    mem,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use gabion_config::Live;
use gabion_errors::BoxError;
use gabion_lifecycle::{Acceptor, Drain};
use gabion_limits::{ConnectionPermit, ConnectionTable};
use gabion_tower::Peer;
use http::{
    Request, Response,
    header::{CONNECTION, HeaderValue},
};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::service_fn};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::{
    BodyWatch, Door, Sweeper, Watch, Watched, door::enter, drive::Driven, socket::Socket,
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
        let Some(admitted) = entrance.door.admit(&entrance, peer) else {
            debug!(%peer, "connection refused: its peer is no trusted proxy");
            continue;
        };
        match admitted {
            Ok(permit) => {
                let watched = entrance.sweeper.watch();
                let (entrance, answer) = (entrance.clone(), Arc::clone(&answer));
                if entrance.door.is_open() {
                    let stream = Socket::new(stream, Arc::clone(&watched.watch));
                    tokio::spawn(connection(stream, watched, peer, permit, entrance, answer));
                } else {
                    tokio::spawn(enter(stream, watched, peer, permit, entrance, answer));
                }
            }
            // Closed at once: an answer would cost more than the attacker's attempt.
            Err(full) => debug!(%peer, reason = %full, "connection refused"),
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
        watch.request_began();
        let under_way = Some(UnderWay(Arc::clone(&watch)));
        let body_watch = BodyWatch::new(Arc::clone(&watch));
        let request = request.map(|body| RequestBody::Connection { body, watch: body_watch });
        Answering { answer: Arc::clone(&answer).answer(request, Peer(peer), reserved), under_way }
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
        let Poll::Ready(mut response) = this.answer.poll(cx) else { return Poll::Pending };
        let under_way = this.under_way.take();
        if let Some(UnderWay(watch)) = &under_way
            && watch.is_last()
            && !watch.is_http2()
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|body| {
            let sent = body.is_end_stream();
            let watch = under_way.as_ref().filter(|_| !sent).map(|under_way| &under_way.0);
            let stream = watch.and_then(|watch| watch.stream_began());
            Counted { body, rest: Bytes::new(), stream, under_way }
        })))
    }
}

/// Given to hyper at once of a body over HTTP/2: as large as its frames.
const PIECE: usize = 16 * 1024;

/// A request under way on its connection.
struct UnderWay(Arc<Watch>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// A response body; when it ends, its request is no longer under way.
///
/// Over HTTP/2 it is given away in pieces, the next one when the client has room for it. What hyper has
/// is gone from here, and a client that then takes nothing of it would not be found.
struct Counted<B> {
    body: B,
    /// Of its last frame, what is not given yet.
    rest: Bytes,
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
        let polled = match self.rest.is_empty() {
            true => Pin::new(&mut self.body).poll_frame(cx),
            false => Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.rest))))),
        };
        let this = &mut *self;
        if let (Some(under_way), Some(stream)) = (&this.under_way, this.stream) {
            if polled.is_pending() {
                under_way.0.stream_taken(stream);
            } else {
                under_way.0.stream_given(stream);
            }
            return polled.map_ok(|frame| first_piece(frame, &mut this.rest));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Asked before the first frame.
        self.body.size_hint()
    }
}

/// The first piece of a frame with data; `rest` is what comes after it.
fn first_piece(frame: Frame<Bytes>, rest: &mut Bytes) -> Frame<Bytes> {
    match frame.into_data() {
        Ok(mut data) if data.len() > PIECE => {
            *rest = data.split_off(PIECE);
            Frame::data(data)
        }
        Ok(data) => Frame::data(data),
        Err(frame) => frame,
    }
}
