use bytes::Bytes;
use gabion_errors::{Problem, types};
use gabion_tower::{HSTS, refuse_unread};
use http::header;

/// What the guard of sizes answers to a head that is read to its end.
pub(super) fn head_too_large(tls: bool) -> Bytes {
    refuse(&Problem::new(&types::HEADER_TOO_LARGE), tls)
}

/// What a head is answered with that cannot be parsed.
pub(super) fn malformed(tls: bool) -> Bytes {
    let detail = "the head of the request is malformed";
    refuse(&Problem::new(&types::INVALID_REQUEST).detail(detail), tls)
}

/// What a target is answered with that is longer than hyper reads.
pub(super) fn target_too_long(tls: bool) -> Bytes {
    refuse(&Problem::new(&types::URI_TOO_LONG), tls)
}

/// What a head that does not come to its end in time is answered with.
pub(super) fn head_too_slow(tls: bool) -> Bytes {
    refuse(&Problem::new(&types::REQUEST_TIMEOUT), tls)
}

/// What a request is answered with that should have come over TLS.
pub(super) fn plain_http() -> Bytes {
    refuse(&Problem::new(&types::INVALID_REQUEST).detail("this port speaks https only"), false)
}

/// An answer over HTTP/1.1 to a request that is not even read; nothing comes after it.
fn refuse(problem: &Problem, tls: bool) -> Bytes {
    let mut response = refuse_unread(problem);
    if tls {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    let status = response.status();
    let mut out = format!(
        "HTTP/1.1 {} {}\r\nconnection: close\r\ncontent-length: {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        response.body().len()
    )
    .into_bytes();
    for (name, value) in response.headers() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(response.body());
    out.into()
}

/// The status of `bytes` where they are hyper's own answer to a head that it does not take: a head that
/// says that nothing comes behind it, and nothing does.
pub(super) fn bare(bytes: &[u8]) -> Option<&[u8; 3]> {
    const EMPTY: &[u8] = b"\r\ncontent-length: 0\r\n";
    const END: &[u8] = b"\r\n\r\n";
    let status = bytes.strip_prefix(b"HTTP/1.1 ")?.first_chunk()?;
    let own = matches!(status, b"400" | b"414" | b"431");
    let has = |wanted: &[u8]| bytes.windows(wanted.len()).position(|part| part == wanted);
    (own && has(END)? + END.len() == bytes.len() && has(EMPTY).is_some()).then_some(status)
}

#[cfg(test)]
mod tests;
