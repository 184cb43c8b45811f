use std::iter;

use gabion_config::{ByteSize, settings};
use gabion_errors::{Problem, ToProblem, types};
use http::{HeaderMap, Method, Uri};

settings! {
    /// Largest requests. Every bound is on what one request may make the server hold or read.
    pub struct SizeConfig {
        /// Largest body; streamed, not held.
        live body: ByteSize = ByteSize::mib(10), in ByteSize::new(1)..=ByteSize::gib(1024);
        /// Largest body of routes that take JSON; held in memory.
        live json_body: ByteSize = ByteSize::kib(64), in ByteSize::new(1)..=ByteSize::gib(1);
        /// Largest head: request line and header fields.
        live head: ByteSize = ByteSize::kib(16), in ByteSize::new(128)..=ByteSize::mib(1);
        /// Most header field lines.
        live headers: usize = 100, in 1..=1_000_000;
        /// Longest request target.
        live target: ByteSize = ByteSize::kib(8), in ByteSize::new(1)..=ByteSize::kib(64);
        /// Deepest nesting of a JSON body.
        live json_depth: usize = 64, in 1..=128;
        /// Largest body after it was decompressed, whatever its route takes.
        live decompressed: ByteSize = ByteSize::mib(10), in ByteSize::new(1)..=ByteSize::gib(1024);
        /// The most that decompressing may multiply a body by, once it has given a mebibyte.
        live decompress_ratio: u32 = 100, in 1..=100_000;
        /// Most requests in one batch.
        live batch_items: usize = 100, in 1..=10_000;
    }
}

/// A request is larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// The target is.
    #[error("the request target is longer than {0}")]
    TargetTooLong(ByteSize),
    /// The request line and the header fields together are.
    #[error("the request head is larger than {0}")]
    HeadTooLarge(ByteSize),
    /// There are too many header field lines.
    #[error("the request has more than {0} header fields")]
    TooManyHeaders(usize),
    /// The body is, or says that it is going to be.
    #[error("the body is larger than {0}")]
    BodyTooLarge(ByteSize),
}

impl ToProblem for SizeError {
    fn to_problem(&self) -> Problem {
        let kind = match self {
            Self::TargetTooLong(_) => &types::URI_TOO_LONG,
            Self::HeadTooLarge(_) | Self::TooManyHeaders(_) => &types::HEADER_TOO_LARGE,
            Self::BodyTooLarge(_) => &types::BODY_TOO_LARGE,
        };
        Problem::new(kind).detail(format!("{self}"))
    }
}

/// Checks a request's head: the target, the number of header field lines, all of it together.
///
/// HTTP/2 sends heads compressed; they are counted as HTTP/1.1 would write them.
///
/// # Errors
///
/// The first bound that is exceeded (RFC 9110 §15.5.15, RFC 6585 §5).
pub fn check_head(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    config: &SizeConfig,
) -> Result<(), SizeError> {
    /// Two spaces, the version and the two line ends of request line and head.
    const FRAME: usize = "  HTTP/1.1\r\n\r\n".len();

    let target = target_len(uri);
    if target > config.target.as_usize() {
        return Err(SizeError::TargetTooLong(config.target));
    }
    if headers.len() > config.headers {
        return Err(SizeError::TooManyHeaders(config.headers));
    }
    let fields =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let head: usize = fields.chain(iter::once(method.as_str().len() + target + FRAME)).sum();
    if head > config.head.as_usize() {
        return Err(SizeError::HeadTooLarge(config.head));
    }
    Ok(())
}

fn target_len(uri: &Uri) -> usize {
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    scheme + authority + path
}

/// Checks what `Content-Length` announces; a body without one is left to [`Counted`].
///
/// # Errors
///
/// When it is more than `limit`.
pub fn check_declared(content_length: Option<u64>, limit: ByteSize) -> Result<(), SizeError> {
    match content_length {
        Some(length) if length > limit.bytes() => Err(SizeError::BodyTooLarge(limit)),
        _ => Ok(()),
    }
}

