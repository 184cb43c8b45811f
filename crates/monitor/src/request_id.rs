use std::fmt;

use http::HeaderValue;

const MIN_LENGTH: usize = 8;
const MAX_LENGTH: usize = 64;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The name of one request in answers and logs: 8 to 64 of `A-Z a-z 0-9 . _ -`, kept inline.
///
/// The alphabet is narrow so that an id can stand in a header, in JSON, in a log line and in a
/// shell command without being escaped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    length: u8,
    /// ASCII up to `length`, zero after it, so that equal ids are equal bytes.
    bytes: [u8; MAX_LENGTH],
}

impl RequestId {
    /// The id that a client or a proxy sent, if it is one.
    #[must_use]
    pub fn accept(header: &[u8]) -> Option<Self> {
        let fits = (MIN_LENGTH..=MAX_LENGTH).contains(&header.len());
        if !fits || !header.iter().copied().all(is_allowed) {
            return None;
        }
        let mut bytes = [0; MAX_LENGTH];
        bytes[..header.len()].copy_from_slice(header);
        Some(Self { length: u8::try_from(header.len()).ok()?, bytes })
    }

    /// 128 random bits as 32 hex digits.
    ///
    /// They come from the thread's generator, which asks the operating system only to seed itself:
    /// an id must be unlikely to meet another, and costs nanoseconds that way.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; MAX_LENGTH];
        for (i, byte) in rand::random::<u128>().to_be_bytes().into_iter().enumerate() {
            bytes[2 * i] = HEX[usize::from(byte >> 4)];
            bytes[2 * i + 1] = HEX[usize::from(byte & 15)];
        }
        Self { length: 32, bytes }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in, so the default is never taken.
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The id as bytes, all ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The id as the value of `X-Request-Id`.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        // The alphabet is inside that of header values, so the fallback is never taken.
        HeaderValue::from_bytes(self.as_bytes()).unwrap_or(HeaderValue::from_static("-"))
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_random_id_is_thirty_two_hex_digits() {
        let id = RequestId::random();
        assert_eq!(id.as_str().len(), 32);
        assert!(id.as_str().bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    }

    #[test]
    fn random_ids_differ() {
        assert_ne!(RequestId::random(), RequestId::random());
    }

    #[test]
    fn an_id_that_is_too_short_or_too_long_is_refused() {
        assert_eq!(RequestId::accept(&[b'a'; MIN_LENGTH - 1]), None);
        assert_eq!(RequestId::accept(&[b'a'; MAX_LENGTH + 1]), None);
    }

    #[test]
    fn an_id_that_would_need_escaping_is_refused() {
        for bad in ["abcdefg\"", "abcdefg\r\n", "abcdefg h", "abcdefg\u{e4}", "<script>"] {
            assert_eq!(RequestId::accept(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_comes_back_unchanged(text in "[A-Za-z0-9._-]{8,64}") {
            let id = RequestId::accept(text.as_bytes()).unwrap();
            prop_assert_eq!(id.as_str(), &text);
            prop_assert_eq!(id.to_header_value(), text);
        }

        #[test]
        fn whatever_is_accepted_is_a_header_value(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(id) = RequestId::accept(&bytes) {
                let value = id.to_header_value();
                prop_assert_eq!(value.as_bytes(), bytes);
            }
        }
    }
}
