use gabion_errors::{Problem, ToProblem, types};
use http::{
    HeaderMap, Method, Uri, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

/// How the end of a request's body is found (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body, or its length is told; over HTTP/2 the stream's end is its end.
    Sized,
    /// In chunks. A `Content-Length` beside them may have been taken away by the parser before anybody
    /// saw it, and how a chunk ends is what readers agree on least. So the connection is not used
    /// again: then nothing that a proxy took for a part of this request can be answered as the next.
    Chunked,
    /// TRACE or CONNECT for a path. Nobody serves them (RFC 9110 §9.3.6, §9.3.8), and a proxy may take
    /// what follows for the inside of a tunnel, or for a request of its own. So the connection is not
    /// used again.
    Foreign,
}

/// A request whose end two readers could see in different places, or which is not for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// The method would make the server a proxy for the target (RFC 9110 §9.3.6).
    #[error("the method is not served")]
    Method,
    /// The target is of a form that its method does not have (RFC 9112 §3.2).
    #[error("the request target is not a path, or an address of http or https")]
    Target,
    /// A transfer coding that is not understood (RFC 9112 §6.1).
    #[error("the transfer coding is not implemented; chunked is")]
    Coding,
    /// `Transfer-Encoding` is not `chunked`, once, over HTTP/1.1.
    #[error("the Transfer-Encoding is not valid")]
    Transfer,
    /// Both `Transfer-Encoding` and `Content-Length`.
    #[error("the request has both a Transfer-Encoding and a Content-Length")]
    Both,
    /// `Content-Length` is not one number below 2⁶⁴.
    #[error("the Content-Length is not valid")]
    Length,
}

impl ToProblem for FramingError {
    fn to_problem(&self) -> Problem {
        let kind = match self {
            Self::Method | Self::Coding => &types::NOT_IMPLEMENTED,
            Self::Target | Self::Transfer | Self::Both | Self::Length => &types::INVALID_REQUEST,
        };
        Problem::new(kind).detail(self.to_string())
    }
}

