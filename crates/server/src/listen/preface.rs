/// What a client of HTTP/2 sends before anything else (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// What begins with `bytes`; `None` while that can be either.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(PREFACE) {
            Some(Self::Http2)
        } else if PREFACE.starts_with(bytes) {
            None
        } else {
            Some(Self::Http1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_preface_is_http_2() {
        for length in 0..PREFACE.len() {
            assert_eq!(Protocol::of(&PREFACE[..length]), None, "{length}");
            let other = [&PREFACE[..length], b"x"].concat();
            assert_eq!(Protocol::of(&other), Some(Protocol::Http1), "{length}");
        }
        assert_eq!(Protocol::of(PREFACE), Some(Protocol::Http2));
        assert_eq!(Protocol::of(&[PREFACE, b"more"].concat()), Some(Protocol::Http2));
        assert_eq!(Protocol::of(b"POST / HTTP/1.1\r\n"), Some(Protocol::Http1));
    }
}
