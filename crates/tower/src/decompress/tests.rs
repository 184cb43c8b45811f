use std::{
    future::poll_fn,
    io::{Read, Write},
    pin::pin,
    task::Waker,
};

use flate2::{
    Compression, Crc, GzBuilder,
    read::{MultiGzDecoder, ZlibDecoder},
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use gabion_config::ByteSize;
use proptest::prelude::*;

use super::*;

/// A body in pieces, none of which is there at once.
struct Pieces {
    left: Bytes,
    size: usize,
    polled: usize,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.polled += 1;
        if self.polled % 2 == 1 {
            return Poll::Pending;
        }
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.size.min(self.left.len());
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }
}

const RATIO: u32 = 100;

fn bounds() -> Inflation {
    Inflation::new(ByteSize::mib(4), RATIO)
}

/// Everything that comes out, and how it ends.
fn read_within(
    bounds: Inflation,
    coding: ContentCoding,
    bytes: impl Into<Bytes>,
    size: usize,
) -> (Vec<u8>, Result<(), DecompressError>) {
    let body = Pieces { left: bytes.into(), size, polled: 0 };
    let mut body = pin!(Decompressed::new(body, Some(coding), bounds));
    let mut context = Context::from_waker(Waker::noop());
    let mut out = Vec::new();
    loop {
        match body.as_mut().poll_frame(&mut context) {
            Poll::Pending => {}
            Poll::Ready(None) => return (out, Ok(())),
            Poll::Ready(Some(Err(error))) => {
                assert!(body.is_end_stream());
                let after = body.as_mut().poll_frame(&mut context);
                assert!(matches!(after, Poll::Ready(None)), "an error is the end");
                return (out, Err(error));
            }
            Poll::Ready(Some(Ok(frame))) => {
                let data = frame.into_data().expect("data");
                assert!(!data.is_empty() && data.len() <= PIECE);
                out.extend_from_slice(&data);
            }
        }
    }
}

