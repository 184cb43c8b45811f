use std::{io, net::SocketAddr};

use gabion_limits::proxy_protocol::{InvalidProxyHeader, LONGEST, parse};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// Looked at first; most headers are shorter.
const PIECE: usize = 256;

/// A connection did not say whom it is from.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    #[error(transparent)]
    Invalid(#[from] InvalidProxyHeader),
    #[error("the connection broke before its PROXY protocol header")]
    Broken(#[from] io::Error),
}

/// Reads the PROXY protocol header that `stream` begins with, and nothing behind it; the client it
/// names, or `None` where the proxy speaks for itself. The caller bounds the time.
pub(super) async fn client(stream: &mut TcpStream) -> Result<Option<SocketAddr>, ProxyError> {
    let mut header = Vec::with_capacity(PIECE);
    loop {
        // What is looked at stays in the socket: only what belongs to the header is taken out.
        let begun = header.len();
        header.resize((begun + PIECE).min(LONGEST), 0);
        let seen = stream.peek(&mut header[begun..]).await?;
        if seen == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        header.truncate(begun + seen);
        let found = parse(&header)?;
        // Of a header that goes on, everything so far is a part.
        let end = found.map_or(header.len(), |header| header.length);
        stream.read_exact(&mut header[begun..end]).await?;
        if let Some(found) = found {
            return Ok(found.client);
        }
    }
}
