use std::{
    convert::Infallible,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use gabion_errors::BoxError;
use http::{
    Response,
    header::{CONNECTION, HeaderValue},
};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Watch, leftover::Late};

pin_project! {
    /// An answer on its way: written out, since an `async` block around a future moves all of it.
    pub(super) struct Answering<F: Future> {
        #[pin]
        answer: F,
        under_way: Option<UnderWay>,
        // An answer that is ready before its request was read.
        late: Option<Box<Late<F::Output>>>,
    }
}

impl<F: Future> Answering<F> {
    /// A request began, and is answered by what `answer` makes.
    pub(super) fn new(watch: &Arc<Watch>, answer: impl FnOnce() -> F) -> Self {
        watch.request_began();
        let under_way = Some(UnderWay(Arc::clone(watch)));
        Self { answer: answer(), under_way, late: None }
    }
}

impl<B: Body, F: Future<Output = Response<B>>> Future for Answering<F> {
    type Output = Result<Response<Counted<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut response, whole) = match this.late.take() {
            Some(late) => ready!(settle(late, this.late, cx)),
            None => {
                let Poll::Ready(response) = this.answer.poll(cx) else { return Poll::Pending };
                let left = this.under_way.as_ref().and_then(|under_way| under_way.0.take_left());
                match left {
                    None => (response, true),
                    Some(left) => {
                        ready!(settle(Box::new(Late::new(response, left)), this.late, cx))
                    }
                }
            }
        };
        let under_way = this.under_way.take();
        if let Some(UnderWay(watch)) = &under_way
            && !watch.is_http2()
        {
            if !whole {
                watch.left_unread();
            }
            if !whole || watch.is_last() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        Poll::Ready(Ok(response.map(|body| {
            let sent = body.is_end_stream();
            let watch = under_way.as_ref().filter(|_| !sent).map(|under_way| &under_way.0);
            let stream = watch.and_then(|watch| watch.stream_began());
            Counted { body, rest: Bytes::new(), stream, under_way }
        })))
    }
}

/// The answer, and whether nothing of its request is left; until then it is kept in `place`.
fn settle<R>(
    mut late: Box<Late<R>>,
    place: &mut Option<Box<Late<R>>>,
    cx: &mut Context<'_>,
) -> Poll<(R, bool)> {
    match late.poll_whole(cx) {
        Poll::Ready(whole) => Poll::Ready((late.response, whole)),
        Poll::Pending => {
            *place = Some(late);
            Poll::Pending
        }
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
/// Over HTTP/2 it is given away in pieces, the next one when the client has room for it, and each tells
/// when it is sent: the body may be gone by then, and a client that takes nothing of it would not be
/// found.
pub(super) struct Counted<B> {
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

impl<B> Counted<B> {
    /// The first piece of `bytes`; the next one is what comes after it.
    fn piece(&mut self, mut bytes: Bytes) -> Piece {
        let (Some(UnderWay(watch)), Some(stream)) = (&self.under_way, self.stream) else {
            return Piece { bytes, _until_sent: None };
        };
        if bytes.len() > PIECE {
            self.rest = bytes.split_off(PIECE);
        }
        watch.stream_given(stream);
        Piece { bytes, _until_sent: Some(Given { watch: Arc::clone(watch), stream }) }
    }
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Body for Counted<B> {
    type Data = Piece;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, BoxError>>> {
        let polled = match self.rest.is_empty() {
            true => Pin::new(&mut self.body).poll_frame(cx),
            false => Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.rest))))),
        };
        polled.map_ok(|frame| frame.map_data(|bytes| self.piece(bytes)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Asked before the first frame.
        self.body.size_hint()
    }
}

/// What hyper is given of a body.
pub(super) struct Piece {
    bytes: Bytes,
    _until_sent: Option<Given>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.bytes.copy_to_bytes(count)
    }
}

/// A piece that is not sent yet, over HTTP/2.
struct Given {
    watch: Arc<Watch>,
    stream: u32,
}

impl Drop for Given {
    fn drop(&mut self) {
        self.watch.stream_taken(self.stream);
    }
}