fn read(coding: ContentCoding, bytes: impl Into<Bytes>) -> Result<Vec<u8>, DecompressError> {
    let (out, end) = read_within(bounds(), coding, bytes, 1000);
    end.map(|()| out)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn is_malformed(read: &Result<Vec<u8>, DecompressError>) -> bool {
    matches!(read, Err(DecompressError::Malformed(_)))
}

#[test]
fn both_codings_give_what_went_in() {
    let plain: Vec<u8> = (0..300_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
    assert_eq!(read(ContentCoding::Gzip, gzip(&plain)).unwrap(), plain);
    assert_eq!(read(ContentCoding::Deflate, zlib(&plain)).unwrap(), plain);
    assert_eq!(read(ContentCoding::Gzip, gzip(b"")).unwrap(), b"");
    assert_eq!(read(ContentCoding::Deflate, zlib(b"")).unwrap(), b"");
}

#[test]
fn a_body_that_is_not_compressed_passes_as_it_is() {
    let body = Pieces { left: Bytes::from_static(b"\x1f\x8bplain"), size: 3, polled: 1 };
    let mut body = pin!(Decompressed::plain(body));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) else { panic!() };
    assert_eq!(frame.into_data().unwrap(), &b"\x1f\x8bp"[..]);
    assert!(!body.is_end_stream());
}

/// RFC 1952 s2.3.1.
#[test]
fn a_header_may_have_all_its_parts() {
    let builder = GzBuilder::new().filename("a.json").comment("c").extra(vec![1, 2, 0, 0]);
    let mut encoder = builder.write(Vec::new(), Compression::fast());
    encoder.write_all(b"{}").unwrap();
    let whole = encoder.finish().unwrap();
    assert_eq!(read(ContentCoding::Gzip, whole.clone()).unwrap(), b"{}");
    // The same with a checksum of the header behind the comment.
    let end = 10 + 2 + 4 + "a.json".len() + 1 + "c".len() + 1;
    let mut summed = whole;
    summed[3] |= 1 << 1;
    let mut sum = Crc::new();
    sum.update(&summed[..end]);
    summed.splice(end..end, sum.sum().to_le_bytes()[..2].to_vec());
    assert_eq!(read(ContentCoding::Gzip, summed.clone()).unwrap(), b"{}");
    summed[end] ^= 1;
    assert!(is_malformed(&read(ContentCoding::Gzip, summed)));
}

#[test]
fn a_header_has_a_bound_and_no_reserved_flags() {
    let named = |length| {
        let builder = GzBuilder::new().filename("x".repeat(length));
        let mut encoder = builder.write(Vec::new(), Compression::fast());
        encoder.write_all(b"{}").unwrap();
        read(ContentCoding::Gzip, encoder.finish().unwrap())
    };
    assert!(named(4000).is_ok());
    assert!(is_malformed(&named(5000)));
    for (at, byte) in [(0, 0x1e), (1, 0), (2, 7), (3, 0x20), (3, 0x80)] {
        let mut bytes = gzip(b"{}");
        bytes[at] = byte;
        assert!(is_malformed(&read(ContentCoding::Gzip, bytes)), "{at}");
    }
}

#[test]
fn a_wrong_checksum_or_length_is_malformed() {
    let whole = gzip(b"some text");
    for behind in 1..=8 {
        let mut bytes = whole.clone();
        let at = bytes.len() - behind;
        bytes[at] ^= 1;
        assert!(is_malformed(&read(ContentCoding::Gzip, bytes)), "{behind}");
    }
    let mut bytes = zlib(b"some text");
    *bytes.last_mut().unwrap() ^= 1;
    assert!(is_malformed(&read(ContentCoding::Deflate, bytes)));
}

#[test]
fn a_body_cut_anywhere_is_truncated() {
    let plain = b"some text, some text, some more text";
    for (coding, whole) in
        [(ContentCoding::Gzip, gzip(plain)), (ContentCoding::Deflate, zlib(plain))]
    {
        for end in 1..whole.len() {
            let read = read(coding, whole[..end].to_vec());
            assert!(matches!(read, Err(DecompressError::Truncated)), "{coding:?} {end} {read:?}");
        }
    }
}

#[test]
fn no_body_at_all_is_no_broken_one() {
    for coding in [ContentCoding::Gzip, ContentCoding::Deflate] {
        assert_eq!(read(coding, Bytes::new()).unwrap(), b"");
    }
    let none = Pieces { left: Bytes::new(), size: 1, polled: 0 };
    let body = Decompressed::new(none, Some(ContentCoding::Gzip), bounds());
    assert!(body.is_end_stream());
}

#[test]
fn nothing_may_stand_behind_the_end() {
    for (coding, mut bytes) in
        [(ContentCoding::Gzip, gzip(b"{}")), (ContentCoding::Deflate, zlib(b"{}"))]
    {
        bytes.push(0);
        let read = read(coding, bytes);
        // Behind gzip it could have become another member.
        let cut = matches!(read, Err(DecompressError::Truncated));
        assert!(is_malformed(&read) || cut, "{coding:?} {read:?}");
    }
    let garbage = [gzip(b"{}"), b"garbage".to_vec()].concat();
    assert!(is_malformed(&read(ContentCoding::Gzip, garbage)));
}

/// RFC 1952 s2.2.
#[test]
fn a_few_members_make_one_body() {
    let members = |count: usize| [gzip(b"ab"), gzip(b"")].concat().repeat(count / 2);
    assert_eq!(read(ContentCoding::Gzip, members(16)).unwrap(), b"ab".repeat(8));
    assert!(is_malformed(&read(ContentCoding::Gzip, members(18))));
    assert!(is_malformed(&read(ContentCoding::Gzip, members(100_000))));
}

#[test]
fn what_is_called_deflate_is_the_format_of_zlib() {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(b"bare").unwrap();
    assert!(is_malformed(&read(ContentCoding::Deflate, encoder.finish().unwrap())));
    assert!(is_malformed(&read(ContentCoding::Deflate, gzip(b"{}"))));
    assert!(is_malformed(&read(ContentCoding::Gzip, zlib(b"{}"))));
    // A dictionary that nobody agreed on (RFC 1950 §2.2).
    assert!(is_malformed(&read(
        ContentCoding::Deflate,
        &b"\x78\xbb\0\0\0\x01\x03\0\0\0\0\x01"[..]
    )));
}

#[test]
fn a_bomb_ends_at_its_bound() {
    let bomb = gzip(&vec![0; 10 << 20]);
    let (out, end) = read_within(bounds(), ContentCoding::Gzip, bomb.clone(), 1000);
    assert!(matches!(end, Err(DecompressError::TooLarge(SizeError::TooCompressed(RATIO)))));
    assert!(out.len() <= (1 << 20) + PIECE, "{}", out.len());
    let small = Inflation::new(ByteSize::kib(64), RATIO);
    let (out, end) = read_within(small, ContentCoding::Gzip, bomb, 1000);
    assert!(matches!(end, Err(DecompressError::TooLarge(SizeError::DecompressedTooLarge(_)))));
    assert!(out.len() <= 64 << 10, "{}", out.len());
}

#[test]
fn input_that_gives_nothing_has_a_bound_too() {
    // Stored blocks of no length (RFC 1951 §3.2.4), without end.
    let empty = [b"\x78\x9c".to_vec(), b"\x00\x00\x00\xff\xff".repeat(100_000)].concat();
    let small = Inflation::new(ByteSize::kib(64), RATIO);
    let (out, end) = read_within(small, ContentCoding::Deflate, empty, 1000);
    assert_eq!(out, b"");
    assert!(matches!(end, Err(DecompressError::TooLarge(SizeError::BodyTooLarge(_)))), "{end:?}");
}

#[test]
fn who_reads_fast_lets_others_in_between() {
    let plain = vec![0; 1 << 20];
    let whole = Pieces { left: gzip(&plain).into(), size: usize::MAX, polled: 1 };
    let mut body = pin!(Decompressed::new(whole, Some(ContentCoding::Gzip), bounds()));
    let mut context = Context::from_waker(Waker::noop());
    let (mut longest, mut run) = (0, 0);
    loop {
        match body.as_mut().poll_frame(&mut context) {
            Poll::Pending => run = 0,
            Poll::Ready(Some(Ok(frame))) => {
                run += frame.into_data().unwrap().len();
                longest = longest.max(run);
            }
            Poll::Ready(_) => break,
        }
    }
    assert!(longest <= TURN, "{longest}");
}

#[test]
fn an_error_of_the_body_is_its_own() {
    struct Fails;
    impl Body for Fails {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(Some(Err(crate::json::TooSlow.into())))
        }
    }
    for coding in [None, Some(ContentCoding::Gzip)] {
        let mut body = pin!(Decompressed::new(Fails, coding, bounds()));
        let mut context = Context::from_waker(Waker::noop());
        let polled = pin!(poll_fn(|cx| body.as_mut().poll_frame(cx))).poll(&mut context);
        let Poll::Ready(Some(Err(error))) = polled else { panic!() };
        assert_eq!(crate::json::broken(error.into()).problem().code(), "request-timeout");
    }
}

