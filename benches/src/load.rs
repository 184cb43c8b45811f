//! Requests over loopback, from one thread that does little else.
//!
//! [`open()`] is an open loop: each request has a time at which it is meant to be sent, and its latency
//! counts from then, whether or not a connection was free. A closed loop, as most tools have, sends
//! the next request when the last one is answered: it waits politely while a server stalls, and then
//! reports one slow request instead of the thousand that would have been (coordinated omission).
//! [`burst()`] opens many connections at one instant. A [`Mirror`] answers without thinking, which shows
//! what this side can do at most.

mod ask;
mod burst;
mod connection;
mod idle;
mod latency;
mod mirror;
mod open;
mod poller;
mod reply;

pub use self::{
    ask::ask,
    burst::{Burst, burst},
    idle::{Idle, allow_descriptors},
    latency::Latency,
    mirror::{Mirror, ceiling},
    open::{Answered, Moment, Pace, open},
};

use std::net::SocketAddr;

/// Whom to ask what.
#[derive(Debug, Clone)]
pub struct Aim {
    /// The server.
    pub address: SocketAddr,
    /// One whole request, as it is sent.
    pub request: Vec<u8>,
}

impl Aim {
    /// A GET of `path`, with a token if there is one.
    #[must_use]
    pub fn get(address: SocketAddr, path: &str, token: Option<&str>) -> Self {
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: gabion-benches\r\nAccept: */*\r\n{}\r\n",
            token.unwrap_or_default()
        );
        Self { address, request: head.into_bytes() }
    }

    /// A POST of JSON to `path`.
    #[must_use]
    pub fn post(address: SocketAddr, path: &str, json: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
            json.len()
        );
        Self { address, request: head.into_bytes() }
    }
}
