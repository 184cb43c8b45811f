//! TLS from outside: what is spoken, what is refused, and what responses say over it.

mod authority;
mod flood;
mod half_open;
mod reload;
mod start;

use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use gabion_clock::{Clock, SystemClock};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::Signal;
use rustls::{HandshakeKind, ProtocolVersion, version};

pub(crate) use self::authority::{Authority, shake};
use crate::{
    client::{Client, PATIENCE, Request, Response, dial},
    server::{Home, until},
};

const HSTS: &str = "max-age=31536000; includeSubDomains";

fn hsts(response: &Response) -> Option<&str> {
    response.header("strict-transport-security")
}

#[test]
fn both_versions_of_tls_are_spoken_with_forward_secrecy() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    for (version, wanted) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let stream = ca.connect(server.address(), &[version], &["http/1.1"]).expect("a handshake");
        assert_eq!(stream.conn.protocol_version(), Some(wanted));
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(stream.conn.negotiated_key_exchange_group().is_some());
        let mut client = Client::over(stream);
        client.send(&Request::get("/readyz")).expect(200);
        client.send(&Request::get("/api/health")).expect(200);
    }
    let admin = server.over_tls(&ca).login();
    let metrics = server.over_tls(&ca).text("/api/metrics", &admin);
    assert!(metrics.contains("gabion_tls_handshakes_total{outcome=\"completed\"} "), "{metrics}");
    let name = "gabion_tls_certificate_expiry_timestamp_seconds ";
    let expires = metrics.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok());
    let left = expires.unwrap_or_default().saturating_sub(SystemClock::new().unix().as_secs());
    assert!((363..366).contains(&(left / 86_400)), "{metrics}");
}

#[test]
fn http_2_is_negotiated_over_both_versions_of_tls() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    for version in [&version::TLS12, &version::TLS13] {
        runtime.block_on(async {
            let config = ca.config(&[version], &["h2", "http/1.1"]);
            let connector = tokio_rustls::TlsConnector::from(config);
            let stream = tokio::net::TcpStream::connect(server.address()).await;
            let stream = stream.expect("the server takes a connection");
            let name = "localhost".try_into().expect("a name");
            let stream = connector.connect(name, stream).await.expect("a handshake");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let shaken =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
            let (mut sender, connection) = shaken.await.expect("it speaks HTTP/2");
            tokio::spawn(connection);
            let request = hyper::Request::get("https://localhost/api/health");
            let request = request.body(Full::<Bytes>::default()).expect("a request");
            let response = sender.send_request(request).await.expect("an answer");
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["strict-transport-security"], HSTS);
        });
    }
}

#[test]
fn without_http_2_it_is_not_negotiated() {
    let (home, ca) = (Home::new(), Authority::new());
    let sets = ca.settings(&home, "localhost");
    let server = home.start(&[&sets[..], &["server.http2=false"]].concat());
    let versions = [&version::TLS13];
    let stream = ca.connect(server.address(), &versions, &["h2", "http/1.1"]).expect("a handshake");
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let refused = ca.connect(server.address(), &versions, &["h2"]).expect_err("nothing in common");
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    // Who does not negotiate speaks HTTP/1.1.
    let stream = ca.connect(server.address(), &versions, &[]).expect("a handshake");
    Client::over(stream).send(&Request::get("/readyz")).expect(200);
}

/// A client that knows nothing newer than TLS 1.1, and `more` about itself.
fn old_hello(more: &[u8]) -> Vec<u8> {
    // P-256 and points that are not compressed.
    let extensions = [&[0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0], more].concat();
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0xc0, 0x09, 1, 0, 0, extensions.len() as u8]);
    hello.extend(extensions);
    let mut message = vec![1, 0, 0, hello.len() as u8];
    message.extend(hello);
    let mut record = vec![22, 3, 1, 0, message.len() as u8];
    record.extend(message);
    record
}

