//! 10 MiB pass, and a byte more is refused before it is read.

use std::{convert::Infallible, net::SocketAddr, thread};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Request as Http2Request, client::conn::http2::handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sha2::{Digest, Sha256};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    client::{Client, PATIENCE, Request, Response},
    server::{Home, Server},
};

const MOST: usize = 10 << 20;
const PIECE: usize = 64 << 10;

fn upload(token: &str) -> Request {
    Request::post("/api/demo/upload").bearer(token).header("Content-Type", "image/png")
}

/// Sends a body of `length` bytes in chunks, none of them larger than a piece; stops when the server
/// does not take more.
fn send_chunks(client: &mut Client, length: usize) {
    let piece = [b'x'; PIECE];
    let mut left = length;
    while left > 0 {
        let size = left.min(PIECE);
        left -= size;
        let line = format!("{size:x}\r\n");
        let chunk = [line.as_bytes(), &piece[..size], b"\r\n"].concat();
        if client.try_raw(&chunk).is_err() {
            return;
        }
    }
    let _ = client.try_raw(b"0\r\n\r\n");
}

fn sum(length: usize) -> String {
    let mut hash = Sha256::new();
    hash.update(vec![b'x'; length]);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_whole(response: &Response) {
    let told = response.clone().expect(200).json();
    assert_eq!(
        (told["bytes"].as_u64(), told["sha256"].as_str()),
        (Some(MOST as u64), Some(sum(MOST).as_str()))
    );
}

#[test]
fn ten_mebibytes_pass() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let token = server.admin();
    is_whole(&server.send(&upload(&token).body(vec![b'x'; MOST])));
    let mut client = server.client();
    client.raw(&upload(&token).header("Transfer-Encoding", "chunked").head());
    send_chunks(&mut client, MOST);
    is_whole(&client.read(false).expect("an answer"));
}

#[test]
fn a_byte_more_is_refused_before_any_is_read() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let token = server.admin();
    // Told by the head alone: no byte of the body was sent.
    let length = (MOST + 1).to_string();
    let mut client = server.client();
    client.raw(&upload(&token).header("Content-Length", length).head());
    let refused = client.read(false).expect("an answer");
    refused.problem("body-too-large");
    refused.has_usual_headers();
    // Without a length at the byte that is too many, though the body goes on.
    let mut client = server.client();
    client.raw(&upload(&token).header("Transfer-Encoding", "chunked").head());
    for _ in 0..MOST / PIECE {
        let chunk = [format!("{PIECE:x}\r\n").as_bytes(), &[b'x'; PIECE], b"\r\n"].concat();
        client.raw(&chunk);
    }
    client.raw(b"1\r\nx");
    client.read(false).expect("an answer").problem("body-too-large");
    assert!(client.rest(PATIENCE).is_some(), "the connection stays open");
}

/// The most that many uploads at once may add to the memory of the server: buffers, no bodies.
const FLAT: u64 = 24 << 20;

/// By how many KiB the server has grown at most since it held `before` bytes.
#[track_caller]
fn grown(server: &Server, before: u64) -> u64 {
    let grown = server.peak().saturating_sub(before);
    assert!(grown < FLAT, "{grown} bytes more");
    grown >> 10
}

#[test]
fn many_uploads_at_once_take_no_memory() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true", "log.level=warn"]);
    let token = server.admin();
    let many = |length: usize, status: u16| {
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let mut client = server.client();
                    client.raw(&upload(&token).header("Transfer-Encoding", "chunked").head());
                    send_chunks(&mut client, length);
                    client.read(false).expect("an answer").expect(status);
                });
            }
        });
    };
    let before = server.resident();
    many(MOST, 200);
    println!("20 of 10 MiB: {} KiB more at most", grown(&server, before));
    many(MOST + 1, 413);
    println!("20 of a byte more: {} KiB more at most", grown(&server, before));
}

type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

/// A body whose length nobody tells.
fn streamed(length: usize) -> AnyBody {
    let pieces = (0..length.div_ceil(PIECE)).map(move |at| PIECE.min(length - at * PIECE));
    let frames =
        pieces.map(|size| Ok(Frame::data(Bytes::from_static(&[b'x'; PIECE]).slice(..size))));
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

fn whole(length: usize) -> AnyBody {
    Full::new(Bytes::from(vec![b'x'; length])).boxed_unsync()
}

/// Sends all of `bodies` at once over one connection; their answers.
fn over_http2(address: SocketAddr, token: &str, bodies: Vec<AnyBody>) -> Vec<(u16, Bytes)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let work = async {
        let stream = TcpStream::connect(address).await.expect("the server takes a connection");
        let shaken = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = shaken.expect("it speaks HTTP/2");
        let connection = tokio::spawn(connection);
        let asked = bodies.into_iter().map(|body| {
            let mut sender = sender.clone();
            let request = Http2Request::post("http://localhost/api/demo/upload");
            let request = request.header("authorization", format!("Bearer {token}"));
            let request = request.body(body).expect("a request");
            async move {
                let response = sender.send_request(request).await.expect("an answer");
                let status = response.status().as_u16();
                let body = response.into_body().collect().await.expect("a body").to_bytes();
                (status, body)
            }
        });
        let answers = stream::iter(asked).buffer_unordered(64).collect().await;
        connection.abort();
        answers
    };
    let work = async { timeout(3 * PATIENCE, work).await.expect("it takes too long") };
    runtime.expect("a runtime").block_on(work)
}

#[test]
fn the_same_holds_over_http_2() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true", "log.level=warn"]);
    let (address, token) = (server.address(), server.admin());
    for body in [whole(MOST), streamed(MOST)] {
        let answers = over_http2(address, &token, vec![body]);
        let told = String::from_utf8_lossy(&answers[0].1).into_owned();
        assert_eq!(answers[0].0, 200, "{told}");
        assert!(told.contains(&sum(MOST)) && told.contains(&MOST.to_string()), "{told}");
    }
    for body in [whole(MOST + 1), streamed(MOST + 1), streamed(2 * MOST)] {
        let answers = over_http2(address, &token, vec![body]);
        let told = String::from_utf8_lossy(&answers[0].1).into_owned();
        assert!(answers[0].0 == 413 && told.contains("body-too-large"), "{told}");
    }
    let before = server.resident();
    let answers = over_http2(address, &token, (0..20).map(|_| streamed(MOST)).collect());
    assert!(answers.len() == 20 && answers.iter().all(|(status, _)| *status == 200));
    println!("20 of 10 MiB over one connection: {} KiB more at most", grown(&server, before));
    let answers = over_http2(address, &token, (0..20).map(|_| streamed(MOST + 1)).collect());
    assert!(answers.len() == 20 && answers.iter().all(|(status, _)| *status == 413));
    println!("20 of a byte more over one connection: {} KiB more", grown(&server, before));
}
