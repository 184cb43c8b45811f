use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// What percent-encoded text stands for (RFC 3986 §2.1); `None` where an escape is cut or wrong, or what
/// comes out is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let bytes = text.as_bytes();
    let mut escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let well = escapes.all(|(at, _)| {
        let digits = bytes.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if well { percent_decode_str(text).decode_utf8().ok() } else { None }
}

/// What a name or a value of a query stands for, as parameters are read: percent-encoded, and a space may
/// be a plus (URL standard, `application/x-www-form-urlencoded`); `None` where an escape is cut or wrong,
/// or what comes out is not UTF-8.
#[must_use]
pub fn decode_form(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return decode(text);
    }
    let spaced = text.replace('+', " ");
    decode(&spaced).map(|decoded| Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_whole_and_utf_8_or_refused() {
        assert_eq!(decode("a%2Fb%2541+").as_deref(), Some("a/b%41+"));
        assert_eq!(decode_form("a+b%2B").as_deref(), Some("a b+"));
        assert_eq!(decode("%C3%a9").as_deref(), Some("\u{e9}"));
        for bad in ["%", "%4", "a%zz", "%ff", "%C3", "%\u{e9}", "%+1"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
