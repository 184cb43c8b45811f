//! Tokens of an outside issuer: its key set is fetched, kept and renewed; requests never wait for it.
//!
//! `cargo run -p gabion-examples --example jwks` plays both sides on this machine and ends.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Json, Router, routing::get};
use gabion_auth::{
    Algorithm, Issuer, OutsideClaims, OutsideVerifier, Roles, Session, SessionId, SigningKey,
    TokenError, Username, VerifiedTokens,
};
use gabion_client::{Fetcher, FetcherConfig, JwksConfig, RemoteJwks, Roots};
use gabion_clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

const ISSUER: &str = "https://login.example.org";
const AUDIENCE: &str = "our-service";
const LEEWAY: Duration = Duration::from_secs(30);

/// What a service needs in order to believe an issuer that it shares no secret with.
struct Service {
    verifier: OutsideVerifier,
    remembered: VerifiedTokens<OutsideClaims>,
    keys: RemoteJwks,
    clock: SystemClock,
}

impl Service {
    fn new(keys: RemoteJwks) -> Self {
        let verifier = OutsideVerifier::new(keys.clone(), ISSUER, AUDIENCE, LEEWAY);
        let remembered =
            VerifiedTokens::new(VerifiedTokens::<OutsideClaims>::DEFAULT_ENTRIES, LEEWAY);
        Self { verifier, remembered, keys, clock: SystemClock::new() }
    }

    /// As for each request: a token that is remembered costs no signature check, unless a key was
    /// taken away since.
    fn verify(&self, token: &str) -> Result<Arc<OutsideClaims>, TokenError> {
        let (epoch, now) = (self.verifier.epoch(), self.clock.unix());
        if let Some(claims) = self.remembered.get(token, epoch, now) {
            return Ok(claims);
        }
        let claims = Arc::new(self.verifier.verify(token, now)?);
        self.remembered.insert(token, epoch, Arc::clone(&claims));
        Ok(claims)
    }

    fn tell(&self, what: &str, token: &str, out: &mut impl Write) -> io::Result<()> {
        match self.verify(token) {
            Ok(claims) => writeln!(out, "{what}: accepted, of {}", claims.subject),
            Err(error) => writeln!(out, "{what}: refused, {error}"),
        }
    }
}

/// The outside issuer: its public keys on loopback, and what signs.
#[derive(Clone, Default)]
struct Outside(Arc<Mutex<Vec<Value>>>);

impl Outside {
    async fn serve(&self) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let published = self.clone();
        let keys = async move || {
            let keys = published.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            ([("cache-control", "max-age=600")], Json(json!({ "keys": keys })))
        };
        let app = Router::new().route("/keys", get(keys));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(address)
    }

    fn publish(&self, keys: &[&SigningKey]) {
        let keys = keys.iter().filter_map(|key| key.verifying_key().to_jwk()).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

fn token(key: &SigningKey) -> io::Result<String> {
    let now = SystemClock::new().unix();
    let life = Duration::from_secs(600);
    let session = Session {
        id: SessionId::random(),
        username: Username::parse("ann").map_err(io::Error::other)?,
        generation: 0,
        created_at: now,
        refreshed_at: now,
        expires_at: now + life,
        address: String::new(),
    };
    let issuer = Issuer::new(key.clone(), ISSUER, AUDIENCE, life);
    Ok(issuer.issue(&session, &Roles::default(), now))
}

fn key(algorithm: Algorithm) -> io::Result<SigningKey> {
    SigningKey::generate(algorithm).map_err(io::Error::other)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    run(&mut io::stdout()).await
}

async fn run(out: &mut impl Write) -> io::Result<()> {
    let (old, new, strange) =
        (key(Algorithm::EdDsa)?, key(Algorithm::Es256)?, key(Algorithm::EdDsa)?);
    let outside = Outside::default();
    outside.publish(&[&old]);
    let url = format!("http://{}/keys", outside.serve().await?);

    // With the defaults this issuer is refused: no TLS, and an address of this machine.
    let strict = Fetcher::new(&FetcherConfig::default(), &Roots::default());
    if let Err(error) = strict.map_err(io::Error::other)?.endpoint(&url) {
        writeln!(out, "by default: {error}")?;
    }
    let config =
        FetcherConfig { allow_http: true, allow_private: true, ..FetcherConfig::default() };
    let fetcher = Fetcher::new(&config, &Roots::default()).map_err(io::Error::other)?;
    let endpoint = fetcher.endpoint(&url).map_err(io::Error::other)?;
    // Thirty seconds by default; nobody wants to wait so long for an example.
    let config = JwksConfig { cooldown: Duration::from_millis(100), ..JwksConfig::default() };
    let service = Service::new(RemoteJwks::start(endpoint, fetcher, &config));
    timeout(Duration::from_secs(10), service.keys.ready()).await?;
    writeln!(out, "keys known: {}", service.keys.status().keys)?;

    let first = token(&old)?;
    service.tell("a token", &first, out)?;
    service.tell("the same, remembered", &first, out)?;
    let stranger = token(&strange)?;
    service.tell("a token of a stranger", &stranger, out)?;

    // The issuer rotates. The first token with the new key makes the task look again.
    outside.publish(&[&old, &new]);
    let second = token(&new)?;
    service.tell("a token with the new key", &second, out)?;
    until(|| service.verify(&second).is_ok()).await?;
    service.tell("the same a little later", &second, out)?;
    service.tell("the first token", &first, out)?;

    // It takes the old key away. Once the set was fetched again, as for an unknown key or when its
    // time is over, what was remembered is not believed any more.
    outside.publish(&[&new]);
    until(|| service.verify(&stranger).is_err() && service.verify(&first).is_err()).await?;
    service.tell("the first token, its key gone", &first, out)?;
    service.tell("the second token", &second, out)
}

/// Asks every few milliseconds, ten seconds at most.
async fn until(mut done: impl FnMut() -> bool) -> io::Result<()> {
    let asking = async {
        while !done() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    Ok(timeout(Duration::from_secs(10), asking).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_tells_what_happens_to_each_token() {
        let mut out = Vec::new();
        run(&mut out).await.unwrap();
        let told = String::from_utf8(out).unwrap();
        let lines: Vec<_> = told.lines().collect();
        assert!(
            lines[0].starts_with("by default: 127.0.0.1 would be fetched without TLS"),
            "{told}"
        );
        assert_eq!(
            lines[1..],
            [
                "keys known: 1",
                "a token: accepted, of ann",
                "the same, remembered: accepted, of ann",
                "a token of a stranger: refused, the token names no known key",
                "a token with the new key: refused, the token names no known key",
                "the same a little later: accepted, of ann",
                "the first token: accepted, of ann",
                "the first token, its key gone: refused, the token names no known key",
                "the second token: accepted, of ann",
            ]
        );
    }
}
