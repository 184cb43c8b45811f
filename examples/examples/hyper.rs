//! A hyper server whose service is the wall: each route is declared once, callers are known by token.
//!
//! `cargo run -p gabion-examples --example hyper` logs in, asks, logs out and ends; with `-- --serve`
//! it goes on serving.

use std::{
    convert::Infallible,
    error::Error,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use gabion_auth::{
    Access, AuthConfig, AuthError, Identity, KeyRing, MemoryStore, RoleAuthorizer, Roles, Scope,
    StoredAccounts,
};
use gabion_clock::SystemClock;
use gabion_config::Rate;
use gabion_errors::{Problem, Rejection, types};
use gabion_limits::{Class, HostRule, SizeConfig, quota::Quota, rate::MemoryRateStore};
use gabion_monitor::LatencyWindow;
use gabion_tower::{
    Answer, BodyRule, CacheRule, DeadlineRule, Exchange, Handler, Peer, RateRule, RequestTime,
    RouteContract, RouteTable, Timing, Wall,
    guards::{AuthenticateGuard, AuthorizeGuard, HostGuard, RateGuard, SizeGuard},
    json,
};
use http::{HeaderValue, Method, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

static LOGIN: RouteContract = contract(
    Method::POST,
    "/login",
    "login",
    Access::Public,
    BodyRule::Json(login),
    RateRule::Login,
);
static LOGOUT: RouteContract = plain(Method::POST, "/logout", "logout", Access::Bearer);
static WHO: RouteContract = plain(Method::GET, "/who", "who", Access::Bearer);
static VAULT: RouteContract = plain(Method::GET, "/vault", "vault", Access::AnyRole(&["admin"]));
/// What matches nothing is guarded as well.
static NOWHERE: RouteContract = plain(Method::GET, "", "nowhere", Access::Public);

const fn plain(
    method: Method,
    path: &'static str,
    name: &'static str,
    access: Access,
) -> RouteContract {
    contract(method, path, name, access, BodyRule::Empty, RateRule::Standard)
}

/// A route decides everything. What is the same for all routes of this service stands here.
const fn contract(
    method: Method,
    path: &'static str,
    name: &'static str,
    access: Access,
    body: BodyRule,
    rate: RateRule,
) -> RouteContract {
    RouteContract {
        method,
        path,
        name,
        summary: "",
        access,
        scope: Scope::Any,
        class: Class::User,
        body,
        parameters: &[],
        deadline: DeadlineRule::Default,
        rate,
        bulkhead: None,
        cache: CacheRule::NoStore,
        answer: Answer { status: StatusCode::OK, media: "application/json", schema: None },
        problems: &[],
    }
}

/// What a login must look like.
fn login() -> Value {
    json!({
        "type": "object",
        "required": ["username", "password"],
        "additionalProperties": false,
        "properties": {
            "username": { "type": "string", "minLength": 1, "maxLength": 64 },
            "password": { "type": "string", "minLength": 1, "maxLength": 1024 },
        },
    })
}

/// What stands behind the guards.
struct App {
    identity: Identity<MemoryStore>,
    sizes: SizeConfig,
}

impl Handler<Incoming> for App {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        body: Incoming,
    ) -> Result<Response<Full<Bytes>>, Rejection> {
        // Too large, not JSON, not what the schema says: refused here, with every fault.
        let input = json::read(exchange, body, &self.sizes).await?.unwrap_or_default();
        // On routes that need a principal the guards have seen to it that there is one.
        let caller = || exchange.principal.clone().ok_or(AuthError::Missing);
        let answer = match exchange.contract().name {
            "login" => {
                let text = |name: &str| input[name].as_str().unwrap_or_default();
                let address = exchange.client.ip().to_string();
                let login = self.identity.login(text("username"), text("password"), &address);
                let tokens = login.await?;
                json!({
                    "access_token": tokens.access_token,
                    "expires_in": tokens.expires_in.as_secs(),
                })
            }
            "logout" => {
                self.identity.logout(&*caller()?, false).await?;
                json!({ "bye": caller()?.username.as_str() })
            }
            "who" => {
                let caller = caller()?;
                let roles: Vec<&str> = caller.roles.iter().collect();
                json!({ "username": caller.username.as_str(), "roles": roles })
            }
            "vault" => json!({ "gold": 7 }),
            _ => return Err(Problem::new(&types::NOT_FOUND).into()),
        };
        let mut response = Response::new(Full::from(answer.to_string()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok(response)
    }
}

/// Serves on a port of the system's choice.
async fn start() -> Result<SocketAddr, Box<dyn Error + Send + Sync>> {
    let clock = SystemClock::new();
    let (store, keys) = (Arc::new(MemoryStore::new()), Arc::new(KeyRing::ephemeral()));
    let config = AuthConfig::default();
    let identity = Identity::new(Arc::clone(&store), keys, &config, 2, Arc::new(clock))?;
    identity.create_user("ann", PASSWORD, Roles::new(["user"]), "start").await?;

    let sizes = SizeConfig::default();
    let rates = Arc::new(MemoryRateStore::with_capacity(100_000));
    let rate = |count, burst| Quota::new(Rate::per_minute(count), burst);
    let guards = (
        // The cheapest refusal comes first.
        HostGuard::new(HostRule::default()),
        SizeGuard::new(sizes.clone()),
        RateGuard::by_address("address", rate(600, 100), Arc::clone(&rates)),
        RateGuard::only("login", RateRule::Login, rate(20, 3), rates),
        AuthenticateGuard::new(identity.authenticator(StoredAccounts(store))),
        AuthorizeGuard::new(RoleAuthorizer),
    );
    let timing = Timing {
        clock,
        request_time: RequestTime::new(Duration::from_secs(10)),
        window: Arc::new(LatencyWindow::default()),
    };
    let routes = RouteTable::new([&LOGIN, &LOGOUT, &WHO, &VAULT], &NOWHERE)?;
    let wall = Arc::new(Wall::new(routes, guards, App { identity, sizes }, timing));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let wall = Arc::clone(&wall);
            let service = service_fn(move |request| {
                let wall = Arc::clone(&wall);
                async move { Ok::<_, Infallible>(Wall::serve(wall, request, Peer(peer)).await) }
            });
            tokio::spawn(
                http1::Builder::new()
                    // Without a timer hyper's own header timeout is silently off.
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(10))
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    Ok(address)
}

const PASSWORD: &str = "velvet kayak outruns mildew";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = start().await?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    let login = json!({ "username": "ann", "password": PASSWORD }).to_string();
    let answer = ask(address, "POST /login", "", &login).await?;
    let token = token(&answer);
    writeln!(out, "\n> POST /login\n{}", answer.replace(&token, "(the token)"))?;
    let faulty = r#"{"username": "", "pasword": "x"}"#;
    for (request, token, body) in [
        ("POST /login", "", faulty),
        ("GET /who", "", ""),
        ("GET /who", &token, ""),
        ("GET /vault", &token, ""),
        ("POST /logout", &token, ""),
        ("GET /who", &token, ""),
    ] {
        writeln!(out, "\n> {request}\n{}", ask(address, request, token, body).await?)?;
    }
    if std::env::args().any(|argument| argument == "--serve") {
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// The whole answer to a request; token and body may be empty.
async fn ask(address: SocketAddr, request: &str, token: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    if !token.is_empty() {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    if !body.is_empty() {
        let length = body.len();
        head += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The access token in the answer to a login.
fn token(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    document["access_token"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(address: SocketAddr, request: &str, token: &str, body: &str) -> u16 {
        let answer = ask(address, request, token, body).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    async fn logged_in() -> (SocketAddr, String) {
        let address = start().await.unwrap();
        let login = json!({ "username": "ann", "password": PASSWORD }).to_string();
        (address, token(&ask(address, "POST /login", "", &login).await.unwrap()))
    }

    #[tokio::test]
    async fn a_token_is_good_from_login_to_logout() {
        let (address, token) = logged_in().await;
        assert_eq!(status(address, "GET /who", "", "").await, 401);
        assert_eq!(status(address, "GET /who", &token, "").await, 200);
        assert_eq!(status(address, "POST /logout", &token, "").await, 200);
        assert_eq!(status(address, "GET /who", &token, "").await, 401);
    }

    #[tokio::test]
    async fn a_role_is_asked_for_where_it_is_declared() {
        let (address, token) = logged_in().await;
        assert_eq!(status(address, "GET /vault", "", "").await, 401);
        assert_eq!(status(address, "GET /vault", &token, "").await, 403);
        assert_eq!(status(address, "GET /nowhere", &token, "").await, 404);
    }

    #[tokio::test]
    async fn every_fault_of_a_body_is_told() {
        let address = start().await.unwrap();
        let answer = ask(address, "POST /login", "", r#"{"username":"","x":1}"#).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
        for pointer in ["/username", "/password", "/x"] {
            assert!(answer.contains(&format!("\"pointer\":\"{pointer}\"")), "{answer}");
        }
    }

    #[tokio::test]
    async fn logins_have_a_limit_of_their_own() {
        let address = start().await.unwrap();
        let wrong = json!({ "username": "eve", "password": "x" }).to_string();
        for _ in 0..3 {
            assert_eq!(status(address, "POST /login", "", &wrong).await, 401);
        }
        assert_eq!(status(address, "POST /login", "", &wrong).await, 429);
        assert_eq!(status(address, "GET /nowhere", "", "").await, 404);
    }
}
