//! Good requests, damaged at random: whatever comes of them is answered in good form or not at all, is
//! no failure of the server, and costs it nothing.

use std::{collections::BTreeSet, thread};

use serde_json::json;

use super::CANARY;
use crate::{
    client::{PATIENCE, Request, Response},
    problem::is_whole,
    server::{Home, Server},
};

/// A sequence of numbers that is the same each time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// What requests are likely to be read wrongly for.
const PIECES: [&[u8]; 24] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"\"",
    b"{",
    b"]",
    b",",
    b"%00",
    b"%",
    b"\xff",
    b"\xef\xbb\xbf",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: elsewhere\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Encoding: gzip\r\n",
];

/// `good` with up to four damages.
fn damaged(good: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(12)).min(bytes.len());
        match numbers.below(6) {
            0 => bytes[at] = numbers.next() as u8,
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, PIECES[numbers.below(PIECES.len())].iter().copied())),
            3 => drop(bytes.splice(at..end, PIECES[numbers.below(PIECES.len())].iter().copied())),
            4 => bytes.extend_from_within(at..end),
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(b'x');
        }
    }
    bytes
}

fn good(token: &str) -> Vec<Vec<u8>> {
    let wrong = json!({"username": "nobody", "password": format!("{CANARY} one two three")});
    let items = json!({"requests": [
        {"id": "a", "method": "GET", "path": "/api/auth/verify"},
        {"id": "b", "method": "POST", "path": "/api/auth/login", "body": wrong},
    ]});
    let account = json!({"username": "new", "password": CANARY, "roles": ["user"]});
    let upload = Request::post("/api/demo/upload").bearer(token);
    let chunked = upload.clone().header("Transfer-Encoding", "chunked").head();
    [
        Request::get("/livez"),
        Request::get("/api/auth/verify").bearer(token),
        Request::get("/api/demo/work?io_ms=1&class=batch").bearer(token),
        Request::get("/api/admin/audit?limit=3").bearer(token),
        Request::get("/api/demo/cached/abc?load_ms=1").bearer(token),
        Request::post("/api/auth/login").json(&wrong),
        Request::post("/api/auth/refresh").json(&json!({"refresh_token": CANARY})),
        Request::post("/api/batch").bearer(token).json(&items),
        Request::post("/api/admin/users").bearer(token).json(&account),
        upload.body(CANARY.repeat(100)),
    ]
    .into_iter()
    .map(|request| request.header("Connection", "close").bytes())
    .chain([[chunked, b"5\r\nabcde\r\n0\r\n\r\n".to_vec()].concat()])
    .collect()
}

/// Takes one response from what came.
fn take(bytes: &mut Vec<u8>) -> Response {
    let told = String::from_utf8_lossy(bytes).into_owned();
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").expect(&told) + 4;
    let head: Vec<u8> = bytes.drain(..end).collect();
    let head = String::from_utf8(head).expect("UTF-8");
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status.and_then(|line| line.get(2..5)?.parse().ok());
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':').expect(&told);
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    let headers = fields.collect();
    let mut response = Response { status: status.expect(&told), headers, body: Vec::new() };
    if response.status >= 200 && response.status != 204 {
        let length = response.header("content-length").expect(&told);
        let length: usize = length.parse().expect("a length");
        response.body = bytes.drain(..length).collect();
    }
    response
}

