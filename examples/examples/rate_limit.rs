//! How often, by whom: an axum app in which each caller has the quota of its tier, and a search costs
//! what it turned out to cost.
//!
//! `cargo run -p gabion-examples --example rate_limit` asks itself a few things and ends; with
//! `-- --serve` it goes on serving.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
};

use axum::{
    Extension, Json, Router,
    extract::{ConnectInfo, Path},
    routing::get,
};
use gabion_auth::{
    Access, AuthError, Authenticator, Credentials, Principal, RoleAuthorizer, Roles, SessionId,
    Username, Via,
};
use gabion_clock::UnixTime;
use gabion_config::Rate;
use gabion_limits::{quota::Quota, rate::MemoryRateStore};
use gabion_tower::{
    Exchange, LateCost, RouteContract, WallLayer,
    guards::{AuthenticateGuard, AuthorizeGuard, By, RateGuard},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the wall holds every request to: somebody must call.
static API: RouteContract = {
    let mut contract = RouteContract::open("/{*path}", "api");
    contract.access = Access::Bearer;
    contract
};

/// Words to be found.
const STONES: [&str; 5] = ["granite", "gneiss", "basalt", "slate", "gritstone"];

/// Finds words, which costs a unit for each that is found, beside the one that the door has taken.
async fn search(Path(part): Path<String>) -> (Extension<LateCost>, Json<Value>) {
    let found: Vec<_> = STONES.into_iter().filter(|stone| stone.contains(&part)).collect();
    let cost = LateCost::charge(found.len() as u32);
    (Extension(cost), Json(json!({ "found": found })))
}

async fn export() -> Json<Value> {
    Json(json!(STONES))
}

/// What is known before the work is taken at the door.
fn cost(exchange: &Exchange) -> u32 {
    if exchange.head.uri.path() == "/export" { 5 } else { 1 }
}

fn app() -> Router {
    let store = Arc::new(MemoryRateStore::with_capacity(100_000));
    let (free, pro) = (Quota::new(Rate::per_minute(6), 10), Quota::new(Rate::per_second(50), 500));
    // Before anybody is known, so that tokens are not guessed.
    let address =
        RateGuard::by_address("address", Quota::new(Rate::per_second(20), 100), Arc::clone(&store));
    let tier = RateGuard::new("tier", By::CALLER, free, store)
        .quota_by(move |exchange| {
            // Whoever changes its tier keeps what it has used.
            exchange.principal.as_ref()?.roles.contains("pro").then_some(pro)
        })
        .cost_by(cost)
        .late_costs();
    // Tried first without refusing anybody: `tier.set_mode(LimitMode::Shadow)`.
    let known = (AuthenticateGuard::new(Customers), AuthorizeGuard::new(RoleAuthorizer));
    let wall = WallLayer::new(&API, (address, known, tier))
        .peer_of(|known| Some(known.get::<ConnectInfo<SocketAddr>>()?.0));
    Router::new().route("/search/{part}", get(search)).route("/export", get(export)).layer(wall)
}

/// Two customers and their tokens. A real service asks `gabion-auth`, or whoever issues its tokens.
struct Customers;

impl Authenticator for Customers {
    async fn authenticate(
        &self,
        credentials: Credentials<'_>,
        now: UnixTime,
    ) -> Result<Arc<Principal>, AuthError> {
        let (name, tier) = match credentials {
            Credentials::Bearer("token-of-ann") => ("ann", "free"),
            Credentials::Bearer("token-of-bob") => ("bob", "pro"),
            _ => return Err(AuthError::ApiKey),
        };
        Ok(Arc::new(Principal {
            username: Username::parse(name).map_err(|_| AuthError::Disabled)?,
            session: SessionId::from_bits(1),
            roles: Roles::new([tier]),
            via: Via::Login,
            issued_at: now,
            not_before: now,
            expires_at: UnixTime::from_secs(u64::MAX),
        }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = start().await?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    for (token, path) in [
        ("token-of-ann", "/search/gr"),
        ("token-of-ann", "/export"),
        ("token-of-ann", "/export"),
        ("token-of-bob", "/export"),
        ("guessed", "/export"),
    ] {
        writeln!(out, "\n> {token} {path}\n{}", ask(address, token, path).await?)?;
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
    let service = app().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(address)
}

/// The whole answer.
async fn ask(address: SocketAddr, token: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status, and what is left of the tier.
    async fn left(address: SocketAddr, token: &str, path: &str) -> (String, String) {
        let answer = ask(address, token, path).await.unwrap();
        let status = answer["HTTP/1.1 ".len()..][..3].to_owned();
        let rest = answer.split_once("\"tier\";r=").map_or("", |(_, rest)| rest);
        (status, rest.chars().take_while(char::is_ascii_digit).collect())
    }

    fn told(status: &str, left: &str) -> (String, String) {
        (status.to_owned(), left.to_owned())
    }

    #[tokio::test]
    async fn a_search_costs_what_it_finds() {
        let address = start().await.unwrap();
        assert_eq!(left(address, "token-of-ann", "/search/gr").await, told("200", "7"));
        assert_eq!(left(address, "token-of-ann", "/search/none").await, told("200", "6"));
    }

    #[tokio::test]
    async fn each_tier_has_its_quota() {
        let address = start().await.unwrap();
        assert_eq!(left(address, "token-of-ann", "/export").await, told("200", "5"));
        assert_eq!(left(address, "token-of-ann", "/export").await, told("200", "0"));
        assert_eq!(left(address, "token-of-ann", "/export").await, told("429", "0"));
        for _ in 0..10 {
            assert_eq!(left(address, "token-of-bob", "/export").await.0, "200");
        }
    }

    #[tokio::test]
    async fn nobody_is_served_unknown() {
        let answer = ask(start().await.unwrap(), "guessed", "/export").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(answer.contains("ratelimit: \"address\";r=99"), "{answer}");
    }
}
