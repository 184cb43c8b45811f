//! Compressed bodies: within their bounds, the same in pieces of any size, and with the meaning that
//! flate2 finds in them.

#![no_main]

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::Read,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use gabion_config::ByteSize;
use gabion_limits::{ContentCoding, Inflation};
use gabion_tower::Decompressed;
use http_body::{Body, Frame};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 64 << 10;

struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// What comes out, if all of it does.
fn read(coding: ContentCoding, bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let pieces = Pieces(bytes.chunks(size).map(Bytes::copy_from_slice).collect());
    let bounds = Inflation::new(ByteSize::new(LIMIT as u64), 100);
    let mut body = pin!(Decompressed::new(pieces, Some(coding), bounds));
    let mut context = Context::from_waker(Waker::noop());
    let mut out = Vec::new();
    loop {
        match body.as_mut().poll_frame(&mut context) {
            Poll::Pending => {}
            Poll::Ready(None) => return Some(out),
            Poll::Ready(Some(Err(_))) => return None,
            Poll::Ready(Some(Ok(frame))) => {
                out.extend(frame.into_data().expect("data"));
                assert!(out.len() <= LIMIT);
            }
        }
    }
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (gzip, size, bytes) = input;
    let coding = if gzip { ContentCoding::Gzip } else { ContentCoding::Deflate };
    let whole = read(coding, bytes, usize::MAX);
    assert_eq!(read(coding, bytes, usize::from(size.max(1))), whole);
    let Some(own) = whole.filter(|_| !bytes.is_empty()) else { return };
    let mut other = Vec::new();
    let read = if gzip {
        MultiGzDecoder::new(bytes).read_to_end(&mut other)
    } else {
        ZlibDecoder::new(bytes).read_to_end(&mut other)
    };
    read.expect("what is taken here is taken there");
    assert_eq!(own, other);
});
