//! Bodies that come compressed.

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use serde_json::json;

use crate::{
    client::{Client, Request, Response},
    server::{Home, PASSWORD},
};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

fn login() -> Vec<u8> {
    json!({"username": "admin", "password": PASSWORD}).to_string().into_bytes()
}

fn post(client: &mut Client, encoding: &str, body: Vec<u8>) -> Response {
    let request = Request::post("/api/auth/login").header("Content-Type", "application/json");
    client.send(&request.header("Content-Encoding", encoding).body(body))
}

/// Nothing but zeros: a thousandth of its size on the wire.
const BOMB: usize = 10 << 20;

#[test]
fn a_login_may_come_compressed() {
    let home = Home::new();
    let server = home.start(&[]);
    let mut client = server.client();
    for (encoding, body) in [
        ("gzip", gzip(&login())),
        ("GZip", gzip(&login())),
        ("x-gzip", gzip(&login())),
        ("deflate", zlib(&login())),
        ("identity", login()),
    ] {
        let response = post(&mut client, encoding, body).expect(200);
        assert!(response.json()["access_token"].is_string(), "{encoding}");
    }
    // In members, and in chunks.
    let login_body = login();
    let (first, second) = login_body.split_at(10);
    post(&mut client, "gzip", [gzip(first), gzip(second)].concat()).expect(200);
    let mut chunks = Vec::new();
    for chunk in gzip(&login()).chunks(7) {
        chunks.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunks.extend(chunk);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    let head = Request::post("/api/auth/login").header("Content-Type", "application/json");
    let head = head.header("Content-Encoding", "gzip").header("Transfer-Encoding", "chunked");
    client.raw(&[head.head(), chunks].concat());
    client.read(false).expect("an answer").expect(200);
}

/// RFC 9110 s15.5.16.
#[test]
fn an_encoding_that_is_not_read_is_refused_with_those_that_are() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let mut client = server.client();
    for encoding in ["br", "zstd", "compress", "gzip, gzip", "gzip, deflate", "identity, gzip", "x"]
    {
        let response = post(&mut client, encoding, gzip(&login()));
        response.problem("unsupported-media-type");
        assert_eq!(response.header("accept-encoding"), Some("gzip, deflate"), "{encoding}");
    }
    let twice = Request::post("/api/auth/login").header("Content-Type", "application/json");
    let twice = twice.header("Content-Encoding", "gzip").header("Content-Encoding", "gzip");
    client.send(&twice.body(gzip(&gzip(&login())))).problem("unsupported-media-type");
    // Also where the body is streamed, and where nobody reads it.
    let upload = Request::post("/api/demo/upload").bearer(&server.admin());
    let refused = client.send(&upload.header("Content-Encoding", "br").body("x"));
    refused.problem("unsupported-media-type");
    assert_eq!(refused.header("accept-encoding"), Some("gzip, deflate"));
    // Another type has no business with encodings.
    let text = Request::post("/api/auth/login").header("Content-Type", "text/plain").body("x");
    let refused = client.send(&text);
    refused.problem("unsupported-media-type");
    assert_eq!(refused.header("accept-encoding"), None);
}

#[test]
fn what_is_not_of_its_encoding_is_refused() {
    let home = Home::new();
    let server = home.start(&[]);
    let mut client = server.client();
    let whole = gzip(&login());
    let mut wrong = whole.clone();
    let sum = wrong.len() - 8;
    wrong[sum] ^= 1;
    for (encoding, body) in [
        ("gzip", whole[..whole.len() - 1].to_vec()),
        ("gzip", whole[..12].to_vec()),
        ("gzip", [whole.clone(), b"{}".to_vec()].concat()),
        ("gzip", wrong),
        ("gzip", login()),
        ("gzip", zlib(&login())),
        ("deflate", whole.clone()),
        ("deflate", login()),
        ("gzip", gzip(&whole)),
        ("gzip", gzip(b"{").repeat(17)),
    ] {
        let response = post(&mut client, encoding, body);
        response.problem("invalid-request");
        response.has_usual_headers();
    }
    // The bound of the route is that of what comes out.
    let padded = [login(), vec![b' '; 64 << 10]].concat();
    post(&mut client, "gzip", gzip(&padded)).problem("body-too-large");
    post(&mut client, "gzip", gzip(&login())).expect(200);
}

#[test]
fn a_bomb_is_refused_and_costs_no_memory() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true", "log.level=warn"]);
    let admin = server.admin();
    let bomb = gzip(&vec![0; BOMB]);
    assert!(bomb.len() < BOMB / 900, "{} bytes", bomb.len());
    let throw = || {
        let mut client = server.client();
        post(&mut client, "gzip", bomb.clone()).problem("body-too-large");
        // Twice: what comes out is a bomb again, and no JSON.
        post(&mut client, "gzip", gzip(&bomb)).problem("invalid-request");
        let upload = Request::post("/api/demo/upload").bearer(&admin);
        let upload = upload.header("Content-Encoding", "gzip").body(bomb.clone());
        let refused = server.send(&upload);
        let told = refused.problem("body-too-large");
        let detail = "decompressing makes the body more than 100 times as large";
        assert_eq!(told["detail"], detail);
    };
    for _ in 0..10 {
        throw();
    }
    let before = server.resident();
    for _ in 0..100 {
        throw();
    }
    let (after, peak) = (server.resident(), server.peak());
    let grown = after.saturating_sub(before);
    println!("300 bombs of 10 MiB: {} KiB more, {} KiB at most", grown >> 10, peak >> 10);
    assert!(grown < 8 << 20, "{grown} bytes more");
    assert!(peak.saturating_sub(before) < 16 << 20, "{} bytes at most", peak - before);
}

#[test]
fn each_bound_of_decompressing_is_its_setting() {
    let home = Home::new();
    let server = home.start(&[
        "demo.enabled=true",
        "limits.size.body=8MiB",
        "limits.size.decompressed=4MiB",
        "limits.size.decompress_ratio=2000",
    ]);
    let admin = server.admin();
    let upload = |plain: usize| {
        let request = Request::post("/api/demo/upload").bearer(&admin);
        let body = gzip(&vec![0; plain]);
        server.send(&request.header("Content-Encoding", "gzip").body(body))
    };
    let most = 4 << 20;
    assert_eq!(upload(most).expect(200).json()["bytes"], most);
    let refused = upload(most + 1);
    let told = refused.problem("body-too-large");
    assert_eq!(told["detail"], "the body is larger than 4MiB once decompressed");
}
