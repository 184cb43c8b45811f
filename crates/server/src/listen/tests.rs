//! Connections in memory, and a clock that is moved by hand.

mod bodies;
mod http2;
mod limits;
mod parting;
mod resting;

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::{Context, Poll},
};

use bytes::Bytes;
use gabion_config::Live;
use gabion_errors::BoxError;
use gabion_lifecycle::{Drain, Readiness};
use gabion_limits::{ConnectionConfig, ConnectionTable};
use gabion_tower::Peer;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    sync::Notify,
    task::JoinHandle,
};

use std::sync::Arc;

use super::*;
use crate::{body::RequestBody, settings::ServerSettings};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// How much a connection reads at once while it has no buffer.
const PIECE: usize = 4096;

/// A stream that tells how much room its latest reader has: hyper's buffer is larger than what a
/// connection without one uses.
struct Spied {
    stream: DuplexStream,
    room: Arc<AtomicUsize>,
}

impl AsyncRead for Spied {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.room.store(buf.remaining(), Relaxed);
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Spied {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Answers with so many bytes as the path says, `/wait` when it is told to, `/read` when it has read.
struct Bytewise {
    told: Notify,
}

impl Answer for Bytewise {
    type Body = BoxBody<Bytes, BoxError>;

    async fn answer(
        self: Arc<Self>,
        request: Request<RequestBody>,
        _: Peer,
        _: bool,
    ) -> Response<Self::Body> {
        let (head, read) = request.into_parts();
        let path = head.uri.path();
        let mut status = StatusCode::OK;
        if path == "/wait" {
            self.told.notified().await;
        } else if path == "/read" && read.collect().await.is_err() {
            status = StatusCode::REQUEST_TIMEOUT;
        }
        let length = path[1..].parse().unwrap_or(2);
        let body = Full::new(Bytes::from(vec![b'x'; length]));
        let mut response = Response::new(body.map_err(|never| match never {}).boxed());
        *response.status_mut() = status;
        response
    }
}

struct World {
    client: DuplexStream,
    sweeper: Arc<Sweeper>,
    settings: Arc<Live<ServerSettings>>,
    room: Arc<AtomicUsize>,
    answer: Arc<Bytewise>,
    now: u64,
    served: JoinHandle<()>,
}

impl World {
    fn new() -> Self {
        Self::with(64 * 1024, ServerSettings::default())
    }

    /// A connection whose stream holds `room` bytes in each direction.
    fn with(capacity: usize, settings: ServerSettings) -> Self {
        let (client, stream) = duplex(capacity);
        let (sweeper, room) = (Arc::new(Sweeper::new()), Arc::new(AtomicUsize::new(0)));
        let settings = Arc::new(Live::new(settings));
        sweeper.look(1000, &settings.load().limits);
        let entrance = Entrance {
            table: Arc::new(ConnectionTable::new(&ConnectionConfig::default())),
            sweeper: Arc::clone(&sweeper),
            drain: Drain::new(Readiness::new()),
            settings: Arc::clone(&settings),
            door: Arc::default(),
        };
        let peer = "192.0.2.1:1".parse().unwrap();
        let permit = entrance.table.admit("192.0.2.1".parse().unwrap()).unwrap();
        let answer = Arc::new(Bytewise { told: Notify::new() });
        let stream = Spied { stream, room: Arc::clone(&room) };
        let watched = sweeper.watch();
        let served =
            tokio::spawn(connection(stream, watched, peer, permit, entrance, answer.clone()));
        Self { client, sweeper, settings, room, answer, now: 1000, served }
    }

    /// Lets the sweeper look after `millis`, and nobody act on it yet.
    fn look_after(&mut self, millis: u64) {
        self.now += millis;
        self.sweeper.look(self.now, &self.settings.load().limits);
    }

    async fn pass(&mut self, millis: u64) {
        self.look_after(millis);
        settle().await;
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.write_all(bytes.as_ref()).await.unwrap();
        settle().await;
    }

    /// What has come so far.
    async fn came(&mut self) -> String {
        String::from_utf8(self.bytes().await).unwrap()
    }

    async fn bytes(&mut self) -> Vec<u8> {
        settle().await;
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        let mut piece = ReadBuf::new(&mut piece);
        std::future::poll_fn(|cx| {
            while let Poll::Ready(Ok(())) = Pin::new(&mut self.client).poll_read(cx, &mut piece) {
                if piece.filled().is_empty() {
                    break;
                }
                all.extend_from_slice(piece.filled());
                piece.clear();
            }
            Poll::Ready(())
        })
        .await;
        all
    }

    /// The types of the HTTP/2 frames that have come so far (RFC 9113 §4.1).
    async fn frames(&mut self) -> Vec<u8> {
        let bytes = self.bytes().await;
        let (mut left, mut types) = (&bytes[..], Vec::new());
        while let [a, b, c, kind, _, _, _, _, _, payload @ ..] = left {
            types.push(*kind);
            left = &payload[u32::from_be_bytes([0, *a, *b, *c]) as usize..];
        }
        types
    }

    async fn is_answered(&mut self, request: &str) {
        self.send(request).await;
        let came = self.came().await;
        assert!(came.starts_with("HTTP/1.1 200 OK") && came.ends_with("\r\n\r\nxx"), "{came}");
    }

    fn is_put_aside(&self) -> bool {
        self.room.load(Relaxed) == PIECE
    }

    /// Everything until the server ends the connection.
    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.client.read_to_string(&mut rest).await.unwrap();
        (&mut self.served).await.unwrap();
        rest
    }
}

/// Lets every task run until it waits.
async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// The preface, and SETTINGS without any.
const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingpong";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
const HEADERS_FRAME: u8 = 1;
const GOAWAY_FRAME: u8 = 7;

/// HEADERS of `GET http://a/`, all there is of that request.
fn get(stream: u8) -> Vec<u8> {
    [&[0, 0, 6, 1, 5, 0, 0, 0, stream], &b"\x82\x86\x84\x41\x01a"[..]].concat()
}
