use http::{HeaderMap, header::AUTHORIZATION};

/// What a request proves its caller with.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Credentials<'a> {
    /// A bearer token (RFC 6750), not yet verified.
    Bearer(&'a str),
}

/// The `Authorization` header holds no usable credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// There is more than one.
    #[error("more than one Authorization header")]
    Repeated,
    /// It is not of the `Bearer` scheme.
    #[error("the Authorization header is not of the Bearer scheme")]
    Scheme,
    /// The scheme has no token.
    #[error("the Authorization header has no token")]
    Empty,
    /// The token has characters that RFC 6750 §2.1 does not know.
    #[error("the token has characters that no bearer token has")]
    Characters,
    /// The token is longer than [`MAX_TOKEN`].
    #[error("the token is longer than 8 KiB")]
    TooLong,
}

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// The bearer token of a request; `None` when it has no `Authorization` header.
///
/// A token in the query or in a body is never looked for (RFC 6750 §5.3).
///
/// # Errors
///
/// When there is such a header but not exactly one well-formed bearer token.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, CredentialsError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(CredentialsError::Repeated);
    }
    let value = value.to_str().map_err(|_| CredentialsError::Characters)?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(CredentialsError::Scheme);
    }
    let token = token.trim_start_matches(' ');
    if token.is_empty() {
        return Err(CredentialsError::Empty);
    }
    if token.len() > MAX_TOKEN {
        return Err(CredentialsError::TooLong);
    }
    if !is_b64token(token) {
        return Err(CredentialsError::Characters);
    }
    Ok(Some(token))
}

/// `b64token` of RFC 6750 §2.1.
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    // Without an early end the loop compiles to vector instructions: on every request this looks at
    // some hundred bytes, and a bad one is the exception.
    let bad = body.bytes().fold(false, |bad, b| {
        let letter = (b | 0x20).wrapping_sub(b'a') < 26;
        let digit = b.wrapping_sub(b'0') < 10;
        let mark =
            (b == b'-') | (b == b'.') | (b == b'_') | (b == b'~') | (b == b'+') | (b == b'/');
        bad | !(letter | digit | mark)
    });
    !body.is_empty() && !bad
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let values = values.iter().map(|value| HeaderValue::from_bytes(value).unwrap());
        values.map(|value| (AUTHORIZATION, value)).collect()
    }

    #[test]
    fn one_bearer_token_is_read() {
        for header in ["Bearer a.b-c_d", "bearer a.b-c_d", "BEARER   a.b-c_d"] {
            assert_eq!(bearer(&headers(&[header.as_bytes()])), Ok(Some("a.b-c_d")), "{header}");
        }
        assert_eq!(bearer(&headers(&[])), Ok(None));
        assert_eq!(bearer(&headers(&[b"Bearer abc=="])), Ok(Some("abc==")));
    }

    #[test]
    fn everything_else_is_refused() {
        use CredentialsError as E;
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        let cases: [(&[&[u8]], E); 11] = [
            (&[b"Bearer a", b"Bearer a"], E::Repeated),
            (&[b"Basic dTpw"], E::Scheme),
            (&[b""], E::Scheme),
            (&[b"Bearera"], E::Scheme),
            (&[b"Bearer"], E::Empty),
            (&[b"Bearer   "], E::Empty),
            (&[b"Bearer a b"], E::Characters),
            (&[b"Bearer a,b"], E::Characters),
            (&[b"Bearer =a"], E::Characters),
            (&[b"Bearer \xff"], E::Characters),
            (&[long.as_bytes()], E::TooLong),
        ];
        for (values, error) in cases {
            assert_eq!(bearer(&headers(values)), Err(error), "{values:?}");
        }
    }

    #[test]
    fn the_longest_token_is_still_read() {
        let longest = format!("Bearer {}", "a".repeat(MAX_TOKEN));
        assert!(bearer(&headers(&[longest.as_bytes()])).unwrap().is_some());
    }
}
