use std::{
    convert::Infallible,
    error::Error,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use gabion_config::Live;
use gabion_errors::BoxError;
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::Service,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Watch, Watched, calm::Calm, io::WatchedIo, parting::Parting, preface::Protocol,
    streams::STREAMS,
};
use crate::settings::ServerSettings;

/// What is still read of a request that nobody reads, and for how long, so that its client can see the
/// answer.
const FORGOTTEN: usize = 256 * 1024;
const FORGETTING: Duration = Duration::from_secs(1);

/// A connection until it ends.
///
/// hyper and its buffers, some ten kilobytes, are there only while they are needed: from the first byte
/// until an HTTP/1 connection has rested for half a second, and again when it wakes up. In between there
/// is the stream, and this is written out because every `async` block around it would hold it twice. An
/// HTTP/2 connection keeps its state.
pub(super) struct Driven<T, S> {
    aside: Option<Aside<T, S>>,
    work: Option<Work<T, S>>,
    watched: Watched,
    settings: Arc<Live<ServerSettings>>,
    /// Nothing is known of what the client speaks.
    fresh: bool,
}

/// A connection without hyper.
struct Aside<T, S> {
    io: WatchedIo<T>,
    service: S,
}

/// hyper at work; in the end the connection is there again, if it only rests.
type Work<T, S> = Pin<Box<dyn Future<Output = Result<Option<Aside<T, S>>, BoxError>> + Send>>;

impl<T, S> Driven<T, S> {
    pub(super) fn new(
        stream: T,
        service: S,
        watched: Watched,
        settings: Arc<Live<ServerSettings>>,
    ) -> Self {
        let io = WatchedIo::new(stream, Arc::clone(&watched.watch));
        Self { aside: Some(Aside { io, service }), work: None, watched, settings, fresh: true }
    }

    /// What the bytes that are there belong to, once that is known.
    fn protocol(&self, io: &WatchedIo<T>) -> Option<Protocol> {
        if io.ahead().is_empty() {
            return None;
        }
        if !self.fresh || !self.settings.load().server.http2 {
            return Some(Protocol::Http1);
        }
        Protocol::of(io.ahead()).or_else(|| io.is_at_end().then_some(Protocol::Http1))
    }
}

impl<T, S, B> Future for Driven<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Unpin + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Error = BoxError> + Send + 'static,
    B::Data: Send,
{
    /// Errors are those of hyper and of the stream.
    type Output = Result<(), BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if let Some(work) = &mut this.work {
                this.aside = ready!(work.as_mut().poll(cx))?;
                this.work = None;
            }
            let Some(mut aside) = this.aside.take() else { return Poll::Ready(Ok(())) };
            let Some(protocol) = this.protocol(&aside.io) else {
                let polled = aside.io.poll_more(cx);
                if matches!(polled, Poll::Ready(Ok(false))) {
                    return Poll::Ready(Ok(()));
                }
                this.aside = Some(aside);
                ready!(polled)?;
                continue;
            };
            this.fresh = false;
            let watch = Arc::clone(&this.watched.watch);
            let settings = this.settings.load();
            this.work = Some(match protocol {
                Protocol::Http1 => Box::pin(serve_http1(aside, watch, http1_builder(&settings))),
                Protocol::Http2 => Box::pin(serve_http2(aside, watch, http2_builder(&settings))),
            });
        }
    }
}

async fn serve_http1<T, S, B>(
    aside: Aside<T, S>,
    watch: Arc<Watch>,
    builder: http1::Builder,
) -> Result<Option<Aside<T, S>>, BoxError>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body<Error = BoxError> + 'static,
{
    let mut connection = builder.serve_connection(TokioIo::new(aside.io), aside.service);
    let Some(ended) = ended_or_resting(&mut connection, &watch).await else {
        Pin::new(&mut connection).graceful_shutdown();
        let mut parting = pin!(connection.without_shutdown());
        // An idle connection parts at once; one that hyper knows to be busy ends when it is not.
        let parted = poll_fn(|cx| Poll::Ready(parting.as_mut().poll(cx))).await;
        let Poll::Ready(parts) = parted else {
            watch.head_began();
            parting.await?;
            return Ok(None);
        };
        let parts = parts?;
        let (mut io, service) = (parts.io.into_inner(), parts.service);
        if !parts.read_buf.is_empty() {
            watch.head_began();
        }
        io.put_back(parts.read_buf);
        watch.wake_up();
        return Ok(Some(Aside { io, service }));
    };
    let parts = connection.into_parts();
    let mut io = parts.io.into_inner();
    if watch.is_closed_for_head() && !parts.read_buf.is_empty() {
        poll_fn(|cx| {
            io.refuse_slow_head(cx);
            Poll::Ready(())
        })
        .await;
    } else if watch.is_left_unread()
        && ended.as_ref().map_or_else(hyper::Error::is_parse, |()| true)
        && !io.is_at_end()
    {
        let _ = tokio::time::timeout(FORGETTING, io.forget(FORGOTTEN)).await;
    }
    ended?;
    Ok(None)
}

