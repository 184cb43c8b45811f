//! HTTP/2 by prior knowledge: the same answers, by hyper's client.

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http2::{Builder, SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::Signal;
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use crate::{client::PATIENCE, server::Home};

type Sender = SendRequest<Full<Bytes>>;

/// Runs what a test does, for as long as it may take.
fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let work = async { timeout(PATIENCE, work).await.expect("it takes too long") };
    runtime.expect("a runtime").block_on(work)
}

async fn connect(address: SocketAddr) -> (Sender, JoinHandle<Result<(), hyper::Error>>) {
    let stream = TcpStream::connect(address).await.expect("the server takes a connection");
    let shaken = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = shaken.expect("it speaks HTTP/2");
    (sender, tokio::spawn(connection))
}

fn get(target: &str, token: &str) -> Request<Full<Bytes>> {
    let request = Request::get(format!("http://localhost{target}"));
    let request = request.header("authorization", format!("Bearer {token}"));
    request.body(Full::default()).expect("a request")
}

async fn send(sender: &mut Sender, request: Request<Full<Bytes>>) -> (StatusCode, String, Value) {
    let response = sender.send_request(request).await.expect("an answer");
    let status = response.status();
    let header = |name: &str| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    assert!(!header("x-request-id").is_empty());
    assert_eq!(header("x-content-type-options"), "nosniff");
    // It has no meaning here (RFC 9113 §8.2.2).
    assert_eq!(header("connection"), "");
    let media = header("content-type");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, media, serde_json::from_slice(&body).unwrap_or_default())
}

/// Asks once, and throws the answer away.
pub(crate) fn ask(address: SocketAddr, target: &str, token: &str) {
    run(async {
        let (mut sender, _connection) = connect(address).await;
        send(&mut sender, get(target, token)).await;
    });
}

#[test]
fn an_answer_to_head_has_fields_alone() {
    let home = Home::new();
    let server = home.start(&[]);
    run(async {
        let (mut sender, _) = connect(server.address()).await;
        for (target, length) in [("/livez", Some("2")), ("/api/auth/verify", None)] {
            let mut head = get(target, "");
            *head.method_mut() = hyper::Method::HEAD;
            head.headers_mut().remove("authorization");
            // A frame of data would be an error of the protocol.
            let response = sender.send_request(head).await.expect("an answer");
            let told = response.headers().get("content-length").and_then(|it| it.to_str().ok());
            assert!(told.is_some() && length.is_none_or(|length| told == Some(length)), "{told:?}");
            let body = response.into_body().collect().await.expect("no body").to_bytes();
            assert!(body.is_empty());
        }
        let again = get("/livez", "");
        assert_eq!(sender.send_request(again).await.expect("an answer").status(), 200);
    });
}

#[test]
fn requests_side_by_side_get_the_same_answers() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    run(async {
        let (mut sender, _) = connect(server.address()).await;
        let mut slow = sender.clone();
        let slow = send(&mut slow, get("/api/demo/work?io_ms=300", &admin));
        let others = async {
            let (status, _, body) = send(&mut sender, get("/api/auth/verify", &admin)).await;
            assert_eq!((status.as_u16(), &body["username"]), (200, &Value::from("admin")));
            for (target, token, status, code) in [
                ("/none", admin.as_str(), 404, "not-found"),
                ("/api/auth/verify", "x", 401, "unauthenticated"),
            ] {
                let (own, media, body) = send(&mut sender, get(target, token)).await;
                assert_eq!((own.as_u16(), media.as_str()), (status, "application/problem+json"));
                assert_eq!(body["code"], code);
            }
        };
        let ((status, ..), ()) = tokio::join!(slow, others);
        assert_eq!(status, 200);
    });
}

#[test]
fn two_different_hosts_in_one_request_are_refused() {
    let home = Home::new();
    let server = home.start(&[]);
    run(async {
        let (mut sender, _) = connect(server.address()).await;
        let mut request = get("/livez", "x");
        request.headers_mut().insert("host", "elsewhere".parse().expect("a value"));
        let (status, _, body) = send(&mut sender, request).await;
        assert_eq!((status.as_u16(), &body["code"]), (400, &Value::from("invalid-request")));
    });
}

#[test]
fn a_drain_finishes_what_is_under_way_and_sends_goaway() {
    let home = Home::new();
    let mut server = home.start(&["demo.enabled=true", "lifecycle.drain=60s"]);
    let admin = server.admin();
    run(async {
        let (sender, connection) = connect(server.address()).await;
        let under_way = tokio::spawn({
            let (mut sender, request) = (sender.clone(), get("/api/demo/work?io_ms=1000", &admin));
            async move { send(&mut sender, request).await.0 }
        });
        // It is counted as soon as it is there.
        while server.status(&admin)["admission"]["in_flight"].as_u64() < Some(2) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.signal(Signal::TERM);
        assert_eq!(under_way.await.expect("an answer"), 200);
        // The server ends the connection by itself.
        connection.await.expect("it ends").expect("it ends in order");
        drop(sender);
    });
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}

#[test]
fn a_head_that_is_too_large_is_a_problem() {
    let home = Home::new();
    let server = home.start(&[]);
    run(async {
        let (mut sender, _connection) = connect(server.address()).await;
        let mut request = get("/livez", "");
        let big = "x".repeat(20 * 1024).parse().expect("a value");
        request.headers_mut().insert("x-big", big);
        let (status, media, problem) = send(&mut sender, request).await;
        assert_eq!((status.as_u16(), media.as_str()), (431, "application/problem+json"));
        assert_eq!(problem["code"], "header-too-large");
        // The connection is none the worse for it.
        assert_eq!(send(&mut sender, get("/livez", "")).await.0, StatusCode::OK);
    });
}

#[test]
fn a_client_that_takes_no_answers_holds_no_places_and_is_ended() {
    let home = Home::new();
    let server = home.start(&["limits.time.write_stall=2s"]);
    let admin = server.admin();
    run(async {
        let stream = TcpStream::connect(server.address()).await.expect("a connection");
        let mut builder = Builder::new(TokioExecutor::new());
        let shaken = builder.initial_stream_window_size(0).handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.expect("it speaks HTTP/2");
        let connection = tokio::spawn(connection);
        let mut untaken = Vec::new();
        for _ in 0..50 {
            let answer = sender.send_request(get("/api/auth/verify", &admin)).await;
            untaken.push(answer.expect("a head"));
        }
        // The work is done: only the one that asks is in flight.
        assert_eq!(server.status(&admin)["admission"]["in_flight"], 1);
        let ended = connection.await.expect("it ends");
        assert!(ended.is_err(), "{ended:?}");
    });
}
