//! Connections in memory, and a clock that is moved by hand.

mod bodies;

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

#[tokio::test]
async fn a_connection_that_rests_is_put_aside_until_bytes_come() {
    let mut world = World::new();
    settle().await;
    assert!(world.is_put_aside(), "a new connection has no buffer");
    for _ in 0..3 {
        world.is_answered(REQUEST).await;
        assert!(!world.is_put_aside());
        world.pass(499).await;
        assert!(!world.is_put_aside());
        world.pass(1).await;
        assert!(world.is_put_aside());
    }
}

#[tokio::test]
async fn a_request_at_the_moment_of_resting_is_answered() {
    let mut world = World::new();
    world.is_answered(REQUEST).await;
    // The bytes are there before the connection finds that it rests.
    world.look_after(500);
    world.is_answered(REQUEST).await;
    assert!(!world.is_put_aside());
    // And they come right after it did.
    world.pass(500).await;
    assert!(world.is_put_aside());
    world.is_answered(REQUEST).await;
    assert!(!world.is_put_aside());
}

#[tokio::test]
async fn requests_that_come_in_halves_lose_no_byte() {
    let all = REQUEST.repeat(2);
    for at in 1..all.len() {
        let mut world = World::new();
        world.is_answered(REQUEST).await;
        // In turns: the first half comes before, and after it is put aside.
        if at % 2 == 0 {
            world.look_after(500);
        } else {
            world.pass(500).await;
        }
        world.send(&all[..at]).await;
        world.pass(600).await;
        world.send(&all[at..]).await;
        let came = world.came().await;
        assert_eq!(came.matches("HTTP/1.1 200 OK").count(), 2, "{at}: {came}");
        world.pass(500).await;
        assert!(world.is_put_aside(), "{at}");
    }
}

#[tokio::test]
async fn a_connection_with_a_request_under_way_does_not_rest() {
    let mut world = World::new();
    world.is_answered(REQUEST).await;
    world.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    world.pass(5000).await;
    world.answer.told.notify_one();
    let came = world.came().await;
    assert!(came.ends_with("xx"), "{came}");
    world.pass(400).await;
    assert!(!world.is_put_aside());
    world.pass(100).await;
    assert!(world.is_put_aside());
}

