//! Bodies: where they end.

use super::{Refused, SECOND, answers, refused};
use crate::{
    client::Request,
    server::{Home, Server},
};

const LOGIN: &str =
    "POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";

fn statuses(server: &Server, bytes: impl AsRef<[u8]>) -> (Vec<u16>, bool) {
    let (answers, closed) = answers(server, bytes.as_ref());
    (answers.iter().map(|answer| answer.status).collect(), closed)
}

/// RFC 9112 s6.1, s11.2: hyper hides the length from everybody behind it, reads the chunks, and closes.
#[test]
fn chunks_and_a_length_end_the_connection_in_either_order() {
    let home = Home::new();
    let server = home.start(&[]);
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
    ] {
        for body in ["2\r\n{}\r\n0\r\n\r\n", "0\r\n\r\n"] {
            let bad = format!("{LOGIN}{fields}\r\n{body}{SECOND}");
            let (statuses, closed) = statuses(&server, bad);
            assert!(matches!(statuses[..], [400 | 422]), "{fields:?}: {statuses:?}");
            assert!(closed, "{fields:?}");
        }
    }
    // Also where nobody reads the body.
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    for line in ["GET /livez", "POST /none", "DELETE /livez"] {
        let bad = format!("{line} HTTP/1.1\r\nHost: a\r\n{both}\r\n0\r\n\r\n{SECOND}");
        let (statuses, closed) = statuses(&server, bad);
        assert_eq!((statuses.len(), closed), (1, true), "{line}: {statuses:?}");
    }
}

/// RFC 9112 s6.1.
#[test]
fn no_transfer_coding_but_chunked_is_taken() {
    let home = Home::new();
    let server = home.start(&[]);
    let chunked = "2\r\n{}\r\n0\r\n\r\n";
    for (fields, how) in [
        ("Transfer-Encoding: gzip, chunked\r\n", Refused::Problem("not-implemented")),
        ("Transfer-Encoding: identity, chunked\r\n", Refused::Problem("not-implemented")),
        (
            "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
            Refused::Problem("not-implemented"),
        ),
        ("Transfer-Encoding: chunked, chunked\r\n", Refused::Problem("invalid-request")),
        ("Transfer-Encoding: ,chunked\r\n", Refused::Problem("invalid-request")),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Refused::Problem("invalid-request"),
        ),
        (
            "Transfer-Encoding: gzip\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            Refused::Problem("not-implemented"),
        ),
        ("Transfer-Encoding: gzip\r\n", Refused::Unparsed),
        ("Transfer-Encoding: chunked, gzip\r\n", Refused::Unparsed),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", Refused::Unparsed),
        ("Transfer-Encoding: xchunked\r\n", Refused::Unparsed),
        ("Transfer-Encoding: chunked;q=1\r\n", Refused::Unparsed),
        ("Transfer-Encoding: \"chunked\"\r\n", Refused::Unparsed),
        ("Transfer-Encoding: \x0bchunked\r\n", Refused::Unparsed),
        ("Transfer-Encoding:\r\n", Refused::Unparsed),
        ("Transfer-Encoding : chunked\r\n", Refused::Unparsed),
        ("Transfer-Encoding:\r\n chunked\r\n", Refused::Unparsed),
    ] {
        refused(&server, format!("{LOGIN}{fields}\r\n{chunked}").as_bytes(), how);
    }
    // HTTP/1.0 has none (s6.1).
    let old = LOGIN.replace("HTTP/1.1", "HTTP/1.0");
    let old = format!("{old}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}");
    refused(&server, old.as_bytes(), Refused::Unparsed);
}

/// RFC 9112 s6.3.
#[test]
fn a_length_is_one_number() {
    let home = Home::new();
    let server = home.start(&[]);
    for fields in [
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: x\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 5;\r\n",
        "Content-Length: \"5\"\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length : 5\r\n",
        "Content-Length:\r\n 5\r\n",
    ] {
        refused(&server, format!("{LOGIN}{fields}\r\n{{   }}").as_bytes(), Refused::Unparsed);
    }
    for huge in ["18446744073709551614", "18446744073709551615"] {
        let head = format!("{LOGIN}Content-Length: {huge}\r\n\r\n{{   }}");
        refused(&server, head.as_bytes(), Refused::Unparsed);
    }
    let most = format!("{LOGIN}Content-Length: 18446744073709551613\r\n\r\n{{   }}{SECOND}");
    assert_eq!(statuses(&server, most), (vec![413], true));
}

