//! The hops that the two headers name, nearest first; `None` for one that cannot be understood.

use std::{net::IpAddr, str};

use http::{HeaderValue, header::GetAll};

use super::{MAX_HOPS, parse_node};

/// The hops of `X-Forwarded-For`: addresses with commas between them, all field lines joined.
pub(super) fn listed_hops(lines: GetAll<'_, HeaderValue>) -> impl Iterator<Item = Option<IpAddr>> {
    lines
        .into_iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
        .map(|hop| parse_node(str::from_utf8(hop).ok()?.trim_matches([' ', '\t'])))
}

/// The hops of `Forwarded` (RFC 7239 §4).
pub(super) fn hops(lines: GetAll<'_, HeaderValue>) -> impl Iterator<Item = Option<IpAddr>> {
    lines.into_iter().rev().flat_map(|line| last_elements(line.as_bytes())).map(parse_element)
}

/// The last elements of a line, from the right. Quotes can only be understood from the left, so the
/// line is read that way and as many elements remembered as could be used.
fn last_elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut ring = [b"".as_slice(); MAX_HOPS];
    let mut count = 0_usize;
    for element in split_unquoted(line, b',') {
        ring[count % MAX_HOPS] = element;
        count += 1;
    }
    (count.saturating_sub(MAX_HOPS)..count).rev().map(move |index| ring[index % MAX_HOPS])
}

/// The pieces of `bytes` between those `separator`s that are not inside quotes. After a quote that is
/// never closed all is one piece, which then does not parse.
fn split_unquoted(bytes: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = bytes.iter().position(|&byte| {
            let escape = quoted && byte == b'\\' && !escaped;
            if byte == b'"' && !escaped {
                quoted = !quoted;
            }
            escaped = escape;
            byte == separator && !quoted
        });
        let Some(end) = end else { return rest.take() };
        rest = Some(&bytes[end + 1..]);
        Some(&bytes[..end])
    })
}

/// The address behind the one `for=` of an element; every parameter must be well formed.
fn parse_element(element: &[u8]) -> Option<IpAddr> {
    let mut node = None;
    for pair in split_unquoted(element, b';').map(<[u8]>::trim_ascii) {
        // The grammar lets a pair be empty.
        if pair.is_empty() {
            continue;
        }
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&pair[..equals], unquote(&pair[equals + 1..])?);
        if !name.iter().copied().all(is_token_byte) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"for") && node.replace(value).is_some() {
            return None;
        }
    }
    // An address has nothing to escape: a backslash in it fails to parse, which is what it deserves.
    parse_node(str::from_utf8(node?).ok()?)
}

/// The inside of a quoted string, with its escapes as they are, or a token.
fn unquote(value: &[u8]) -> Option<&[u8]> {
    if let Some(inner) = value.strip_prefix(b"\"") {
        let inner = inner.strip_suffix(b"\"")?;
        let mut escaped = false;
        for &byte in inner {
            if byte == b'"' && !escaped {
                return None;
            }
            escaped = byte == b'\\' && !escaped;
        }
        return (!escaped).then_some(inner);
    }
    // Brackets and colons need quotes by the grammar, yet proxies write addresses without them.
    let plain = |byte: u8| is_token_byte(byte) || b"[]:".contains(&byte);
    (!value.is_empty() && value.iter().copied().all(plain)).then_some(value)
}

/// RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
