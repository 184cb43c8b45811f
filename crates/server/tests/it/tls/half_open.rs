//! Clients that begin a handshake and do not end it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use rustls::{ClientConnection, pki_types::ServerName, version};

use super::{Authority, is_closed};
use crate::{
    client::{Client, Request, dial, is_timeout},
    server::{Home, Stopwatch, until},
};

/// The first message of a client.
fn hello(ca: &Authority) -> Vec<u8> {
    let config = ca.config(&[&version::TLS12, &version::TLS13], &["http/1.1"]);
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(config, name).expect("a client");
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).expect("a buffer takes bytes");
    }
    bytes
}

/// Whether the server has closed the connection; it may have sent something before.
fn has_ended(socket: &mut TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout can be set");
    let mut piece = [0; 16 * 1024];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return !is_timeout(&error),
        }
    }
}

#[test]
fn five_hundred_half_open_handshakes_hold_up_nobody_and_are_gone_in_time() {
    const LIMIT: Duration = Duration::from_secs(3);
    let (home, ca) = (Home::new(), Authority::new());
    let sets = ca.settings(&home, "localhost");
    let more = ["limits.time.tls_handshake=3s", "limits.connections.handshakes=4"];
    let server = home.start(&[&sets[..], &more].concat());
    let admin = server.over_tls(&ca).login();
    let hello = hello(&ca);
    let begun = Stopwatch::start();
    let mut open: Vec<TcpStream> = (0..500)
        .map(|own| {
            let mut socket = dial(server.address()).expect("the server takes a connection");
            let sent = match own % 4 {
                0 => &[][..],
                1 => &hello[..1],
                2 => &hello[..hello.len() / 2],
                // All that a client says at first, and then nothing: the server has signed for it.
                _ => &hello[..],
            };
            socket.write_all(sent).expect("the connection takes bytes");
            socket
        })
        .collect();
    // Meanwhile others shake hands as always.
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let asked = Stopwatch::start();
        Client::over(ca.stream(server.address())).send(&Request::get("/readyz")).expect(200);
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < LIMIT, "{slowest:?}");
    let crowded = server.over_tls(&ca).json("/api/admin/status", &admin);
    if begun.elapsed() < LIMIT {
        assert!(crowded["limits"]["connections_open"].as_u64() > Some(400), "{crowded}");
    }
    let over = LIMIT + Duration::from_secs(2);
    while !open.is_empty() {
        open.retain_mut(|socket| !has_ended(socket));
        assert!(begun.elapsed() < over + Duration::from_secs(1), "{} are left", open.len());
    }
    let metrics = server.over_tls(&ca).text("/api/metrics", &admin);
    let wanted = "gabion_connections_closed_total{reason=\"handshake\"} 500";
    assert!(metrics.contains(wanted), "{metrics}");
}

#[test]
fn a_hello_that_comes_byte_by_byte_is_understood() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    let mut socket = dial(server.address()).expect("the server takes a connection");
    for byte in hello(&ca) {
        socket.write_all(&[byte]).expect("the connection takes bytes");
    }
    let mut record = [0; 6];
    socket.read_exact(&mut record).expect("an answer");
    // A handshake record with the server's hello.
    assert_eq!((record[0], record[5]), (22, 2));
}

#[test]
fn a_hello_in_many_small_records_is_understood_or_refused_and_never_held() {
    let (home, ca) = (Home::new(), Authority::new());
    let sets = ca.settings(&home, "localhost");
    let server = home.start(&[&sets[..], &["limits.time.tls_handshake=2s"]].concat());
    let hello = hello(&ca);
    // One byte of the message in each record.
    let records: Vec<u8> = hello[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
    assert!(is_closed(server.address(), &records, Duration::from_secs(5)));
    Client::over(ca.stream(server.address())).send(&Request::get("/readyz")).expect(200);
}

#[test]
fn what_is_no_handshake_is_closed_at_once() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&ca.settings(&home, "localhost"));
    // Well before the time of a handshake is over.
    let soon = Duration::from_secs(5);
    for garbage in [
        &[0; 10_000][..],
        &[0xff; 10_000],
        b"\x16\x03\x01\xff\xff",
        b"\x80\x2e\x01\0\x02",
        b"get / http",
    ] {
        assert!(is_closed(server.address(), garbage, soon), "{:?}", &garbage[..5]);
    }
    let admin = server.over_tls(&ca).login();
    let metrics = server.over_tls(&ca).text("/api/metrics", &admin);
    assert!(metrics.contains("gabion_tls_handshakes_total{outcome=\"failed\"} 5"), "{metrics}");
}

#[test]
fn a_crowd_that_shakes_hands_at_once_is_served_to_the_last() {
    let (home, ca) = (Home::new(), Authority::new());
    let sets = ca.settings(&home, "localhost");
    let server = home.start(&[&sets[..], &["limits.connections.handshakes=1"]].concat());
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut client = Client::over(ca.stream(server.address()));
                client.send(&Request::get("/readyz")).expect(200);
            });
        }
    });
}

#[test]
fn a_client_that_takes_nothing_is_ended_though_tls_has_room_for_the_answer() {
    let (home, ca) = (Home::new(), Authority::new());
    let sets = ca.settings(&home, "localhost");
    let server = home.start(&[&sets[..], &["limits.time.write_stall=1s"]].concat());
    let admin = server.over_tls(&ca).login();
    let mut slow = ca.stream(server.address());
    let ask = Request::get("/api/openapi.json").bytes();
    slow.sock.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout can be set");
    // Until the server takes no more, since it cannot answer.
    for _ in 0..2000 {
        if slow.write_all(&ask).and_then(|()| slow.flush()).is_err() {
            break;
        }
    }
    until("it is ended for that", || {
        let metrics = server.over_tls(&ca).text("/api/metrics", &admin);
        metrics.contains("gabion_connections_closed_total{reason=\"write\"} 1").then_some(())
    });
    until("it is closed", || {
        let status = server.over_tls(&ca).json("/api/admin/status", &admin);
        (status["limits"]["connections_open"] == 1).then_some(())
    });
}