/// RFC 9112 s6.3: the same number twice may be taken as one. hyper does so and shows it once; both
/// readings are the same.
#[test]
fn the_same_length_twice_is_that_length() {
    let home = Home::new();
    let server = home.start(&[]);
    let twice = "Content-Length: 2\r\nContent-Length: 2\r\n";
    let last = "GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let bytes = format!("{LOGIN}{twice}\r\n{{}}{last}");
    assert_eq!(statuses(&server, bytes), (vec![422, 404], true));
}

/// RFC 9112 s7.1, s7.1.1, s7.1.2.
#[test]
fn a_chunk_that_is_none_is_refused() {
    let home = Home::new();
    let server = home.start(&[]);
    let flood = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(20_000));
    let floods = format!("{}0\r\n\r\n", format!("1;{}\r\n \r\n", "x".repeat(1000)).repeat(20));
    let trailers = format!("2\r\n{{}}\r\n0\r\n{}\r\n", "x: y\r\n".repeat(200));
    let trailer = format!("2\r\n{{}}\r\n0\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    for body in [
        // Sizes beyond 64 bits (s7.1).
        "10000000000000000\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "100000000000000002\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        " 2\r\n{}\r\n0\r\n\r\n",
        "2 2\r\n{}\r\n0\r\n\r\n",
        "g\r\n{}\r\n0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
        ";a=b\r\n{}\r\n0\r\n\r\n",
        // Ends of lines.
        "2\n{}\n0\n\n",
        "2\r{}\r0\r\r",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}XX0\r\n\r\n",
        "3\r\n{}\r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "2;a\nb\r\n{}\r\n0\r\n\r\n",
        // Floods of extensions and of trailers.
        &flood,
        &floods,
        &trailers,
        &trailer,
        // Trailers that are no fields.
        "2\r\n{}\r\n0\r\nnone\r\n\r\n",
        "2\r\n{}\r\n0\r\nx : y\r\n\r\n",
    ] {
        let bad = format!("{LOGIN}Transfer-Encoding: chunked\r\n\r\n{body}");
        refused(&server, bad.as_bytes(), Refused::Problem("invalid-request"));
    }
}

/// RFC 9112 s7.1: what is well formed is read, whatever its extensions and trailers; and the connection
/// ends with the answer.
#[test]
fn an_upload_in_chunks_is_read() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let token = server.admin();
    let head = Request::post("/api/demo/upload").bearer(&token);
    let head = head.header("Transfer-Encoding", "chunked").head();
    let body = "3;name=\"a;b\"\r\nabc\r\n0A\r\n0123456789\r\n000\r\nX-Sum: 1\r\n\r\n";
    let (answers, closed) = answers(&server, &[&head, body.as_bytes(), SECOND.as_bytes()].concat());
    assert_eq!((answers.len(), closed), (1, true));
    assert_eq!(answers[0].clone().expect(200).json()["bytes"], 13);
    assert!(answers[0].closes());
}

/// RFC 9112 s9.3: a body that nobody reads is passed over to its end, or the connection is closed.
#[test]
fn a_body_that_is_not_read_is_no_request() {
    let home = Home::new();
    let server = home.start(&[]);
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n".repeat(300_000);
    let last = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (line, status) in [("POST /none", 404), ("DELETE /livez", 405), ("GET /livez", 415)] {
        for length in [hidden.len(), 36] {
            let body = &hidden[..length];
            let bytes = format!(
                "{line} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}{last}"
            );
            let (statuses, closed) = statuses(&server, bytes);
            assert!(closed, "{line} {length}");
            let large = if length > 65_536 { 413 } else { status };
            assert!(
                statuses == [large] || statuses == [large, 200],
                "{line} {length}: {statuses:?}"
            );
        }
    }
}

/// RFC 9112 s8: a body that ends early is no whole one.
#[test]
fn a_body_that_ends_early_is_refused() {
    let home = Home::new();
    let server = home.start(&[]);
    for body in ["Content-Length: 10\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"] {
        let mut client = server.client();
        client.raw(format!("{LOGIN}{body}").as_bytes());
        client.finish().expect("the write side can be closed");
        // There may be nobody left to be answered.
        let rest = client.rest(crate::client::PATIENCE).expect("the connection is closed");
        let text = String::from_utf8_lossy(&rest).into_owned();
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 400 "), "{text}");
    }
}