#[test]
fn tls_1_1_is_refused_by_an_alert() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    // Signatures by ECDSA and SHA-256, of which it can say without knowing TLS 1.2.
    let signatures = &[0, 13, 0, 4, 0, 2, 4, 3][..];
    for (more, alert) in [(signatures, 70), (&[], 40)] {
        let mut client = server.client();
        client.raw(&old_hello(more));
        let rest = client.rest(PATIENCE).expect("the connection is closed");
        // An alert that is fatal: protocol_version or handshake_failure (RFC 8446 §6).
        assert_eq!((rest[0], &rest[5..]), (21, &[2, alert][..]), "{rest:?}");
    }
}

#[test]
fn a_session_is_resumed_without_another_signature() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    for version in [&version::TLS12, &version::TLS13] {
        let config = ca.config(&[version], &["http/1.1"]);
        for wanted in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut stream = ca.dial(server.address(), &config).expect("a handshake");
            assert_eq!(stream.conn.handshake_kind(), Some(wanted), "{version:?}");
            // Tickets of TLS 1.3 come with the first answer.
            stream.write_all(&Request::get("/readyz").bytes()).expect("a request is taken");
            assert!(stream.read(&mut [0; 4096]).expect("an answer") > 0);
        }
    }
}

#[test]
fn every_response_over_tls_and_none_without_it_names_hsts() {
    let (home, ca) = (Home::new(), Authority::new());
    let requests = [
        (Request::get("/api/health"), 200),
        (Request::get("/"), 200),
        (Request::get("/none"), 404),
        (Request::get("/api/auth/verify"), 401),
        (Request::new("TRACE", "/"), 405),
        (Request::new("BREW", "/"), 501),
        (Request::get("/").header("x-big", "x".repeat(20 * 1024)), 431),
        // More than is read at all.
        (Request::get("/").header("x-big", "x".repeat(200 * 1024)), 431),
    ];
    let server = home.start(&ca.settings(&home, "localhost"));
    for (request, status) in &requests {
        let mut client = Client::over(ca.stream(server.address()));
        let response = client.send(request);
        assert_eq!((response.status, hsts(&response)), (*status, Some(HSTS)), "{}", request.target);
    }
    // Neither may what is not even a request be without it.
    for (sent, status) in [
        ("GET / HTTP/1.1\r\nno field\r\n\r\n".to_owned(), 400),
        ("\0\r\n\r\n".to_owned(), 400),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)), 414),
    ] {
        let mut client = Client::over(ca.stream(server.address()));
        client.raw(sent.as_bytes());
        let response = client.read(false).expect("an answer");
        assert_eq!((response.status, hsts(&response)), (status, Some(HSTS)));
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
    }
    server.stop();
    let server = home.start(&[]);
    for (request, status) in &requests {
        let response = server.send(request);
        assert_eq!((response.status, hsts(&response)), (*status, None), "{}", request.target);
    }
}

#[test]
fn plain_http_on_a_tls_port_is_told_so() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    let mut client = server.client();
    let response = client.send(&Request::get("/readyz")).expect(400);
    assert!(response.json()["detail"].as_str().is_some_and(|told| told.contains("https")));
    assert_eq!((hsts(&response), response.closes()), (None, true));
    assert_eq!(client.rest(PATIENCE), Some(Vec::new()));
    drop(client);
    let admin = server.over_tls(&ca).login();
    until("it is counted", || {
        let metrics = server.over_tls(&ca).text("/api/metrics", &admin);
        let counted = metrics.contains("gabion_tls_handshakes_total{outcome=\"plain_http\"} 1");
        counted.then_some(())
    });
}

#[test]
fn tls_on_a_plain_port_is_a_bad_request() {
    let home = Home::new();
    let server = home.start(&[]);
    let mut client = server.client();
    client.raw(&old_hello(&[]));
    let rest = client.rest(PATIENCE).expect("the connection is closed");
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 "), "{rest:?}");
    server.send(&Request::get("/readyz")).expect(200);
}

