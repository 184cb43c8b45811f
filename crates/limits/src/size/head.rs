use std::iter;

use http::{HeaderMap, Method, Uri};

use super::{SizeConfig, SizeError};

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

#[cfg(test)]
mod tests {
    use gabion_config::ByteSize;

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
}
