//! The PROXY protocol: whose a connection is, by the word of those who may say so.

use std::{io::Write, net::SocketAddr, time::Duration};

use rustls::version;

use crate::{
    client::{Client, PATIENCE, Request, dial},
    server::{Home, Server, Stopwatch, until},
    tls::{Authority, shake},
};

const ON: [&str; 2] = ["server.proxy_protocol=true", "server.trusted_proxies=127.0.0.0/8"];

fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 4711 443\r\n").into_bytes()
}

/// A block of version 2.
fn block(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a short block").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
}

fn v4(client: [u8; 4]) -> Vec<u8> {
    let extension = [4, 0, 3, 0, 0, 0];
    block(0x21, 0x11, &[&client[..], &[127, 0, 0, 1, 1, 2, 1, 187], &extension].concat())
}

/// A connection that begins with `header`.
#[track_caller]
fn client(server: &Server, header: &[u8]) -> Client {
    let mut client = server.client();
    client.raw(header);
    client
}

/// The address that a request of `client` is accounted to, as the log tells it.
#[track_caller]
fn accounted(server: &Server, client: &mut Client, id: &str, forwarded: Option<&str>) -> String {
    let mut request = Request::get("/api/health").header("X-Request-Id", id);
    if let Some(forwarded) = forwarded {
        request = request.header("X-Forwarded-For", forwarded);
    }
    client.send(&request).expect(200);
    let line = server.wait_for_log(&[id, "\"client\""]);
    let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    line["client"].as_str().expect("an address").to_owned()
}

fn outcomes(server: &Server, outcome: &str) -> u64 {
    let mut asking = client(server, b"PROXY UNKNOWN\r\n");
    let body = serde_json::json!({"username": "admin", "password": crate::server::PASSWORD});
    let login = asking.send(&Request::post("/api/auth/login").json(&body)).expect(200);
    let admin = crate::server::Tokens::of(&login).access;
    let metrics = asking.send(&Request::get("/api/metrics").bearer(&admin)).expect(200).text();
    let name = format!("gabion_proxy_headers_total{{outcome=\"{outcome}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{metrics}"))
}

