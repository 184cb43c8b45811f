//! Methods, versions and expectations.

use super::{Refused, SECOND, answers, refused};
use crate::{
    client::Request,
    server::{Home, PASSWORD},
};

/// RFC 9110 s9.1, s9.3.6, s9.3.8, s15.5.6.
#[test]
fn methods_that_are_not_served_end_the_connection() {
    let home = Home::new();
    let server = home.start(&[]);
    for (line, code) in [
        ("TRACE /livez", "method-not-allowed"),
        ("TRACE http://a/livez", "method-not-allowed"),
        ("CONNECT /livez", "method-not-allowed"),
        ("TRACE /none", "not-found"),
        ("CONNECT /none", "not-found"),
        ("TRACE *", "invalid-request"),
        ("CONNECT a:443", "not-implemented"),
        ("BREW /livez", "not-implemented"),
        ("get /livez", "not-implemented"),
        ("GETT /livez", "not-implemented"),
        ("PROPFIND /livez", "not-implemented"),
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        refused(&server, head.as_bytes(), Refused::Problem(code));
    }
    // A body does not make a tunnel of it either.
    let tunnel = "CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd";
    refused(&server, tunnel.as_bytes(), Refused::Problem("not-implemented"));
    let known = server.send(&Request::new("DELETE", "/livez"));
    known.problem("method-not-allowed");
    assert_eq!(known.header("allow"), Some("GET, HEAD"));
    assert!(!known.closes());
}

/// RFC 9110 s7.8: an upgrade is an offer, and none is taken.
#[test]
fn nothing_is_upgraded() {
    let home = Home::new();
    let server = home.start(&[]);
    for offer in ["h2c", "websocket", "TLS/1.0"] {
        let head = format!(
            "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {offer}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        );
        let last = "GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let (answers, closed) = answers(&server, [&head, last].concat().as_bytes());
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!((statuses.as_slice(), closed), ([200, 404].as_slice(), true), "{offer}");
    }
}

fn login(fields: &str) -> (String, String) {
    let body = format!("{{\"username\":\"admin\",\"password\":\"{PASSWORD}\"}}");
    let head = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{fields}\r\n",
        body.len()
    );
    (head, body)
}

/// RFC 9110 s10.1.1.
#[test]
fn a_body_is_asked_for_only_where_it_is_read() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let (head, body) = login("Expect: 100-continue\r\n");
    let mut client = server.client();
    client.raw(head.as_bytes());
    assert_eq!(client.read_head().expect("an answer").status, 100);
    client.raw(body.as_bytes());
    assert_eq!(client.read(false).expect("an answer").status, 200);
    // Refused by its head: the answer is the refusal, and nobody asked for the body.
    for (line, fields, status) in [
        ("POST /api/demo/upload", "Content-Length: 100\r\n", 401),
        ("POST /api/demo/upload", "Transfer-Encoding: chunked\r\n", 401),
        ("POST /none", "Content-Length: 100\r\n", 404),
        ("POST /livez", "Content-Length: 100\r\n", 405),
        ("POST /api/auth/login", "Content-Type: text/plain\r\nContent-Length: 100\r\n", 415),
        ("POST /api/auth/login", "Content-Length: 100000000\r\n", 413),
        ("POST /api/auth/login", "Content-Length: 9\r\nHost: b\r\n", 400),
        ("POST /api/auth/login", "Transfer-Encoding: gzip, chunked\r\n", 501),
    ] {
        let mut client = server.client();
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{fields}\r\n");
        client.raw(head.as_bytes());
        assert_eq!(client.read_head().expect("an answer").status, status, "{line} {fields:?}");
    }
}

/// RFC 9110 s10.1.1: other expectations may be refused; they are not met and not refused.
#[test]
fn expectations_that_nobody_knows_are_passed_over() {
    let home = Home::new();
    let server = home.start(&[]);
    for expect in ["200-ok", "100-continue, more", ""] {
        let (head, body) = login(&format!("Expect: {expect}\r\n"));
        let mut client = server.client();
        client.raw(head.as_bytes());
        client.raw(body.as_bytes());
        assert_eq!(client.read_head().expect("an answer").status, 200, "{expect:?}");
    }
    // Who speaks HTTP/1.0 does not know what 100 means.
    let (head, body) = login("Expect: 100-continue\r\n");
    let mut client = server.client();
    client.raw(head.replace("HTTP/1.1", "HTTP/1.0").as_bytes());
    client.raw(body.as_bytes());
    let line = String::from_utf8(client.read_bytes(12).expect("an answer"));
    assert_eq!(line.as_deref().map(|line| &line[9..]), Ok("200"));
}

/// RFC 9112 s9.3, s9.6: what comes behind `Connection: close` is not answered.
#[test]
fn nothing_is_answered_behind_the_last_request() {
    let home = Home::new();
    let server = home.start(&[]);
    for head in [
        "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close, keep-alive\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
        "GET /livez HTTP/1.0\r\nHost: a\r\n\r\n",
    ] {
        let (answers, closed) = answers(&server, [head, SECOND].concat().as_bytes());
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!((statuses.as_slice(), closed), ([200].as_slice(), true), "{head}");
    }
}
