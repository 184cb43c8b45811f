//! The `Authorization` header, one per line of the input: what is taken from it is one bearer token of
//! RFC 6750, and nothing else.

#![no_main]

use gabion_auth::{MAX_TOKEN, bearer};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|lines: &[u8]| {
    let values = lines.split(|byte| *byte == b'\n').take(3);
    let values = values.filter_map(|value| HeaderValue::from_bytes(value).ok());
    let headers: HeaderMap = values.map(|value| (AUTHORIZATION, value)).collect();
    let lines: Vec<&HeaderValue> = headers.get_all(AUTHORIZATION).iter().collect();
    let expected = match lines.as_slice() {
        [] => Ok(None),
        [line] => token(line.as_bytes()).map(Some).ok_or(()),
        _ => Err(()),
    };
    assert_eq!(bearer(&headers).map_err(|_| ()), expected);
});

/// `"Bearer" 1*SP b64token`, with at most so many bytes.
fn token(line: &[u8]) -> Option<&str> {
    let (scheme, rest) = line.split_at_checked("bearer".len())?;
    let start = rest.iter().position(|byte| *byte != b' ')?;
    let token = &rest[start..];
    let end = token.iter().position(|byte| *byte == b'=').unwrap_or(token.len());
    let (body, padding) = token.split_at(end);
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let well_formed = scheme.eq_ignore_ascii_case(b"bearer")
        && start > 0
        && !body.is_empty()
        && body.iter().all(alphabet)
        && padding.iter().all(|byte| *byte == b'=')
        && token.len() <= MAX_TOKEN;
    well_formed.then(|| str::from_utf8(token).ok())?
}
