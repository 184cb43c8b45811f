//! Outbound HTTP with bounds, and the key sets of outside issuers.
//!
//! A server that calls out takes risks that one which only answers does not have. It can be made to
//! call an address inside its own network, to wait for somebody who never answers, to read an answer
//! that never ends, or to call again for each of a thousand requests. This is the one crate that opens
//! outbound connections, so that these rules stand in one place. It differs from a general HTTP client,
//! which does what it is told: this one refuses.
//!
//! - [`Fetcher`]: one GET, with a time for connecting, for the first byte and for the whole, and a
//!   largest answer. Redirects are errors. An address that is not of the public internet is refused
//!   unless it was allowed ([`AddressRules`]), judged by the address that is connected to: a name is
//!   looked up once, every address it has is checked, and the connection goes to one of those.
//! - [`RemoteJwks`]: the key set of an outside issuer, as a `KeyResolver` of `gabion-auth`. It is asked
//!   on every request and answers from memory; a task keeps it fresh and looks again for an unknown key
//!   seldom, whoever asks.
//!
//! Tokens of an outside issuer, with all defaults: `https`, the public internet, Mozilla's authorities.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use gabion_auth::OutsideVerifier;
//! use gabion_client::{Fetcher, FetcherConfig, JwksConfig, RemoteJwks, Roots};
//!
//! # async fn start() -> Result<OutsideVerifier, Box<dyn std::error::Error>> {
//! let fetcher = Fetcher::new(&FetcherConfig::default(), &Roots::default())?;
//! let endpoint = fetcher.endpoint("https://login.example.org/.well-known/jwks.json")?;
//! let keys = RemoteJwks::start(endpoint, fetcher, &JwksConfig::default());
//!
//! // Not ready before it knows a key; the reason is in the log and in `status`.
//! tokio::time::timeout(Duration::from_secs(30), keys.ready()).await?;
//!
//! let leeway = Duration::from_secs(30);
//! Ok(OutsideVerifier::new(keys, "https://login.example.org", "our-service", leeway))
//! # }
//! ```
//!
//! An issuer inside a network of one's own, with a certificate of one's own:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use gabion_client::{Fetcher, FetcherConfig, JwksConfig, RemoteJwks, Roots};
//!
//! # async fn start(pem: Vec<u8>) -> Result<RemoteJwks, Box<dyn std::error::Error>> {
//! let config = FetcherConfig {
//!     allow: vec!["10.20.0.0/16".into()],
//!     connect: Duration::from_secs(1),
//!     ..FetcherConfig::default()
//! };
//! let fetcher = Fetcher::new(&config, &Roots::Only(pem))?;
//! let endpoint = fetcher.endpoint("https://issuer.internal:8443/keys")?;
//! let config = JwksConfig { max_stale: Duration::from_secs(3600), ..JwksConfig::default() };
//! # Ok(
//! RemoteJwks::start(endpoint, fetcher, &config)
//! # )
//! # }
//! ```
//!
//! What it does not do: follow a URL that stands in a token, follow a redirect, read proxies or
//! anything else from the environment, be a proxy, look for an issuer's metadata (give the URL of the
//! key set itself), keep connections, or share them with the code of a service. The webhook of alerts
//! is not here yet.
//!
//! It is not built on `gabion-cache`. There is one entry, a task loads it and no caller waits, so a
//! cache's single flight, bounds and eviction would have nothing to do; what it needs instead, a pause
//! that grows, a cooldown, an end of staleness, is the schedule's.

mod address;
mod endpoint;
mod fetcher;
mod jwks;
pub mod metrics;
#[cfg(test)]
mod origin;

pub use self::{
    address::{AddressKind, AddressRules, InvalidCidr, RefusedAddress},
    endpoint::{Endpoint, InvalidEndpoint},
    fetcher::{Answer, Fault, FetchError, Fetcher, FetcherConfig, InvalidFetcher, Roots},
    jwks::{InvalidKeySet, JwksConfig, JwksError, JwksStatus, RemoteJwks},
};