/// Sends what is damaged, and checks what comes back.
fn ask(server: &Server, bytes: &[u8]) {
    let told = String::from_utf8_lossy(bytes).into_owned();
    let mut client = server.client();
    let _ = client.try_raw(bytes);
    let came = client.rest(PATIENCE);
    let mut rest = came.unwrap_or_else(|| panic!("the connection hangs after {told:?}"));
    while !rest.is_empty() {
        let response = take(&mut rest);
        let status = response.status;
        assert!(status < 500 || [501, 503, 505].contains(&status), "{status} to {told:?}");
        if status >= 400 {
            response.has_usual_headers();
            assert_eq!(response.header("content-type"), Some("application/problem+json"));
            let body = response.json();
            is_whole(&body, body["code"].as_str().expect("a code"));
        }
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Literal fields that nobody remembers (RFC 7541 §6.2.2).
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for part in [name.as_bytes(), value.as_bytes()] {
            // Seven bits, and the rest in groups of seven (§5.1).
            let mut rest = part.len().saturating_sub(127);
            out.push(part.len().min(127) as u8);
            while part.len() >= 127 {
                out.push((rest & 0x7f) as u8 | if rest > 0x7f { 0x80 } else { 0 });
                rest >>= 7;
                if rest == 0 {
                    break;
                }
            }
            out.extend(part);
        }
    }
    out
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frames that are sent behind the preface.
fn good_frames(token: &str) -> Vec<Vec<u8>> {
    let bearer = format!("Bearer {token}");
    let base = [(":scheme", "http"), (":authority", "localhost"), ("authorization", &bearer)];
    let get = [&[(":method", "GET"), (":path", "/api/auth/verify")], &base[..]].concat();
    let json = ("content-type", "application/json");
    let post = [&[(":method", "POST"), (":path", "/api/auth/login")], &base[..2], &[json]].concat();
    let settings = frame(4, 0, 0, &[0, 3, 0, 0, 0, 9]);
    let window = frame(8, 0, 0, &[0, 0, 255, 255]);
    let body = json!({"username": "nobody", "password": CANARY}).to_string();
    let (first, second) = body.as_bytes().split_at(10);
    vec![
        [&settings[..], &window, &frame(1, 5, 1, &fields(&get))].concat(),
        [
            &settings[..],
            &frame(1, 4, 1, &fields(&post)),
            &frame(0, 0, 1, first),
            &frame(6, 0, 0, &[7; 8]),
            &frame(0, 1, 1, second),
            &frame(1, 5, 3, &fields(&get)),
            &frame(3, 0, 3, &[0, 0, 0, 8]),
        ]
        .concat(),
    ]
}

/// The same for frames: every connection comes to its end.
fn ask_in_frames(server: &Server, frames: &[u8]) {
    let mut client = server.client();
    let _ = client.try_raw(&[PREFACE, frames].concat());
    assert!(client.rest(PATIENCE).is_some(), "the connection hangs after {frames:?}");
}

/// The statuses of the responses so far, as the metrics tell them.
fn statuses(metrics: &str) -> BTreeSet<u16> {
    const LABEL: &str = "http_response_status_code=\"";
    let named = metrics.lines().filter(|line| !line.ends_with(" 0"));
    let named = named.filter_map(|line| line.split_once(LABEL)?.1.get(..3)?.parse().ok());
    named.collect()
}

#[test]
fn a_thousand_damaged_requests_are_no_failures() {
    const THREADS: u64 = 8;
    let home = Home::new();
    let server = home.start(&[
        "demo.enabled=true",
        "log.level=warn",
        "limits.time.head=300ms",
        "limits.time.body_grace=300ms",
        "limits.time.idle=300ms",
        "auth.login.failures=1000000",
        "auth.login.address_failures=1000000",
    ]);
    let admin = server.admin();
    let (good, frames) = (good(&admin), good_frames(&admin));
    for whole in &frames {
        ask_in_frames(&server, whole);
    }
    // They are what they are meant to be.
    for (route, status) in [("/api/auth/verify", "200"), ("/api/auth/login", "401")] {
        let metrics = server.metrics(&admin);
        let told = metrics.lines().find(|line| {
            let count = line.starts_with("http_server_request_duration_seconds_count");
            let own = line.contains(&format!("\"{route}\"")) && line.contains(status);
            count && own && !line.ends_with(" 0")
        });
        assert!(told.is_some(), "{route}");
    }
    let round = |seed: u64, count: usize| {
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (server, good, frames) = (&server, &good, &frames);
                scope.spawn(move || {
                    let mut numbers = Numbers(seed + thread);
                    for _ in 0..count {
                        let at = numbers.below(good.len());
                        ask(server, &damaged(&good[at], &mut numbers));
                        let at = numbers.below(frames.len());
                        ask_in_frames(server, &damaged(&frames[at], &mut numbers));
                    }
                });
            }
        });
    };
    // Buffers and threads come first.
    round(1, 30);
    let before = server.resident();
    round(1000, 125);
    let grown = server.resident().saturating_sub(before);
    println!("{} KiB before, {} KiB more", before / 1024, grown / 1024);
    assert!(grown < 16 << 20, "{grown} bytes more");
    assert!(server.accepts(&admin));
    let statuses = statuses(&server.metrics(&admin));
    assert!([200, 400, 401].iter().all(|usual| statuses.contains(usual)), "{statuses:?}");
    let failures: Vec<u16> = statuses.into_iter().filter(|status| *status >= 500).collect();
    assert!(failures.iter().all(|status| [501, 503, 505].contains(status)), "{failures:?}");
    let log = server.log();
    assert!(!log.contains("\"ERROR\""), "{log}");
}
