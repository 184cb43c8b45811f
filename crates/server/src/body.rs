//! The bodies of requests and responses.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use gabion_errors::BoxError;
use gabion_tower::json::TooSlow;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::listen::BodyWatch;

/// What a handler answers with.
pub enum ReplyBody {
    /// All of it at once.
    Whole(Full<Bytes>),
    /// One piece after the other.
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl From<Bytes> for ReplyBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(full) => Pin::new(full).poll_frame(cx),
            Self::Stream(stream) => {
                stream.as_mut().poll_next(cx).map(|item| item.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(full) => full.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(full) => full.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// What a handler reads.
pub enum RequestBody {
    /// From a connection, whose sweeper notes how fast it comes.
    Connection {
        /// The body, until it is dropped.
        body: Option<Incoming>,
        /// How fast it comes.
        watch: BodyWatch,
    },
    /// Given whole: an item of a batch.
    Whole(Full<Bytes>),
}

impl RequestBody {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::Whole(Full::default())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(full) => Pin::new(full).poll_frame(cx).map_err(Into::into),
            Self::Connection { body, watch } => {
                if watch.body_is_too_slow() {
                    return Poll::Ready(Some(Err(TooSlow.into())));
                }
                let Some(body) = body else { return Poll::Ready(None) };
                let polled = Pin::new(body).poll_frame(cx);
                match &polled {
                    Poll::Pending => watch.body_waits(cx.waker()),
                    Poll::Ready(Some(Ok(frame))) => {
                        watch.body_came(frame.data_ref().map_or(0, Bytes::len));
                    }
                    Poll::Ready(_) => watch.body_ended(),
                }
                polled.map_err(Into::into)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(full) => full.is_end_stream(),
            Self::Connection { body, .. } => body.as_ref().is_none_or(Body::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(full) => full.size_hint(),
            Self::Connection { body, .. } => {
                body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
            }
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // A handler that stopped reading no longer waits for the client.
        if let Self::Connection { body, watch } = self {
            watch.body_ended();
            if let Some(rest) = body.take().filter(|rest| !rest.is_end_stream()) {
                watch.leave(rest);
            }
        }
    }
}
