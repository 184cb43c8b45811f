//! Lines, targets, hosts and fields.

use super::{Refused, SECOND, answers, refused};
use crate::server::Home;

/// RFC 9112 s2.2, s3: request lines that are none.
#[test]
fn a_request_line_has_one_form() {
    let home = Home::new();
    let server = home.start(&[]);
    for line in [
        "GET  /livez HTTP/1.1",
        "GET\t/livez HTTP/1.1",
        " GET /livez HTTP/1.1",
        "GET /livez  HTTP/1.1",
        "GET /livez HTTP/1.1 ",
        "GET /livez",
        "GET /livez HTTP/1.2",
        "GET /livez HTTP/0.9",
        "GET /livez HTTP/3.0",
        "GET /livez http/1.1",
        "GET /livez HTTP/1.1\rX: y",
        "GET /li\rvez HTTP/1.1",
        "GET /li\0vez HTTP/1.1",
        "G\0T /livez HTTP/1.1",
        "G:T /livez HTTP/1.1",
        "GET /li vez HTTP/1.1",
        "/livez HTTP/1.1",
        "",
    ] {
        // An empty line before a request is passed over (s2.2); what comes then is none.
        let line = if line.is_empty() { "\r\n\r\nnothing" } else { line };
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        refused(&server, head.as_bytes(), Refused::Unparsed);
    }
}

/// RFC 9112 s2.2 (bare CR, whitespace before the first field), s5.1 (space before the colon), s5.2
/// (obs-fold).
#[test]
fn a_field_has_one_form() {
    let home = Home::new();
    let server = home.start(&[]);
    for fields in [
        " Host: a\r\n",
        "\tHost: a\r\n",
        " X: y\r\nHost: a\r\n",
        "Host: a\r\nX: a\rb\r\n",
        "Host: a\r\nX: a\r\r\n",
        "Host: a\rX: b\r\n",
        "Host: a\r\nX: a\0b\r\n",
        "Host: a\r\nX\0: b\r\n",
        "Host: a\r\nX: a\x01b\r\n",
        "Host: a\r\nX: a\x7fb\r\n",
        "Host : a\r\n",
        "Host\t: a\r\n",
        "Host: a\r\nX : b\r\n",
        "Host: a\r\nX: b\r\n c\r\n",
        "Host: a\r\nX: b\r\n\tc\r\n",
        "Host: a\r\nX: b\r\n \r\n",
        "Host: a\r\n: b\r\n",
        "Host: a\r\nX\r\n",
        "Host: a\r\nX Y: b\r\n",
        "Host: a\r\nX(y): b\r\n",
        "Host: a\r\nGET /livez HTTP/1.1\r\n",
    ] {
        let head = format!("GET /livez HTTP/1.1\r\n{fields}\r\n");
        refused(&server, head.as_bytes(), Refused::Unparsed);
    }
    refused(&server, b"GET /livez HTTP/1.1\r\nHost: a\r\nX\xff: b\r\n\r\n", Refused::Unparsed);
}

/// RFC 9112 s2.2 lets a line end with LF alone. It does here too, for fields and for the head, and for
/// nothing else: the good request behind is found where it is.
#[test]
fn a_line_feed_alone_ends_a_line() {
    let home = Home::new();
    let server = home.start(&[]);
    let head = "GET /livez HTTP/1.1\nHost: a\nConnection: keep-alive\n\n";
    let last = "GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (answers, closed) = answers(&server, [head, SECOND, last].concat().as_bytes());
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!((statuses.as_slice(), closed), ([200, 200, 404].as_slice(), true));
    // A field cannot be hidden behind it.
    refused(
        &server,
        b"GET /livez HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        Refused::Problem("not-implemented"),
    );
}