/// Checks what a parser lets through though the next reader may take it otherwise.
///
/// After an error, and after anything but [`Framing::Sized`], an HTTP/1 connection has to be closed: what
/// follows on it may be a second request that only one reader saw (RFC 9112 §11.2).
///
/// # Errors
///
/// See [`FramingError`].
pub fn check_framing(
    method: &Method,
    uri: &Uri,
    version: Version,
    headers: &HeaderMap,
) -> Result<Framing, FramingError> {
    check_target(method, uri)?;
    if !headers.contains_key(TRANSFER_ENCODING) {
        let foreign = matches!(*method, Method::CONNECT | Method::TRACE);
        return Ok(if foreign { Framing::Foreign } else { Framing::Sized });
    }
    if version != Version::HTTP_11 {
        return Err(FramingError::Transfer);
    }
    let lines = headers.get_all(TRANSFER_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let first = codings.next().unwrap_or_default().trim_ascii();
    let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    if !is_chunked(first) {
        // `chunked` may still end the list: the body could be read, and would be of no use.
        return Err(if is_token(first) { FramingError::Coding } else { FramingError::Transfer });
    }
    if codings.next().is_some() {
        return Err(FramingError::Transfer);
    }
    if headers.contains_key(CONTENT_LENGTH) {
        return Err(FramingError::Both);
    }
    Ok(Framing::Chunked)
}

/// Origin form, absolute form of a scheme that is served, or `OPTIONS *`.
fn check_target(method: &Method, uri: &Uri) -> Result<(), FramingError> {
    let path = uri.path();
    let fits = path.starts_with('/') || path == "*" && *method == Method::OPTIONS;
    let served = matches!(uri.scheme_str(), None | Some("http" | "https"));
    match (fits && served, *method == Method::CONNECT) {
        (true, _) => Ok(()),
        // Authority form: the method asks for a tunnel, as it should.
        (false, true) => Err(FramingError::Method),
        (false, false) => Err(FramingError::Target),
    }
}

fn is_token(coding: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !coding.is_empty() && coding.iter().all(plain)
}

/// The length that `headers` announce, if they do.
///
/// # Errors
///
/// For anything but one field of digits that fit 64 bits. RFC 9112 §6.3 would allow the same number
/// more than once; nobody who means well sends that.
pub fn content_length(headers: &HeaderMap) -> Result<Option<u64>, FramingError> {
    let mut fields = headers.get_all(CONTENT_LENGTH).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    let digits = field.as_bytes();
    if fields.next().is_some() || digits.is_empty() {
        return Err(FramingError::Length);
    }
    let length = digits.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    });
    length.map(Some).ok_or(FramingError::Length)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn transfer(codings: &[&str]) -> Result<Framing, FramingError> {
        let fields: Vec<_> = codings.iter().map(|coding| (TRANSFER_ENCODING, *coding)).collect();
        let uri = Uri::from_static("/");
        check_framing(&Method::POST, &uri, Version::HTTP_11, &headers(&fields))
    }

    fn target(method: &str, uri: &str) -> Result<Framing, FramingError> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        check_framing(&method, &uri.parse().unwrap(), Version::HTTP_11, &HeaderMap::new())
    }

    /// RFC 9112 s6.1.
    #[test]
    fn only_chunked_alone_is_read() {
        assert_eq!(transfer(&[]), Ok(Framing::Sized));
        for good in ["chunked", "Chunked", " chunked\t"] {
            assert_eq!(transfer(&[good]), Ok(Framing::Chunked), "{good:?}");
        }
        for unknown in [&["gzip, chunked"][..], &["gzip"], &["identity", "chunked"], &["xchunked"]]
        {
            assert_eq!(transfer(unknown), Err(FramingError::Coding), "{unknown:?}");
        }
        for bad in [
            &["chunked, chunked"][..],
            &["chunked", "chunked"],
            &["chunked, gzip"],
            &["chunked,"],
            &[",chunked"],
            &["chunked;q=1"],
            &[""],
            &["\"chunked\""],
        ] {
            assert_eq!(transfer(bad), Err(FramingError::Transfer), "{bad:?}");
        }
        assert_eq!(FramingError::Coding.to_problem().status(), 501);
        assert_eq!(FramingError::Transfer.to_problem().status(), 400);
    }

    /// RFC 9112 s6.1, RFC 9113 s8.2.2.
    #[test]
    fn no_other_version_has_transfer_codings() {
        let chunked = headers(&[(TRANSFER_ENCODING, "chunked")]);
        for version in [Version::HTTP_10, Version::HTTP_2] {
            let checked = check_framing(&Method::POST, &Uri::from_static("/"), version, &chunked);
            assert_eq!(checked, Err(FramingError::Transfer));
        }
    }

    /// RFC 9112 s6.1: where both are seen, neither is believed.
    #[test]
    fn chunks_of_a_told_length_are_refused() {
        let both = headers(&[(CONTENT_LENGTH, "5"), (TRANSFER_ENCODING, "chunked")]);
        let checked = check_framing(&Method::POST, &Uri::from_static("/"), Version::HTTP_11, &both);
        assert_eq!(checked, Err(FramingError::Both));
    }

    /// RFC 9112 s3.2, RFC 9110 s9.3.6 and s9.3.8.
    #[test]
    fn each_method_has_its_form_of_target() {
        for (method, uri) in [
            ("GET", "/"),
            ("GET", "http://example.com"),
            ("GET", "https://example.com/a?b"),
            ("OPTIONS", "*"),
            ("BREW", "/a"),
        ] {
            assert_eq!(target(method, uri), Ok(Framing::Sized), "{method} {uri}");
        }
        for (method, uri) in
            [("GET", "*"), ("GET", "example.com:80"), ("GET", "ftp://example.com/")]
        {
            assert_eq!(target(method, uri), Err(FramingError::Target), "{method} {uri}");
        }
        assert_eq!(target("TRACE", "example.com:80"), Err(FramingError::Target));
    }

    /// RFC 9110 s9.3.6 and s9.3.8.
    #[test]
    fn a_tunnel_is_refused_and_what_else_proxies_read_otherwise_is_the_last() {
        for uri in ["example.com:80", "*", "ftp://example.com/"] {
            assert_eq!(target("CONNECT", uri), Err(FramingError::Method), "{uri}");
        }
        for (method, uri) in [("CONNECT", "/"), ("TRACE", "/"), ("TRACE", "http://example.com/")] {
            assert_eq!(target(method, uri), Ok(Framing::Foreign), "{method} {uri}");
        }
    }

    fn length(values: &[&str]) -> Result<Option<u64>, FramingError> {
        let fields: Vec<_> = values.iter().map(|value| (CONTENT_LENGTH, *value)).collect();
        content_length(&headers(&fields))
    }

    /// RFC 9112 s6.3.
    #[test]
    fn a_length_is_one_number() {
        assert_eq!(length(&[]), Ok(None));
        assert_eq!(length(&["0"]), Ok(Some(0)));
        assert_eq!(length(&["007"]), Ok(Some(7)));
        assert_eq!(length(&["18446744073709551615"]), Ok(Some(u64::MAX)));
        for bad in [
            &["18446744073709551616"][..],
            &["+5"],
            &["-5"],
            &["5, 5"],
            &["5,6"],
            &["5", "5"],
            &["5", "6"],
            &["0x5"],
            &["5 5"],
            &[""],
            &["5.0"],
        ] {
            assert_eq!(length(bad), Err(FramingError::Length), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_list_of_codings_but_one_chunked_is_refused(list in "[chunked, gzip;=\t]{0,30}") {
            let chunked = list.trim_matches([' ', '\t']) == "chunked";
            prop_assert_eq!(transfer(&[&list]).is_ok(), chunked);
        }
    }
}