proptest! {
    #[test]
    fn any_bytes_end_within_their_bounds(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        size in 1_usize..50,
        gzipped in any::<bool>(),
    ) {
        let coding = if gzipped { ContentCoding::Gzip } else { ContentCoding::Deflate };
        let begin: &[u8] = if gzipped { b"\x1f\x8b\x08\0\0\0\0\0\0\0" } else { b"\x78\x9c" };
        for bytes in [bytes.clone(), [begin, &bytes].concat()] {
            let small = Inflation::new(ByteSize::kib(1), RATIO);
            let (out, _) = read_within(small, coding, bytes, size);
            prop_assert!(out.len() <= 1024);
        }
    }

    /// Whatever is taken means to flate2 what it means here.
    #[test]
    fn no_body_has_two_meanings(
        plain in prop::collection::vec(0_u8..4, 0..300),
        at in 0_usize..400,
        byte in any::<u8>(),
        members in 1_usize..3,
        gzipped in any::<bool>(),
    ) {
        let coding = if gzipped { ContentCoding::Gzip } else { ContentCoding::Deflate };
        let mut bytes = if gzipped { gzip(&plain).repeat(members) } else { zlib(&plain) };
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(own) = read(coding, bytes.clone()) {
            let mut other = Vec::new();
            let read = if gzipped {
                MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut other)
            } else {
                ZlibDecoder::new(bytes.as_slice()).read_to_end(&mut other)
            };
            prop_assert!(read.is_ok());
            prop_assert_eq!(own, other);
        }
    }

    #[test]
    fn pieces_of_any_size_give_the_same(
        plain in prop::collection::vec(0_u8..4, 0..5000),
        size in 1_usize..300,
        cut in 0_usize..5000,
    ) {
        let (first, second) = plain.split_at(cut.min(plain.len()));
        let members = [gzip(first), gzip(second)].concat();
        let (out, end) = read_within(bounds(), ContentCoding::Gzip, members, size);
        prop_assert!(end.is_ok());
        prop_assert_eq!(&out, &plain);
        let (out, end) = read_within(bounds(), ContentCoding::Deflate, zlib(&plain), size);
        prop_assert!(end.is_ok());
        prop_assert_eq!(&out, &plain);
    }
}
