use gabion_errors::{Problem, ToProblem, types};
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING},
};

/// How a request's body is compressed (RFC 9110 §8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentCoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, the format that zlib writes; never the bare one inside it.
    Deflate,
}

/// A body is encoded in a way that is not read here, or more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body may be encoded once, by gzip or deflate")]
pub struct UnsupportedCoding;

impl ContentCoding {
    /// How the body behind `headers` is compressed; `None` when it is not.
    ///
    /// # Errors
    ///
    /// For any other coding, for several, and for a field that is not one.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, UnsupportedCoding> {
        let mut fields = headers.get_all(CONTENT_ENCODING).iter();
        let Some(field) = fields.next() else { return Ok(None) };
        if fields.next().is_some() {
            return Err(UnsupportedCoding);
        }
        let name = field.as_bytes().trim_ascii();
        let is = |coding: &[u8]| name.eq_ignore_ascii_case(coding);
        if is(b"gzip") || is(b"x-gzip") {
            Ok(Some(Self::Gzip))
        } else if is(b"deflate") {
            Ok(Some(Self::Deflate))
        } else if is(b"identity") {
            Ok(None)
        } else {
            Err(UnsupportedCoding)
        }
    }
}

impl ToProblem for UnsupportedCoding {
    /// 415 that names what is read (RFC 9110 §15.5.16).
    fn to_problem(&self) -> Problem {
        Problem::new(&types::UNSUPPORTED_MEDIA_TYPE)
            .detail("the body may be encoded once, by gzip or deflate")
            .header(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[&str]) -> Result<Option<ContentCoding>, UnsupportedCoding> {
        let fields = fields.iter().map(|field| (CONTENT_ENCODING, field.parse().unwrap()));
        ContentCoding::of(&fields.collect())
    }

    #[test]
    fn one_coding_of_two_is_read() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["identity"]), Ok(None));
        for name in ["gzip", "GZIP", "x-gzip", " gzip "] {
            assert_eq!(of(&[name]), Ok(Some(ContentCoding::Gzip)), "{name}");
        }
        assert_eq!(of(&["Deflate"]), Ok(Some(ContentCoding::Deflate)));
    }

    #[test]
    fn everything_else_is_refused_with_what_would_be_read() {
        for fields in [
            &["br"][..],
            &["zstd"],
            &["gzip, gzip"],
            &["gzip", "gzip"],
            &["identity", "gzip"],
            &["gzip, identity"],
            &["gzip;q=1"],
            &[""],
        ] {
            assert_eq!(of(fields), Err(UnsupportedCoding), "{fields:?}");
        }
        let problem = UnsupportedCoding.to_problem();
        assert_eq!(problem.status(), 415);
        assert!(
            problem
                .headers()
                .any(|(name, value)| name == ACCEPT_ENCODING && value == "gzip, deflate")
        );
    }
}
