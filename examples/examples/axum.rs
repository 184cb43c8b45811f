//! An axum app behind the wall: hosts, sizes and rates are guarded, failures are problem documents.
//!
//! `cargo run -p gabion-examples --example axum` asks itself a few things and ends; with `-- --serve`
//! it goes on serving.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
};

use axum::{
    Extension, Json, Router,
    extract::{ConnectInfo, DefaultBodyLimit, Path, Request, rejection::PathRejection},
    middleware::map_request,
    routing::get,
};
use gabion_config::Rate;
use gabion_errors::{Problem, Rejection, ToProblem, types};
use gabion_limits::{ClientAddr, HostRule, SizeConfig, quota::Quota, rate::MemoryRateStore};
use gabion_monitor::RequestId;
use gabion_tower::{
    Peer, RouteContract, WallLayer,
    guards::{HostGuard, RateGuard, SizeGuard},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the wall holds every request to; axum goes on routing by itself.
static API: RouteContract = RouteContract::open("/{*path}", "api");

/// An error of the service, with what a client may know of it.
#[derive(Debug, thiserror::Error)]
#[error("shelf {0} collapsed")]
struct Collapsed(u32);

impl ToProblem for Collapsed {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::INTERNAL)
    }
}

/// `?` makes a rejection of every such error; the wall logs its cause and tells only its problem.
async fn item(
    Extension(client): Extension<ClientAddr>,
    Extension(id): Extension<RequestId>,
    shelf: Result<Path<u32>, PathRejection>,
) -> Result<Json<Value>, Rejection> {
    let Path(shelf) = shelf.map_err(|_| Problem::new(&types::NOT_FOUND))?;
    let stones = count(shelf)?;
    Ok(Json(json!({ "stones": stones, "client": client.ip(), "request_id": id.as_str() })))
}

fn count(shelf: u32) -> Result<u32, Collapsed> {
    if shelf < 100 { Ok(shelf * 7) } else { Err(Collapsed(shelf)) }
}

async fn nothing_here() -> Rejection {
    Problem::new(&types::NOT_FOUND).into()
}

async fn wrong_method() -> Rejection {
    Problem::new(&types::METHOD_NOT_ALLOWED).into()
}

/// The wall takes the peer's address from the request; axum knows it as `ConnectInfo`.
async fn with_peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(Peer(peer));
    request
}

fn app(hosts: HostRule) -> Router {
    let sizes = SizeConfig::default();
    let json_body = sizes.json_body.as_usize();
    let store = Arc::new(MemoryRateStore::with_capacity(100_000));
    let guards = (
        HostGuard::new(hosts),
        SizeGuard::new(sizes),
        RateGuard::by_address("address", Quota::new(Rate::per_second(1), 5), store),
    );
    Router::new()
        .route("/shelves/{number}", get(item))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        // The guard looks at the length that a head declares; this counts what comes.
        .layer(DefaultBodyLimit::max(json_body))
        .layer(WallLayer::new(&API, guards))
        // Added last, so it is outside and runs first.
        .layer(map_request(with_peer))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = start().await?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    for request in ["GET /shelves/6", "GET /shelves/106", "GET /nothing", "POST /shelves/6"] {
        writeln!(out, "\n> {request}\n{}", ask(address, request).await?)?;
    }
    for _ in 0..2 {
        writeln!(out, "\n> GET /shelves/7\n{}", ask(address, "GET /shelves/7").await?)?;
    }
    if std::env::args().any(|argument| argument == "--serve") {
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// Serves on a port of the system's choice.
async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let hosts = HostRule::new(&["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
    let service = app(hosts).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(address)
}

/// The whole answer to a request without a body.
async fn ask(address: SocketAddr, request: &str) -> io::Result<String> {
    ask_host(address, "127.0.0.1", request).await
}

async fn ask_host(address: SocketAddr, host: &str, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(request: &str) -> String {
        ask(start().await.unwrap(), request).await.unwrap()
    }

    #[tokio::test]
    async fn the_handler_knows_the_client_and_the_name_of_the_request() {
        let answer = answer("GET /shelves/6").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("\"stones\":42") && answer.contains("\"127.0.0.1\""), "{answer}");
        assert!(answer.contains("ratelimit: \"address\";r=4"), "{answer}");
    }

    #[tokio::test]
    async fn a_failure_tells_its_request_id_and_not_its_cause() {
        let answer = answer("GET /shelves/106").await;
        assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let document: Value = serde_json::from_str(body).unwrap();
        let id = document["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("x-request-id: {id}")) && !id.is_empty(), "{answer}");
        assert!(!answer.contains("shelf"), "{answer}");
    }

    #[tokio::test]
    async fn every_refusal_is_a_problem_document() {
        let address = start().await.unwrap();
        for (host, request, status) in [
            ("127.0.0.1", "GET /shelves/none", 404),
            ("127.0.0.1", "GET /nothing", 404),
            ("127.0.0.1", "POST /shelves/6", 405),
            ("example.org", "GET /shelves/6", 421),
        ] {
            let answer = ask_host(address, host, request).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            assert!(answer.contains("application/problem+json"), "{answer}");
            assert_eq!(answer.contains("\r\nallow: GET,HEAD\r\n"), status == 405, "{answer}");
        }
    }

    #[tokio::test]
    async fn one_client_has_one_quota_on_all_routes() {
        let address = start().await.unwrap();
        for i in 0..5 {
            let answer = ask(address, &format!("GET /shelves/{i}")).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        let answer = ask(address, "GET /nothing").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after:"), "{answer}");
    }
}