#[test]
fn the_admin_address_speaks_tls_as_well() {
    let (home, ca) = (Home::new(), Authority::new());
    let sets = ca.settings(&home, "localhost");
    let server = home.start(&[&sets[..], &["server.admin_listen=127.0.0.1:0"]].concat());
    let greeting = server.wait_for_log(&["status page", "https://127.0.0.1:"]);
    let admin = greeting.trim().rsplit("https://").next().and_then(|rest| rest.strip_suffix('/'));
    let admin = admin.and_then(|address| address.parse().ok()).expect("an address");
    let response = Client::over(ca.stream(admin)).send(&Request::get("/readyz")).expect(200);
    assert_eq!(hsts(&response), Some(HSTS));
}

#[test]
fn a_drain_ends_connections_with_close_notify() {
    let (home, ca) = (Home::new(), Authority::new());
    let sets = ca.settings(&home, "localhost");
    let mut server = home.start(&[&sets[..], &["demo.enabled=true"]].concat());
    let admin = server.over_tls(&ca).login();
    let mut stream = ca.stream(server.address());
    let slow = Request::get("/api/demo/work?io_ms=1000").bearer(&admin);
    stream.write_all(&slow.bytes()).expect("a request is taken");
    let mut status = server.over_tls(&ca);
    until("it is there", || {
        (status.json("/api/admin/status", &admin)["admission"]["in_flight"].as_u64() >= Some(2))
            .then_some(())
    });
    drop(status);
    server.signal(Signal::TERM);
    // Without close_notify this is an error: the answer could have been cut off by anybody.
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it ends in order");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"),
        "{answer}"
    );
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}

#[test]
fn a_hand_over_keeps_tls() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    let admin = server.over_tls(&ca).login();
    let mut old = server.over_tls(&ca);
    old.post("/api/restart", &admin).expect(202);
    let asked = until("the new process is alone", || {
        let status = server.over_tls(&ca).json("/api/admin/status", &admin);
        (status["generation"] == 2 && status["last_restart"]["outcome"] == "completed")
            .then_some(status)
    });
    assert_eq!(asked["tls"]["names"][0], "localhost");
    let stream = ca.stream(server.address());
    let mut client = Client::over(stream);
    client.send(&Request::get("/readyz")).expect(200);
}

/// A server that is asked over TLS.
pub(crate) struct Secure {
    client: Client,
}

impl crate::server::Server {
    #[track_caller]
    pub(crate) fn over_tls(&self, ca: &Authority) -> Secure {
        Secure { client: Client::over(ca.stream(self.address())) }
    }
}

impl Secure {
    /// An access token of the first account.
    #[track_caller]
    pub(crate) fn login(&mut self) -> String {
        let body = serde_json::json!({"username": "admin", "password": crate::server::PASSWORD});
        let answer = self.client.send(&Request::post("/api/auth/login").json(&body)).expect(200);
        crate::server::Tokens::of(&answer).access
    }

    #[track_caller]
    pub(crate) fn get(&mut self, target: &str, token: &str) -> Response {
        self.client.send(&Request::get(target).bearer(token)).expect(200)
    }

    #[track_caller]
    pub(crate) fn text(&mut self, target: &str, token: &str) -> String {
        self.get(target, token).text()
    }

    #[track_caller]
    pub(crate) fn json(&mut self, target: &str, token: &str) -> serde_json::Value {
        self.get(target, token).json()
    }

    #[track_caller]
    pub(crate) fn post(&mut self, target: &str, token: &str) -> Response {
        self.client.send(&Request::post(target).bearer(token))
    }
}

/// Waits so long that something else may happen; only where that is what is tested.
fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// Whether the server closes the connection within `span`.
fn is_closed(address: std::net::SocketAddr, sent: &[u8], span: Duration) -> bool {
    let socket = dial(address).expect("the server takes a connection");
    let mut client = Client::over(socket);
    let _ = client.try_raw(sent);
    client.rest(span).is_some()
}

type Config = Arc<rustls::ClientConfig>;
