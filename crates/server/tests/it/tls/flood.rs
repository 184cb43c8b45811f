//! A flood over TLS: what is counted is what is inside.

use std::io::{Read, Write};

use rustls::version;

use super::Authority;
use crate::server::Home;

#[test]
fn a_ping_flood_inside_tls_is_ended_too() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    let mut stream =
        ca.connect(server.address(), &[&version::TLS13], &["h2"]).expect("a handshake");
    let begin: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let ping: &[u8] = b"\0\0\x08\x06\0\0\0\0\0--------";
    stream.write_all(begin).expect("the connection takes bytes");
    // The rest need not be taken any more.
    let _ = stream.write_all(&ping.repeat(10_000)).and_then(|()| stream.flush());
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers);
    // GOAWAY: no stream was opened, ENHANCE_YOUR_CALM (RFC 9113 §6.8, §7).
    let goaway: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";
    assert!(answers.ends_with(goaway), "{:?}", &answers[answers.len().saturating_sub(40)..]);
    let admin = server.over_tls(&ca).login();
    let metrics = server.over_tls(&ca).text("/api/metrics", &admin);
    assert!(metrics.contains("gabion_connections_closed_total{reason=\"frames\"} 1"), "{metrics}");
}
