//! One shape for every error of an axum app, and nothing else: no guards, no limits.
//!
//! An error enum says beside its variants what a client may know ([`ToProblem`]); `?` makes a rejection of it
//! in any handler; [`ProblemLayer`] tells the client the problem and the log the cause, under one request id,
//! and makes the same of panics and of what axum refuses by itself. To copy into a service: `ShelfError`, and the
//! line `.layer(…)`.
//!
//! `cargo run -p gabion-examples --example errors` asks itself a few things and ends; with `-- --serve`
//! it goes on serving. Then (ids and ports differ; long lines are broken here):
//!
//! ```text
//! $ curl -si http://127.0.0.1:39159/shelves/3
//! HTTP/1.1 503 Service Unavailable
//! content-type: application/problem+json
//! retry-after: 5
//! x-request-id: ad8609402853a5f5ddea86116b372305
//! content-length: 260
//! date: Mon, 23 Nov 2026 21:39:18 GMT
//!
//! {"type":"https://shelves.example/problems/dependency-unavailable","title":"Dependency unavailable","status":503,
//! "detail":"the shelves cannot be read at the moment","code":"dependency-unavailable",
//! "request_id":"ad8609402853a5f5ddea86116b372305","retry_after":5}
//!
//! $ curl -s http://127.0.0.1:39159/shelves/3 -d '{"stones": "many"}' -H 'content-type: application/json'
//! {"type":"https://shelves.example/problems/invalid-body","title":"Invalid body","status":422,
//! "detail":"the body is well formed, but what it says is not acceptable","code":"invalid-body",
//! "request_id":"1eaf58422f1c79462dab27ec595ec56a"}
//!
//! $ curl -si http://127.0.0.1:39159/shelves/3 -X DELETE | grep -i -e http/ -e allow
//! HTTP/1.1 405 Method Not Allowed
//! allow: GET,HEAD,POST
//! ```
//!
//! And the log, on standard error, says of the first:
//!
//! ```text
//! 2026-11-23T21:39:18.699124Z  WARN gabion::error: failed request_id="ad8609402853a5f5ddea86116b372305"
//! route="/shelves/{number}" code="dependency-unavailable" duration_us=95 cause="cannot read shelf 3: disk on fire"
//! ```

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{MatchedPath, Path},
    routing::get,
};
use gabion_errors::{Problem, ProblemType, Rejection, Retry, ToProblem, types};
use gabion_tower::ProblemLayer;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What can go wrong with a shelf. The words here are the operator's.
#[derive(Debug, thiserror::Error)]
enum ShelfError {
    #[error("no shelf {0} in /var/lib/shelves")]
    Missing(u32),
    #[error("shelf {shelf} has no room beside its {stones} stones")]
    Full { shelf: u32, stones: u32 },
    #[error("cannot read shelf {0}")]
    Unreadable(u32, #[source] io::Error),
}

const MOST: u32 = 40;

/// A kind of problem of our own; its code is in clients' programs for good.
static SHELF_FULL: ProblemType = ProblemType {
    code: "shelf-full",
    status: http::StatusCode::CONFLICT,
    title: "Shelf full",
    meaning: "There is no room on the shelf.",
    remedy: "Take another shelf, or wait until somebody has taken stones from this one.",
    retry: Retry::After,
};

/// What a client may know of it. The words here are the client's.
impl ToProblem for ShelfError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Missing(_) => Problem::new(&types::NOT_FOUND).detail("there is no such shelf"),
            Self::Full { .. } => Problem::new(&SHELF_FULL).retry_after(Duration::from_secs(60)),
            Self::Unreadable(..) => Problem::new(&types::DEPENDENCY_UNAVAILABLE)
                .detail("the shelves cannot be read at the moment")
                .retry_after(Duration::from_secs(5)),
        }
    }
}

fn stones(shelf: u32) -> Result<u32, ShelfError> {
    match shelf {
        3 => Err(ShelfError::Unreadable(3, io::Error::other("disk on fire"))),
        4 => panic!("shelf 4 has the key hunter2 in it"),
        0..10 => Ok(shelf * 7),
        _ => Err(ShelfError::Missing(shelf)),
    }
}

async fn look(Path(shelf): Path<u32>) -> Result<Json<Value>, Rejection> {
    Ok(Json(json!({ "stones": stones(shelf)? })))
}

#[derive(serde::Deserialize)]
struct Added {
    stones: u32,
}

async fn add(Path(shelf): Path<u32>, Json(added): Json<Added>) -> Result<Json<Value>, Rejection> {
    let stones = stones(shelf)?;
    if stones + added.stones.min(MOST) > MOST {
        Err(ShelfError::Full { shelf, stones })?;
    }
    Ok(Json(json!({ "stones": stones + added.stones })))
}

fn app() -> Router {
    let problems = ProblemLayer::new()
        .types_at("https://shelves.example/problems/")
        .route_of(|known| Some(known.get::<MatchedPath>()?.as_str().to_owned()));
    Router::new().route("/shelves/{number}", get(look).post(add)).layer(problems)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    // Or the standard library writes each to standard error as well, with all that its message holds.
    gabion_errors::log_panics();
    let address = start().await?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    for (request, body) in [
        ("GET /shelves/2", ""),
        ("GET /shelves/3", ""),
        ("GET /shelves/4", ""),
        ("GET /shelves/99", ""),
        ("GET /shelves/top", ""),
        ("DELETE /shelves/2", ""),
        ("POST /shelves/5", r#"{"stones": 9}"#),
        ("POST /shelves/5", r#"{"stones": "many"}"#),
    ] {
        writeln!(out, "\n> {request} {body}\n{}", ask(address, request, body).await?)?;
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
    tokio::spawn(async move { axum::serve(listener, app()).await });
    Ok(address)
}

/// The whole answer.
async fn ask(address: SocketAddr, request: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(request: &str, body: &str) -> (String, Value) {
        let answer = ask(start().await.unwrap(), request, body).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), serde_json::from_str(body).unwrap_or_default())
    }

    #[tokio::test]
    async fn every_error_has_the_same_shape_and_none_tells_its_cause() {
        for (request, body, status, code) in [
            ("GET /shelves/3", "", 503, "dependency-unavailable"),
            ("GET /shelves/4", "", 500, "internal"),
            ("GET /shelves/99", "", 404, "not-found"),
            ("GET /shelves/top", "", 400, "invalid-request"),
            ("GET /nothing", "", 404, "not-found"),
            ("DELETE /shelves/2", "", 405, "method-not-allowed"),
            ("POST /shelves/5", r#"{"stones": 9}"#, 409, "shelf-full"),
            ("POST /shelves/5", r#"{"stones": "many"}"#, 422, "invalid-body"),
            ("POST /shelves/5", "{", 400, "invalid-request"),
        ] {
            let (head, document) = answer(request, body).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
            assert_eq!((&document["status"], &document["code"]), (&status.into(), &code.into()));
            let id = document["request_id"].as_str().unwrap();
            assert!(head.contains(&format!("x-request-id: {id}")) && id.len() == 32, "{head}");
            let told = document.to_string();
            for word in ["fire", "/var/lib", "hunter2", "u32"] {
                assert!(!told.contains(word), "{told}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_error_is_the_handlers() {
        let (head, body) = answer("GET /shelves/2", "").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(body["stones"], 14);
    }
}
