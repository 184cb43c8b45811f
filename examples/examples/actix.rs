//! An actix-web app that asks the core directly: a quota for each address, and a caller known by token.
//!
//! actix has middleware of its own instead of tower's, and its `http` types are older ones. Nothing of
//! that reaches `limits` and `auth`: they decide on addresses, texts and a `now`. To copy into a service:
//! `Gate`, which decides; `guarded`, the middleware that asks it and tells the answer; and the line
//! `.wrap(from_fn(report))`. With the feature `actix` of `gabion-errors` a `Rejection` is an error of actix, so `?`
//! works in handlers and middleware alike, and `report` tells the client the problem and the log the cause. The
//! feature `http2` of actix-web stays off, since it brings an old `h2` with known floods; a proxy in front
//! speaks HTTP/2.
//!
//! `cargo run -p gabion-examples --example actix` asks itself a few things and ends; with `-- --serve`
//! it goes on serving.

use std::{
    error::Error,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use actix_web::{
    App, HttpMessage, HttpServer,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
    middleware::{Next, from_fn},
    web,
};
use gabion_auth::{
    AuthConfig, AuthError, Authenticator, Credentials, Identity, KeyRing, MemoryStore, Principal,
    Roles, StoredAccounts, TokenAuthenticator, bearer,
};
use gabion_clock::{Clock, SystemClock};
use gabion_config::Rate;
use gabion_errors::{Problem, Rejection, ToProblem, actix::report, types};
use gabion_limits::{
    ClientAddr,
    gcra::Standing,
    quota::Quota,
    rate::{Charge, Decision, Exceeded, MemoryRateStore, RateStore, policy_field, standing_field},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

type Failure = Box<dyn Error + Send + Sync>;

/// Decides on each request, before anything is spent on it.
struct Gate {
    clock: SystemClock,
    rates: MemoryRateStore,
    quota: Quota,
    callers: TokenAuthenticator<StoredAccounts<MemoryStore>, MemoryStore>,
}

const LIMIT: &str = "address";

impl Gate {
    /// What the address has left of its quota, and who calls or why not.
    async fn decide(
        &self,
        request: &ServiceRequest,
    ) -> (Standing, Result<Arc<Principal>, Rejection>) {
        // Behind a proxy the peer is not the client: ask `gabion_limits::TrustedProxies`.
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let key = ClientAddr::new(peer).rate_key();
        let charge = Charge { limit: LIMIT, key: key.as_bytes(), quota: self.quota, cost: 1 };
        match self.rates.decide(&[charge], self.clock.now()).await {
            // The quota first: guessing tokens is limited as well.
            Decision::Allow { standing, .. } => (standing, self.caller(request.headers()).await),
            Decision::Deny { standing, retry_after, .. } => {
                (standing, Err(Exceeded { limit: LIMIT, retry_after }.into()))
            }
        }
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Arc<Principal>, Rejection> {
        // One field, carried over to the types of today.
        let mut carried = http::HeaderMap::new();
        for value in headers.get_all(AUTHORIZATION) {
            let value = http::HeaderValue::from_bytes(value.as_bytes());
            carried.append(http::header::AUTHORIZATION, value.map_err(Rejection::internal)?);
        }
        let token = bearer(&carried).map_err(AuthError::from)?.ok_or(AuthError::Missing)?;
        Ok(self.callers.authenticate(Credentials::Bearer(token), self.clock.unix()).await?)
    }

    /// Tells what is left, in every answer.
    fn tell(&self, standing: Standing, headers: &mut HeaderMap) {
        let (mut left, mut policy) = (String::new(), String::new());
        standing_field(&mut left, LIMIT, self.quota, standing);
        policy_field(&mut policy, LIMIT, self.quota);
        for (name, text) in [("ratelimit", left), ("ratelimit-policy", policy)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// The middleware: whoever may not pass is refused, all others are known to the handler.
async fn guarded(
    gate: web::Data<Gate>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let (standing, decided) = gate.decide(&request).await;
    let mut response = match decided {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await?.map_into_left_body()
        }
        Err(rejection) => request.error_response(rejection).map_into_right_body(),
    };
    gate.tell(standing, response.headers_mut());
    Ok(response)
}

async fn who(caller: web::ReqData<Arc<Principal>>) -> String {
    format!("you are {}\n", caller.username.as_str())
}

/// An error of the service, with what a client may know of it.
#[derive(Debug, thiserror::Error)]
#[error("shelf {0} collapsed")]
struct Collapsed(u32);

impl ToProblem for Collapsed {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::INTERNAL)
    }
}

/// `?` makes a rejection of every such error.
async fn shelf(number: web::Path<u32>) -> Result<String, Rejection> {
    Ok(format!("{} stones\n", count(*number)?))
}

fn count(shelf: u32) -> Result<u32, Collapsed> {
    if shelf < 100 { Ok(shelf * 7) } else { Err(Collapsed(shelf)) }
}

/// Serves on a port of the system's choice; with it comes a token of somebody who is known.
async fn start() -> Result<(SocketAddr, String), Failure> {
    let clock = SystemClock::new();
    let (store, keys) = (Arc::new(MemoryStore::new()), Arc::new(KeyRing::ephemeral()));
    let config = AuthConfig::default();
    let identity = Identity::new(Arc::clone(&store), keys, &config, 2, Arc::new(clock))?;
    identity.create_user("ann", PASSWORD, Roles::new(["user"]), "start").await?;
    let token = identity.login("ann", PASSWORD, "127.0.0.1").await?.access_token;

    // One for all workers, or each would hand out the quota anew.
    let gate = web::Data::new(Gate {
        clock,
        rates: MemoryRateStore::with_capacity(100_000),
        quota: Quota::new(Rate::per_minute(1), 4),
        callers: identity.authenticator(StoredAccounts(store)),
    });
    let app = move || {
        App::new()
            .app_data(gate.clone())
            .route("/who", web::get().to(who))
            .route("/shelves/{number}", web::get().to(shelf))
            .wrap(from_fn(guarded))
            // Added last, so it is outside: it tells what the others refuse.
            .wrap(from_fn(report))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0")?;
    let address = server.addrs().first().copied().ok_or("no address")?;
    actix_web::rt::spawn(server.run());
    Ok((address, token))
}

const PASSWORD: &str = "velvet kayak outruns mildew";

#[actix_web::main]
async fn main() -> Result<(), Failure> {
    let (address, token) = start().await?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    for (path, token) in [
        ("/who", ""),
        ("/who", &*token),
        ("/shelves/6", &token),
        ("/shelves/106", &token),
        ("/who", &token),
    ] {
        writeln!(out, "\n> GET {path}\n{}", ask_for(address, path, token).await?)?;
    }
    if std::env::args().any(|argument| argument == "--serve") {
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// The whole answer; the token may be empty.
async fn ask_for(address: SocketAddr, path: &str, token: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    if !token.is_empty() {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    async fn ask(address: SocketAddr, token: &str) -> io::Result<String> {
        ask_for(address, "/who", token).await
    }

    fn document(answer: &str) -> Value {
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    #[actix_web::test]
    async fn who_has_a_token_is_known_to_the_handler() {
        let (address, token) = start().await.unwrap();
        let answer = ask(address, &token).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("you are ann"), "{answer}");
        assert!(answer.contains("ratelimit: \"address\";r=3;t=60\r\n"), "{answer}");
        assert!(answer.contains("ratelimit-policy: \"address\";q=4;w=240\r\n"), "{answer}");
    }

    #[actix_web::test]
    async fn who_has_none_is_told_so_by_a_problem_document() {
        let (address, _) = start().await.unwrap();
        for token in ["", "garbage"] {
            let answer = ask(address, token).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
            assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
            assert!(answer.contains("content-type: application/problem+json"), "{answer}");
            let id = document(&answer)["request_id"].as_str().unwrap().to_owned();
            assert!(answer.contains(&format!("x-request-id: {id}\r\n")), "{answer}");
        }
    }

    #[actix_web::test]
    async fn a_failure_of_a_handler_tells_its_request_id_and_not_its_cause() {
        let (address, token) = start().await.unwrap();
        let answer = ask_for(address, "/shelves/106", &token).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
        let id = document(&answer)["request_id"].as_str().unwrap().to_owned();
        assert!(answer.contains(&format!("x-request-id: {id}\r\n")), "{answer}");
        assert!(!answer.contains("collapsed"), "{answer}");
    }

    #[actix_web::test]
    async fn what_actix_refuses_by_itself_is_a_problem_document_too() {
        let (address, token) = start().await.unwrap();
        for path in ["/nothing", "/shelves/top"] {
            let answer = ask_for(address, path, &token).await.unwrap();
            assert_eq!(document(&answer)["code"], "not-found", "{answer}");
            assert!(answer.contains("ratelimit: "), "{answer}");
        }
    }

    #[actix_web::test]
    async fn who_asks_too_often_is_told_when_to_come_back() {
        let (address, token) = start().await.unwrap();
        for _ in 0..4 {
            assert!(ask(address, &token).await.unwrap().starts_with("HTTP/1.1 200"));
        }
        let answer = ask(address, &token).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
        assert_eq!(document(&answer)["code"], "rate-limited");
        assert!(answer.contains("\r\nretry-after: 60\r\n"), "{answer}");
        assert!(answer.contains("ratelimit: \"address\";r=0;t=60\r\n"), "{answer}");
    }
}