/// Counts a body as it streams in, whatever was announced.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    used: u64,
    limit: ByteSize,
}

impl Counted {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new(limit: ByteSize) -> Self {
        Self { used: 0, limit }
    }

    /// Adds a piece of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// When the body with this piece is larger than the limit; also for each piece after it.
    pub const fn add(&mut self, bytes: usize) -> Result<(), SizeError> {
        self.used = self.used.saturating_add(bytes as u64);
        if self.used > self.limit.bytes() {
            Err(SizeError::BodyTooLarge(self.limit))
        } else {
            Ok(())
        }
    }

    /// Bytes so far, those beyond the limit included.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        uri: &str,
        fields: &[(&'static str, &str)],
        config: &SizeConfig,
    ) -> Result<(), SizeError> {
        let headers = fields
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        check_head(&Method::GET, &uri.parse().unwrap(), &headers.collect(), config)
    }

    #[test]
    fn a_target_may_be_as_long_as_the_limit() {
        let config = SizeConfig { target: ByteSize::new(20), ..SizeConfig::default() };
        let long = Err(SizeError::TargetTooLong(config.target));
        assert_eq!(check(&format!("/{}?q", "a".repeat(17)), &[], &config), Ok(()));
        assert_eq!(check(&format!("/{}?q", "a".repeat(18)), &[], &config), long);
        assert_eq!(check("http://abcdefgh/12345", &[], &config), long);
    }

    #[test]
    fn repeated_header_lines_are_counted_each() {
        let config = SizeConfig { headers: 2, ..SizeConfig::default() };
        assert_eq!(check("/", &[("a", "1"), ("a", "2")], &config), Ok(()));
        let three = check("/", &[("a", "1"), ("a", "2"), ("b", "3")], &config);
        assert_eq!(three, Err(SizeError::TooManyHeaders(2)));
    }

    #[test]
    fn a_head_is_as_large_as_http_1_writes_it() {
        let written = "GET /x HTTP/1.1\r\na: 1\r\nbcd: 23\r\n\r\n".len() as u64;
        let fields = [("a", "1"), ("bcd", "23")];
        let config = |head| SizeConfig { head: ByteSize::new(head), ..SizeConfig::default() };
        assert_eq!(check("/x", &fields, &config(written)), Ok(()));
        let refused = check("/x", &fields, &config(written - 1));
        assert_eq!(refused, Err(SizeError::HeadTooLarge(ByteSize::new(written - 1))));
    }

    #[test]
    fn a_body_may_announce_the_limit_itself() {
        let limit = ByteSize::new(10);
        assert_eq!(check_declared(Some(10), limit), Ok(()));
        assert_eq!(check_declared(None, limit), Ok(()));
        assert_eq!(check_declared(Some(11), limit), Err(SizeError::BodyTooLarge(limit)));
    }

    #[test]
    fn a_body_that_grows_beyond_the_limit_stays_refused() {
        let mut counted = Counted::new(ByteSize::new(10));
        assert_eq!((counted.add(4), counted.add(6), counted.used()), (Ok(()), Ok(()), 10));
        assert!(counted.add(1).is_err());
        assert!(counted.add(0).is_err());
        assert!(counted.add(usize::MAX).is_err());
    }

    #[test]
    fn each_bound_has_its_status_and_names_itself() {
        let size = ByteSize::kib(8);
        for (error, status) in [
            (SizeError::TargetTooLong(size), 414),
            (SizeError::HeadTooLarge(size), 431),
            (SizeError::TooManyHeaders(8), 431),
            (SizeError::BodyTooLarge(size), 413),
        ] {
            let problem = error.to_problem();
            assert_eq!(problem.status(), status);
            assert!(problem.detail_text().contains('8'), "{}", problem.detail_text());
        }
    }
}
