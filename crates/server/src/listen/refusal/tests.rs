use std::sync::Arc;

use gabion_config::Live;
use gabion_errors::BoxError;
use gabion_lifecycle::{Drain, Readiness};
use gabion_limits::{ConnectionConfig, ConnectionTable};
use gabion_tower::Peer;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::super::{Answer, Entrance, Sweeper, connection};
use super::*;
use crate::{body::RequestBody, settings::ServerSettings};

/// Answers with the status that the path is, and a body only to `/200`.
struct Statuses;

impl Answer for Statuses {
    type Body = http_body_util::combinators::BoxBody<Bytes, BoxError>;

    async fn answer(
        self: Arc<Self>,
        request: Request<RequestBody>,
        _: Peer,
        _: bool,
    ) -> Response<Self::Body> {
        let status: StatusCode = request.uri().path()[1..].parse().unwrap();
        let body = if status == StatusCode::OK { "fine" } else { "" };
        let body = Full::new(Bytes::from(body));
        let mut response = Response::new(http_body_util::BodyExt::boxed(
            http_body_util::BodyExt::map_err(body, |never| match never {}),
        ));
        *response.status_mut() = status;
        response
    }
}

/// Everything that is answered to requests for `paths`, sent at once, until the connection ends by itself;
/// it has room for `room` bytes.
async fn answers(paths: &[&str], room: usize) -> String {
    let (mut client, stream) = duplex(room);
    let sweeper = Arc::new(Sweeper::new());
    let entrance = Entrance {
        table: Arc::new(ConnectionTable::new(&ConnectionConfig::default())),
        sweeper: Arc::clone(&sweeper),
        drain: Drain::new(Readiness::new()),
        settings: Arc::new(Live::new(ServerSettings::default())),
        door: Arc::default(),
    };
    let permit = entrance.table.admit("192.0.2.1".parse().unwrap()).unwrap();
    let peer = "192.0.2.1:1".parse().unwrap();
    let answer = Arc::new(Statuses);
    tokio::spawn(connection(stream, sweeper.watch(), peer, permit, entrance, answer));
    let sent = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client.write_all(sent.collect::<String>().as_bytes()).await.unwrap();
    let mut came = Vec::new();
    for _ in 0..10_000 {
        let mut piece = [0; 64];
        tokio::select! {
            biased;
            read = client.read(&mut piece) => match read.unwrap() {
                0 => return String::from_utf8(came).unwrap(),
                count => came.extend(&piece[..count]),
            },
            () = tokio::task::yield_now() => {}
        }
    }
    panic!("the connection stays open: {}", String::from_utf8_lossy(&came));
}

#[tokio::test]
async fn a_refusal_without_a_body_gets_one_and_ends_the_connection() {
    // A head as small as these is not too large.
    for (status, told) in [("400", "400"), ("414", "414"), ("431", "400")] {
        // Written at once, and in many pieces.
        for room in [64 * 1024, 100] {
            for behind in [&[][..], &["/200"]] {
                let refused = format!("/{status}");
                let all = answers(&[&["/200", &*refused], behind].concat(), room).await;
                let (good, refusal) = all.split_once("fine").unwrap();
                assert!(good.starts_with("HTTP/1.1 200 OK\r\n"), "{all}");
                assert!(refusal.starts_with(&format!("HTTP/1.1 {told} ")), "{all}");
                assert!(refusal.contains("connection: close\r\n"), "{all}");
                assert!(refusal.ends_with('}'), "{all}");
                assert_eq!(all.matches("HTTP/1.1 ").count(), 2, "{all}");
            }
        }
    }
}

#[test]
fn only_a_head_without_anything_behind_it_is_bare() {
    let told = |text: &str| bare(text.as_bytes()).copied();
    let own =
        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
    assert_eq!(told(own), Some(*b"400"));
    let empty = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(told(empty), None);
    // Ours, with a body, and an empty answer behind it.
    let ours = "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}";
    for whole in [ours.to_owned(), format!("{ours}{empty}"), format!("{own}{empty}")] {
        assert_eq!(told(&whole), None, "{whole}");
    }
    assert_eq!(told(&own[..own.len() - 2]), None);
}