#[tokio::test]
async fn a_connection_whose_answer_is_not_taken_does_not_rest() {
    let mut world = World::with(1000, ServerSettings::default());
    world.send("GET /5000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    world.pass(2000).await;
    let mut came = String::new();
    while !came.ends_with(&"x".repeat(5000)) {
        came += &world.came().await;
    }
    world.pass(500).await;
    assert!(world.is_put_aside());
    world.is_answered(REQUEST).await;
}

#[tokio::test]
async fn a_drain_waits_for_the_next_request_of_a_connection_put_aside() {
    let mut world = World::new();
    world.is_answered(REQUEST).await;
    world.pass(500).await;
    world.sweeper.drain();
    settle().await;
    assert!(world.is_put_aside() && !world.served.is_finished());
    world.is_answered(REQUEST).await;
}

#[tokio::test]
async fn a_connection_put_aside_is_closed_when_it_was_idle_for_too_long() {
    let mut world = World::new();
    world.is_answered(REQUEST).await;
    world.pass(500).await;
    world.pass(59_499).await;
    assert!(!world.served.is_finished());
    world.pass(1).await;
    assert_eq!(world.rest().await, "");
}

#[tokio::test]
async fn a_client_that_leaves_ends_a_connection_put_aside() {
    let mut world = World::new();
    world.is_answered(REQUEST).await;
    world.pass(500).await;
    world.client.shutdown().await.unwrap();
    assert_eq!(world.rest().await, "");
}

#[tokio::test]
async fn a_slow_head_is_answered_and_silence_is_not() {
    for head in ["G", "P", "PRI * HT", "GET / HTTP/1.1\r\nHost:"] {
        for used in [false, true] {
            let mut world = World::new();
            if used {
                world.is_answered(REQUEST).await;
                world.pass(500).await;
            }
            world.send(head).await;
            world.pass(9999).await;
            assert!(!world.served.is_finished());
            world.pass(1).await;
            let rest = world.rest().await;
            assert!(rest.starts_with("HTTP/1.1 408 "), "{head}: {rest}");
            assert!(rest.contains("connection: close\r\n"), "{head}: {rest}");
            assert!(rest.contains("\"code\":\"request-timeout\""), "{head}: {rest}");
        }
    }
    let mut world = World::new();
    world.pass(10_000).await;
    assert_eq!(world.rest().await, "");
}

#[tokio::test]
async fn a_slow_head_that_came_with_a_good_request_has_the_time_of_a_head() {
    for in_flight in [false, true] {
        let mut world = World::new();
        if in_flight {
            world.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
            world.send(&REQUEST[..7]).await;
            world.answer.told.notify_one();
        } else {
            world.send(REQUEST.to_owned() + &REQUEST[..7]).await;
        }
        let came = world.came().await;
        assert!(came.starts_with("HTTP/1.1 200 ") && came.ends_with("xx"), "{in_flight}: {came}");
        // It is found when the connection seems to rest.
        world.pass(500).await;
        world.pass(9999).await;
        assert!(!world.served.is_finished(), "{in_flight}");
        world.pass(1).await;
        assert!(world.served.is_finished(), "{in_flight}");
        let rest = world.rest().await;
        assert!(rest.starts_with("HTTP/1.1 408 "), "{in_flight}: {rest}");
        assert!(rest.contains("\"code\":\"request-timeout\""), "{in_flight}: {rest}");
    }
}

#[tokio::test]
async fn a_slow_head_behind_an_answer_that_is_not_taken_gets_none() {
    let mut world = World::with(1000, ServerSettings::default());
    world.send(&format!("GET /5000 HTTP/1.1\r\nHost: a\r\n\r\n{}", &REQUEST[..9])).await;
    world.pass(10_000).await;
    let rest = world.rest().await;
    assert!(rest.starts_with("HTTP/1.1 200 ") && !rest.contains("408"), "{rest}");
}

#[tokio::test]
async fn the_last_of_so_many_requests_says_so() {
    let mut settings = ServerSettings::default();
    settings.limits.connections.requests = 3;
    let mut world = World::with(64 * 1024, settings);
    for _ in 0..2 {
        world.is_answered(REQUEST).await;
        world.pass(500).await;
    }
    world.send(REQUEST).await;
    let last = world.rest().await;
    assert!(last.contains("connection: close\r\n") && last.ends_with("xx"), "{last}");
}

#[tokio::test]
async fn an_old_connection_ends_with_its_next_answer() {
    let mut settings = ServerSettings::default();
    settings.limits.time.connection = std::time::Duration::from_secs(20);
    let mut world = World::with(64 * 1024, settings);
    world.is_answered(REQUEST).await;
    world.pass(19_999).await;
    world.is_answered(REQUEST).await;
    world.pass(1).await;
    assert!(!world.served.is_finished());
    world.send(REQUEST).await;
    let last = world.rest().await;
    assert!(last.contains("connection: close\r\n") && last.ends_with("xx"), "{last}");
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

#[tokio::test]
async fn http_2_without_a_request_has_the_time_of_a_head() {
    let mut world = World::new();
    world.send(BEGIN).await;
    for _ in 0..9 {
        world.send(PING).await;
        world.send(SETTINGS).await;
        world.pass(1000).await;
        assert!(!world.served.is_finished());
    }
    world.send(PING).await;
    world.pass(1000).await;
    assert!(world.served.is_finished());
}

#[tokio::test]
async fn frames_that_are_no_requests_keep_no_http_2_connection_alive() {
    let mut world = World::new();
    world.send(BEGIN).await;
    world.send(get(1)).await;
    assert!(world.frames().await.contains(&HEADERS_FRAME));
    for _ in 0..5 {
        world.send(PING).await;
        world.send(SETTINGS).await;
        world.pass(10_000).await;
        assert!(!world.served.is_finished() && !world.is_put_aside());
    }
    world.send(PING).await;
    world.pass(10_000).await;
    assert!(world.served.is_finished());
}

#[tokio::test]
async fn a_slow_head_over_http_2_has_the_time_of_a_head() {
    let wait = [&[0, 0, 12, 1, 5, 0, 0, 0, 1], &b"\x82\x86\x04\x05/wait\x41\x01a"[..]].concat();
    // HEADERS that do not end, and that are not there whole, and of which there is only the head.
    let mut unended = get(3);
    unended[4] = 1;
    let heads = [unended, get(3)[..12].to_vec(), get(3)[..5].to_vec()];
    for (first, answered) in [(get(1), true), (wait, false)] {
        for head in &heads {
            for together in [false, true] {
                let mut world = World::new();
                world.send(BEGIN).await;
                if together {
                    world.send([&first[..], head].concat()).await;
                } else {
                    world.send(&first).await;
                    world.send(head).await;
                }
                assert_eq!(world.frames().await.contains(&HEADERS_FRAME), answered);
                world.pass(9999).await;
                assert!(!world.served.is_finished(), "{answered} {head:?} {together}");
                world.pass(1).await;
                assert!(world.served.is_finished(), "{answered} {head:?} {together}");
            }
        }
    }
}

#[tokio::test]
async fn small_answers_over_http_2_that_are_not_taken_are_stalled_writes() {
    // Room for so many bytes of each answer (RFC 9113 §6.5.2); they have two.
    for (window, gone) in [(0, true), (1, true), (2, false)] {
        let mut world = World::new();
        let settings = [&[0, 0, 6, 4, 0, 0, 0, 0, 0], &[0, 4, 0, 0, 0, window][..]].concat();
        world.send([&BEGIN[..24], &settings].concat()).await;
        for stream in (1..120).step_by(2) {
            world.send(get(stream)).await;
        }
        assert!(world.frames().await.contains(&HEADERS_FRAME));
        world.pass(9999).await;
        assert!(!world.served.is_finished(), "{window}");
        world.pass(1).await;
        assert_eq!(world.served.is_finished(), gone, "{window}");
    }
}

#[tokio::test]
async fn heads_over_http_2_that_come_to_their_end_are_answered() {
    let mut world = World::new();
    world.send([BEGIN, &get(1)[..12]].concat()).await;
    // Bytes that never end with a head, and each head within its time.
    for stream in (1..20).step_by(2) {
        world.pass(9000).await;
        world.frames().await;
        world.send([&get(stream)[12..], &get(stream + 2)[..12]].concat()).await;
        assert!(world.frames().await.contains(&HEADERS_FRAME), "{stream}");
    }
    world.send(&get(21)[12..]).await;
    world.pass(20_000).await;
    assert!(!world.served.is_finished());
}

#[tokio::test]
async fn http_2_goes_away_for_its_requests_and_for_its_age() {
    let mut settings = ServerSettings::default();
    settings.limits.connections.requests = 3;
    settings.limits.time.connection = std::time::Duration::from_secs(20);
    for by_age in [false, true] {
        let mut world = World::with(64 * 1024, settings.clone());
        world.send(BEGIN).await;
        for stream in [1, 3] {
            world.send(get(stream)).await;
            assert!(!world.frames().await.contains(&GOAWAY_FRAME));
        }
        if by_age {
            world.pass(20_000).await;
        } else {
            world.send(get(5)).await;
        }
        let frames = world.frames().await;
        assert!(frames.contains(&GOAWAY_FRAME), "{by_age}: {frames:?}");
        assert_eq!(frames.contains(&HEADERS_FRAME), !by_age);
    }
}

/// What a connection put aside costs beside its stream: a task with this, a watch, and places in two tables.
#[tokio::test]
async fn a_connection_put_aside_is_small() {
    let sweeper = Arc::new(Sweeper::new());
    let entrance = Entrance {
        table: Arc::new(ConnectionTable::new(&ConnectionConfig::default())),
        sweeper: Arc::clone(&sweeper),
        drain: Drain::new(Readiness::new()),
        settings: Arc::new(Live::new(ServerSettings::default())),
        door: Arc::default(),
    };
    let permit = entrance.table.admit("192.0.2.1".parse().unwrap()).unwrap();
    let answer = Arc::new(Bytewise { told: Notify::new() });
    let stream = duplex(1).0;
    let peer = "192.0.2.1:1".parse().unwrap();
    let future = connection(stream, sweeper.watch(), peer, permit, entrance, answer);
    let sizes = (size_of_val(&future), size_of::<Watch>());
    println!("{sizes:?}");
    assert!(sizes.0 <= 320 && sizes.1 <= 192, "{sizes:?}");
}