#[test]
fn both_versions_name_the_client() {
    let home = Home::new();
    let server = home.start(&ON);
    for (own, (header, wanted)) in [
        (line("192.0.2.7"), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n".to_vec(), "2001:db8::7"),
        (v4([192, 0, 2, 8]), "192.0.2.8"),
        // The proxy speaks for itself, as in a health check.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (block(0x20, 0, &[]), "127.0.0.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = client(&server, &header);
        // More than once: the header is the connection's, not a request's.
        for turn in 0..2 {
            let id = format!("named-{own}-{turn}");
            assert_eq!(accounted(&server, &mut client, &id, None), wanted);
        }
    }
}

#[test]
fn a_forwarding_header_counts_where_the_named_address_is_a_trusted_proxy() {
    let home = Home::new();
    let sets = ["server.proxy_protocol=true", "server.trusted_proxies=127.0.0.0/8,198.51.100.0/24"];
    let server = home.start(&sets);
    let told = Some("203.0.113.9");
    let mut stranger = client(&server, &line("192.0.2.7"));
    assert_eq!(accounted(&server, &mut stranger, "stranger", told), "192.0.2.7");
    let mut proxy = client(&server, &line("198.51.100.7"));
    assert_eq!(accounted(&server, &mut proxy, "the-proxy", told), "203.0.113.9");
}

#[test]
fn a_header_may_come_byte_by_byte_with_the_request_behind_it() {
    let home = Home::new();
    let server = home.start(&ON);
    for header in [line("192.0.2.7"), v4([192, 0, 2, 7])] {
        let mut client = server.client();
        for byte in header.iter().chain(&Request::get("/readyz").bytes()) {
            client.raw(&[*byte]);
        }
        assert_eq!(client.read(false).expect("an answer").status, 200);
    }
}

#[test]
fn header_and_request_may_come_at_once() {
    let home = Home::new();
    let server = home.start(&ON);
    for header in [line("192.0.2.7"), v4([192, 0, 2, 7])] {
        let mut client = client(&server, &[header, Request::get("/readyz").bytes()].concat());
        assert_eq!(client.read(false).expect("an answer").status, 200);
    }
}

#[test]
fn tls_begins_behind_the_header() {
    let (home, ca) = (Home::new(), Authority::new());
    let server = home.start(&[&ca.settings(&home, "localhost")[..], &ON].concat());
    let config = ca.config(&[&version::TLS13], &["http/1.1"]);
    let mut socket = dial(server.address()).expect("the server takes a connection");
    socket.write_all(&v4([192, 0, 2, 7])).expect("the connection takes bytes");
    let mut client = Client::over(shake(socket, &config).expect("a handshake"));
    assert_eq!(accounted(&server, &mut client, "over-tls", None), "192.0.2.7");
}

#[test]
fn a_connection_without_a_header_is_closed() {
    let home = Home::new();
    let server = home.start(&ON);
    for sent in [
        Request::get("/readyz").bytes(),
        b"PROXY TCP4 192.0.2.7\r\n".to_vec(),
        [line("192.0.2.7"), line("192.0.2.8")].concat(),
        block(0x21, 0x11, &[1, 2, 3]),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
    ] {
        let mut client = client(&server, &sent);
        let rest = client.rest(PATIENCE).expect("the connection is closed");
        // Behind a good header a second one is a bad request.
        let bad_request =
            rest.starts_with(b"HTTP/1.1 400 ") && sent.starts_with(&line("192.0.2.7"));
        assert!(rest.is_empty() || bad_request, "{rest:?} {sent:?}");
    }
    assert_eq!(outcomes(&server, "invalid"), 4);
}

#[test]
fn a_header_that_does_not_come_ends_the_connection_in_time() {
    let home = Home::new();
    let server = home.start(&[&ON[..], &["limits.time.head=1s"]].concat());
    let waited = Stopwatch::start();
    let mut slow: Vec<Client> =
        [&b""[..], b"PROXY ", &v4([192, 0, 2, 7])[..20]].map(|sent| client(&server, sent)).into();
    for client in &mut slow {
        let rest = client.rest(PATIENCE);
        assert_eq!(rest, Some(Vec::new()));
    }
    let waited = waited.elapsed();
    assert!(waited >= Duration::from_millis(800) && waited < Duration::from_secs(4), "{waited:?}");
}

#[test]
fn connections_of_anybody_else_are_closed_at_once() {
    let home = Home::new();
    let sets = ["server.proxy_protocol=true", "server.trusted_proxies=192.0.2.1,127.0.0.2"];
    let server = home.start(&sets);
    let mut client = client(&server, &line("192.0.2.7"));
    assert_eq!(client.rest(PATIENCE), Some(Vec::new()));
    // The control socket is nobody's business.
    let status = home.run(&["status"]).good();
    assert!(status.contains("ready"), "{status}");
}

#[test]
fn connections_count_by_the_address_that_is_named() {
    let home = Home::new();
    let server = home.start(&[&ON[..], &["limits.connections.per_address=2"]].concat());
    // More of the proxy's than one address may have.
    let mut others: Vec<Client> =
        (1..20).map(|last| client(&server, &line(&format!("192.0.2.{last}")))).collect();
    for other in &mut others {
        other.send(&Request::get("/readyz")).expect(200);
    }
    let mut two = [client(&server, &line("198.51.100.7")), client(&server, &line("198.51.100.7"))];
    for client in &mut two {
        client.send(&Request::get("/readyz")).expect(200);
    }
    let mut third = client(&server, &line("198.51.100.7"));
    assert_eq!(third.rest(PATIENCE), Some(Vec::new()));
    drop(two);
    until("there is room again", || {
        let mut again = client(&server, &line("198.51.100.7"));
        again.try_send(&Request::get("/readyz")).ok()
    });
}

#[test]
fn connections_that_name_nobody_count_as_their_proxys() {
    let home = Home::new();
    let server = home.start(&[&ON[..], &["limits.connections.per_address=2"]].concat());
    let nobody = [b"PROXY UNKNOWN\r\n".to_vec(), block(0x20, 0, &[])];
    let mut two = nobody.each_ref().map(|header| client(&server, header));
    for client in &mut two {
        client.send(&Request::get("/readyz")).expect(200);
    }
    for header in &nobody {
        let both = [header.clone(), Request::get("/readyz").bytes()].concat();
        assert_eq!(client(&server, &both).rest(PATIENCE), Some(Vec::new()));
    }
    client(&server, &line("192.0.2.7")).send(&Request::get("/readyz")).expect(200);
    drop(two);
    until("there is room again", || {
        client(&server, &nobody[0]).try_send(&Request::get("/readyz")).ok()
    });
}

#[test]
fn the_admin_address_asks_for_no_header() {
    let home = Home::new();
    let server = home.start(&[&ON[..], &["server.admin_listen=127.0.0.1:0"]].concat());
    let page = server.wait_for_log(&["status page"]);
    let admin = page.trim().rsplit("http://").next().and_then(|rest| rest.strip_suffix('/'));
    let admin: SocketAddr = admin.and_then(|admin| admin.parse().ok()).expect("an address");
    Client::connect(admin).send(&Request::get("/readyz")).expect(200);
}

#[test]
fn without_trusted_proxies_it_is_a_mistake() {
    let home = Home::new();
    let sets = ["server.proxy_protocol=true"];
    let checked = crate::server::finish(home.command(&["config", "check"], &sets), "");
    assert_eq!(checked.code, Some(2), "{checked:?}");
    let told = checked.stderr + &checked.stdout;
    assert!(
        told.contains("server.proxy_protocol") && told.contains("needs server.trusted_proxies"),
        "{told}"
    );
}