/// Serves `connection` until it ends; `None` when it has rested long enough to be put aside.
async fn ended_or_resting(
    mut connection: impl Future<Output = hyper::Result<()>> + Unpin,
    watch: &Watch,
) -> Option<hyper::Result<()>> {
    poll_fn(|cx| {
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(Some(ended));
        }
        // hyper has just found nothing to do: no byte is between it and its stream.
        if watch.may_be_put_aside() {
            return Poll::Ready(None);
        }
        watch.wake_up();
        Poll::Pending
    })
    .await
}

async fn serve_http2<T, S, B>(
    aside: Aside<T, S>,
    watch: Arc<Watch>,
    builder: http2::Builder<TokioExecutor>,
) -> Result<Option<Aside<T, S>>, BoxError>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body<Error = BoxError> + Send + 'static,
    B::Data: Send,
{
    watch.set_http2();
    let io = TokioIo::new(Calm::new(aside.io, &watch));
    let service = Parting::new(aside.service, Arc::clone(&watch));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut told = false;
    let served = poll_fn(|cx| {
        loop {
            let polled = connection.as_mut().poll(cx);
            if polled.is_ready() || told || !watch.is_ending() {
                return polled;
            }
            // GOAWAY; over HTTP/1 the next answer tells.
            told = true;
            watch.goes_away();
            connection.as_mut().graceful_shutdown();
        }
    })
    .await;
    if served.as_ref().is_err_and(is_flood) {
        watch.flooded();
    }
    served?;
    Ok(None)
}

/// Whether h2 parted with its client for what `Calm` does not bound: resets, header lists, CONTINUATION,
/// DATA of next to nothing. Of what `Calm` does, its own error comes.
fn is_flood(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_library() && cause.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM)
    })
}

fn http1_builder(settings: &ServerSettings) -> http1::Builder {
    let size = &settings.limits.size;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(most_of_a_head(settings));
    // Answers are small: to copy one behind its head costs less than a write of two pieces. `WatchedIo`
    // looks for hyper's own refusals in writes of one piece only.
    builder.writev(false);
    // Beyond hyper's own hundred it allocates and fills two tables for each request; what it refuses
    // by itself gets its problem from `WatchedIo`.
    if size.headers > 100 {
        builder.max_headers(size.headers.saturating_add(1));
    }
    builder
}

fn http2_builder(settings: &ServerSettings) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .max_concurrent_streams(STREAMS)
        // Opened and given up at once, before they could be served (CVE-2023-44487). More than these
        // come from nobody in good faith.
        .max_pending_accept_reset_streams(20)
        // That the client made us reset (CVE-2025-8671), refused ones among them, as long as the
        // connection lives: one that does not know our bound yet opens a hundred streams at once.
        .max_local_error_reset_streams(256)
        // What one connection may make us hold of bodies, and each of its streams of an answer.
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .max_send_buf_size(64 * 1024)
        // What a field that is sent once and named again may be as large as, and a frame.
        .header_table_size(4096)
        .max_frame_size(16 * 1024)
        // From four times as much on the connection ends; in between hyper answers with 431.
        .max_header_list_size(u32::try_from(most_of_a_head(settings)).unwrap_or(u32::MAX))
        // The sweeper finds connections that rest; our own PINGs would only keep them.
        .keep_alive_interval(None);
    builder
}

/// Larger heads than the limits allow are still parsed, so that they are answered with a problem.
fn most_of_a_head(settings: &ServerSettings) -> usize {
    settings.limits.size.head.as_usize().saturating_add(64 * 1024)
}
