use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{InvalidProxyHeader, LONGEST, ProxyHeader, begins};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family, length.
const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// The type of the checksum among the extensions.
const CRC32C: u8 = 0x03;

/// A binary block.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, InvalidProxyHeader> {
    if !begins(bytes, SIGNATURE) {
        return Err(InvalidProxyHeader::Missing);
    }
    let command = bytes.get(12).copied();
    if command.is_some_and(|command| ![LOCAL, PROXY].contains(&command)) {
        return Err(InvalidProxyHeader::Malformed);
    }
    let Some(length) = bytes.get(14..FIXED) else { return Ok(None) };
    let length = FIXED + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > LONGEST {
        return Err(InvalidProxyHeader::TooLong);
    }
    let Some(header) = bytes.get(..length) else { return Ok(None) };
    // Of a connection of the proxy's own nothing else counts.
    let client = if command == Some(PROXY) { client(header)? } else { None };
    Ok(Some(ProxyHeader { client, length }))
}

fn client(header: &[u8]) -> Result<Option<SocketAddr>, InvalidProxyHeader> {
    let body = &header[FIXED..];
    // The family, then the transport. Others than streams of IP name no client that could be counted.
    let (client, addresses) = match header[13] {
        0x11 => (v4(body), 12),
        0x21 => (v6(body), 36),
        0x12 => (None, 12),
        0x22 => (None, 36),
        0x31 | 0x32 => (None, 216),
        0x00 => return Ok(None),
        _ => return Err(InvalidProxyHeader::Malformed),
    };
    let extensions = body.get(addresses..).ok_or(InvalidProxyHeader::Malformed)?;
    check(header, extensions)?;
    Ok(client)
}

fn v4(body: &[u8]) -> Option<SocketAddr> {
    let (address, rest) = body.split_first_chunk::<4>()?;
    let port = rest.get(4..6)?;
    Some((Ipv4Addr::from(*address), u16::from_be_bytes([port[0], port[1]])).into())
}

fn v6(body: &[u8]) -> Option<SocketAddr> {
    let (address, rest) = body.split_first_chunk::<16>()?;
    let port = rest.get(16..18)?;
    Some((Ipv6Addr::from(*address), u16::from_be_bytes([port[0], port[1]])).into())
}

/// Walks through `extensions`, the end of `header`, and verifies its checksum where there is one.
fn check(header: &[u8], extensions: &[u8]) -> Result<(), InvalidProxyHeader> {
    let mut rest = extensions;
    let mut checked = false;
    while !rest.is_empty() {
        let [kind, high, low, behind @ ..] = rest else {
            return Err(InvalidProxyHeader::Malformed);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, behind) =
            behind.split_at_checked(length).ok_or(InvalidProxyHeader::Malformed)?;
        if *kind == CRC32C {
            let value: [u8; 4] = value.try_into().map_err(|_| InvalidProxyHeader::Malformed)?;
            let at = header.len() - behind.len() - value.len();
            if std::mem::replace(&mut checked, true) {
                return Err(InvalidProxyHeader::Malformed);
            }
            if crc32c_without(header, at) != u32::from_be_bytes(value) {
                return Err(InvalidProxyHeader::Checksum);
            }
        }
        rest = behind;
    }
    Ok(())
}

/// The checksum (RFC 3720 appendix B.4) of `header` with four zeros at `at`.
fn crc32c_without(header: &[u8], at: usize) -> u32 {
    let mut crc = !0_u32;
    for (index, byte) in header.iter().enumerate() {
        let byte = if (at..at + 4).contains(&index) { 0 } else { *byte };
        crc = TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    }
    !crc
}

/// What each byte does to the checksum.
static TABLE: [u32; 256] = {
    const REVERSED: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ REVERSED } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_catalogue() {
        // The check value of CRC-32/ISCSI; nothing is left out behind the end.
        assert_eq!(crc32c_without(b"123456789", 9), 0xe306_9283);
    }
}