/// RFC 9112 s3.2, RFC 9110 s7.2.
#[test]
fn there_is_exactly_one_valid_host() {
    let home = Home::new();
    let server = home.start(&[]);
    for (version, fields) in [
        ("1.1", ""),
        ("1.1", "Host:\r\n"),
        ("1.1", "Host: \t \r\n"),
        ("1.1", "Host: a\r\nHost: a\r\n"),
        ("1.1", "Host: a\r\nHost: b\r\n"),
        ("1.1", "Host: a\r\nhost:\r\n"),
        ("1.1", "Host: a,b\r\n"),
        ("1.1", "Host: a, b\r\n"),
        ("1.1", "Host: user@a\r\n"),
        ("1.1", "Host: user:word@a\r\n"),
        ("1.1", "Host: a:b\r\n"),
        ("1.1", "Host: a:65536\r\n"),
        ("1.1", "Host: a:-1\r\n"),
        ("1.1", "Host: a:80:80\r\n"),
        ("1.1", "Host: :80\r\n"),
        ("1.1", "Host: a/b\r\n"),
        ("1.1", "Host: a b\r\n"),
        ("1.1", "Host: http://a\r\n"),
        ("1.1", "Host: [::1\r\n"),
        ("1.1", "Host: ::1\r\n"),
        ("1.1", "Host: a%zz\r\n"),
        ("1.0", ""),
        ("1.0", "Host: a\r\nHost: a\r\n"),
        ("1.0", "Host: a b\r\n"),
    ] {
        let head = format!("GET /livez HTTP/{version}\r\n{fields}\r\n");
        refused(&server, head.as_bytes(), Refused::Problem("invalid-request"));
    }
    for target in ["http://user@a/livez", "http://a:65536/livez"] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (answers, closed) = answers(&server, [&head, SECOND].concat().as_bytes());
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!((statuses.as_slice(), closed), ([400].as_slice(), true), "{target}");
    }
}

/// RFC 9112 s3.2.2: the target's host counts, and the field's must be well formed all the same.
#[test]
fn the_host_of_an_absolute_target_overrules_the_field() {
    let home = Home::new();
    let server = home.start(&["server.allowed_hosts=good.example"]);
    for (target, host, status) in [
        ("http://good.example/livez", "good.example", 200),
        ("http://good.example:80/livez", "bad.example", 200),
        ("HTTP://GOOD.example/livez", "bad.example", 200),
        ("http://bad.example/livez", "good.example", 421),
        ("http://good.example/livez", "good.example, bad.example", 400),
        ("/livez", "bad.example", 421),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let (answers, closed) = answers(&server, head.as_bytes());
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!((statuses.as_slice(), closed), ([status].as_slice(), true), "{target} {host}");
    }
}

/// RFC 9112 s3.2.
#[test]
fn a_target_is_a_path_or_an_address_of_http() {
    let home = Home::new();
    let server = home.start(&[]);
    for line in
        ["GET * HTTP/1.1", "PRI * HTTP/1.1", "GET a:80 HTTP/1.1", "GET ftp://a/livez HTTP/1.1"]
    {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        refused(&server, head.as_bytes(), Refused::Problem("invalid-request"));
    }
    for target in ["livez", "?a", "//", "http://", "http:///livez", "/\u{fc}", "\\livez"] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (answers, closed) = answers(&server, [&head, SECOND].concat().as_bytes());
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(statuses == [400] || statuses == [404], "{target}: {statuses:?}");
        assert!(closed, "{target}");
    }
}

/// RFC 9112 s3, RFC 9110 s15.5.15, RFC 6585 s5.
#[test]
fn a_target_beyond_its_bound_is_too_long() {
    let home = Home::new();
    let server = home.start(&[]);
    let ask = |length: usize| {
        let target = format!("/{}", "x".repeat(length - 1));
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (answers, closed) = answers(&server, [&head, SECOND].concat().as_bytes());
        assert!(closed && answers.len() == 1, "{length}: {} answers", answers.len());
        answers.into_iter().next().expect("an answer")
    };
    ask(8192).problem("not-found");
    ask(8193).problem("uri-too-long");
    // Beyond what is parsed at all.
    for length in [65_535, 80 << 10, 1 << 20] {
        let status = ask(length).status;
        assert!([414, 431].contains(&status), "{length}: {status}");
    }
}

/// RFC 6585 s5. What is sent behind a good request is refused as it is alone.
#[test]
fn too_many_fields_behind_a_good_request_are_too_large() {
    let home = Home::new();
    let server = home.start(&[]);
    let fields: String = (0..150).map(|number| format!("X-{number}: y\r\n")).collect();
    let many = format!("GET /livez HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    for (bytes, good) in
        [(many.clone(), 0), ([SECOND, &many].concat(), 1), ([SECOND, SECOND, &many].concat(), 2)]
    {
        let (answers, closed) = answers(&server, bytes.as_bytes());
        assert!(closed && answers.len() == good + 1, "{good}: {} answers", answers.len());
        answers[good].problem("header-too-large");
    }
    // What is small is malformed there too.
    let small = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n";
    let (answers, _) = answers(&server, [SECOND, small].concat().as_bytes());
    answers[1].problem("invalid-request");
}
