use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use super::{InvalidProxyHeader, ProxyHeader, begins};

const PREFIX: &[u8] = b"PROXY ";
/// With its line break.
const LONGEST: usize = 107;

/// A line as `PROXY TCP4 192.0.2.7 198.51.100.1 40312 443`.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, InvalidProxyHeader> {
    if !begins(bytes, PREFIX) {
        return Err(InvalidProxyHeader::Missing);
    }
    let seen = &bytes[..bytes.len().min(LONGEST)];
    let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
        // The line break may be half there.
        let line = seen.strip_suffix(b"\r").unwrap_or(seen);
        return if line.iter().any(|byte| is_forbidden(*byte)) {
            Err(InvalidProxyHeader::Malformed)
        } else if seen.len() == LONGEST {
            Err(InvalidProxyHeader::TooLong)
        } else {
            Ok(None)
        };
    };
    let line = seen[..end].strip_suffix(b"\r").and_then(|line| line.strip_prefix(PREFIX));
    let line = line.and_then(|line| str::from_utf8(line).ok()).filter(|line| line.is_ascii());
    let client = line.and_then(client).ok_or(InvalidProxyHeader::Malformed)?;
    Ok(Some(ProxyHeader { client, length: end + 1 }))
}

/// What no byte of a line is.
fn is_forbidden(byte: u8) -> bool {
    byte != b' ' && !byte.is_ascii_graphic()
}

fn client(line: &str) -> Option<Option<SocketAddr>> {
    if line.bytes().any(is_forbidden) {
        return None;
    }
    let (family, rest) = line.split_once(' ').unwrap_or((line, ""));
    match family {
        "TCP4" => addresses::<Ipv4Addr>(rest).map(Some),
        "TCP6" => addresses::<Ipv6Addr>(rest).map(Some),
        // Whatever stands behind it says nothing.
        "UNKNOWN" => Some(None),
        _ => None,
    }
}

/// The first of two addresses, with the first of two ports.
fn addresses<A: FromStr + Into<IpAddr>>(rest: &str) -> Option<SocketAddr> {
    let mut fields = rest.split(' ');
    let mut next = || fields.next();
    let source: A = next()?.parse().ok()?;
    let _destination: A = next()?.parse().ok()?;
    let source = SocketAddr::new(source.into(), port(next()?)?);
    port(next()?)?;
    next().is_none().then_some(source)
}

/// Digits without a leading zero.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading = text.len() > 1 && text.starts_with('0');
    (digits && !leading).then(|| text.parse().ok())?
}
