//! The PROXY protocol: what a proxy that forwards bytes says about the client, before the client's
//! first byte.
//!
//! A proxy of this kind knows no HTTP, so it cannot write `X-Forwarded-For`. It begins the connection
//! with a line (version 1) or a binary block (version 2) that names the client's address. Whoever is
//! allowed to send one can claim any address, so only connections of trusted proxies may be read with
//! it, and theirs must be: a header that is optional can be left to the client to write.
//!
//! Both versions are those of HAProxy's `doc/proxy-protocol.txt`. Everything is bounded: a line has at
//! most 107 bytes, a block at most [`LONGEST`]. A wrong byte is told as soon as it is seen.
//!
//! ```
//! use gabion_limits::proxy_protocol::{ProxyHeader, parse};
//!
//! let sent = b"PROXY TCP4 192.0.2.7 198.51.100.1 40312 443\r\nGET / HTTP/1.1\r\n";
//! let ProxyHeader { client, length } = parse(sent).unwrap().unwrap();
//! assert_eq!(client, Some("192.0.2.7:40312".parse().unwrap()));
//! assert!(sent[length..].starts_with(b"GET"));
//! assert_eq!(parse(b"PROXY TC"), Ok(None)); // not all of it yet
//! ```

mod v1;
mod v2;

use std::net::SocketAddr;

/// The longest header that is taken, in bytes. The second version could have 65 551; what proxies
/// send beside the addresses (TLS facts, names of private networks) is some hundred bytes.
pub const LONGEST: usize = 4096;

/// A header that has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The client; `None` where the proxy speaks for itself, as in a health check, or does not know:
    /// then the connection's own peer counts.
    pub client: Option<SocketAddr>,
    /// The bytes of the header; what follows them is the client's.
    pub length: usize,
}

/// Not a header of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidProxyHeader {
    /// It begins as neither version does.
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    /// It is longer than [`LONGEST`], or as a line than 107 bytes.
    #[error("the PROXY protocol header is too long")]
    TooLong,
    /// It begins as one and goes on as none.
    #[error("the PROXY protocol header is malformed")]
    Malformed,
    /// Its checksum is that of something else.
    #[error("the checksum of the PROXY protocol header is wrong")]
    Checksum,
}

/// Reads the header that `bytes` begin with; `None` while all of them belong to it and more are to
/// come.
///
/// # Errors
///
/// When they begin with none, however they go on.
pub fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, InvalidProxyHeader> {
    match bytes.first() {
        None => Ok(None),
        Some(b'P') => v1::parse(bytes),
        Some(_) => v2::parse(bytes),
    }
}

/// Whether as much of `wanted` is there as `bytes` has room for.
fn begins(bytes: &[u8], wanted: &[u8]) -> bool {
    let both = bytes.len().min(wanted.len());
    bytes[..both] == wanted[..both]
}

#[cfg(test)]
mod tests;
