use std::{
    any::Any,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use gabion_errors::BoxError;
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A response body that keeps what its request held until it ends.
    pub struct WallBody<B> {
        #[pin]
        content: Content<B>,
        // Dropped with the body: the place in flight is free and the duration known only then.
        track: Option<Box<dyn Any + Send>>,
    }
}

pin_project! {
    #[project = ContentProjection]
    enum Content<B> {
        Whole { bytes: Option<Bytes> },
        Handler { #[pin] body: B },
    }
}

impl<B> WallBody<B> {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self { content: Content::Whole { bytes }, track: None }
    }

    pub(crate) fn handler(body: B) -> Self {
        Self { content: Content::Handler { body }, track: None }
    }

    /// Its length where all of it is there, and only has to be sent.
    pub(super) fn known_length(&self) -> Option<u64>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        self.size_hint().exact()
    }

    /// None of it, as the answer to HEAD, whose fields still tell its length (RFC 9110 §9.3.2). Only over
    /// HTTP/1 do servers leave it out by themselves.
    pub(crate) fn left_out(self, headers: &mut HeaderMap) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        if let Some(length) = self.size_hint().exact().filter(|length| *length > 0) {
            headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        Self::whole(Bytes::new())
    }

    pub(super) fn tracked(mut self, track: Box<dyn Any + Send>) -> Self {
        self.track = Some(track);
        self
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Body for WallBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().content.project() {
            ContentProjection::Whole { bytes } => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            ContentProjection::Handler { body } => body.poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole { bytes } => bytes.is_none(),
            Content::Handler { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Handler { body } => body.size_hint(),
        }
    }
}
