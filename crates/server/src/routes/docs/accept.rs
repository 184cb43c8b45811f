//! What a client would rather read (RFC 9110 §12.5.1).

use http::{HeaderMap, header::ACCEPT};

/// Whether whoever asks would rather have HTML than JSON: browsers say so, and where neither is
/// preferred, programs are meant.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    weight(headers, "text", "html") > weight(headers, "application", "json")
}

/// How much `main/sub` is wanted, in thousandths, by the range that fits it best; nothing said about it
/// means not at all. Ranges that nobody can read are passed over. What else a range asks of the type is
/// not looked at, for there is one form of each here.
fn weight(headers: &HeaderMap, main: &str, sub: &str) -> u16 {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges = lines.flat_map(|line| line.split(unquoted(',')));
    let best = ranges.filter_map(|range| {
        let mut parts = range.split(unquoted(';')).map(str::trim);
        let (own_main, own_sub) = parts.next()?.split_once('/')?;
        let fit = match (own_main, own_sub) {
            ("*", "*") => 0,
            (own, "*") if own.eq_ignore_ascii_case(main) => 1,
            (own, other) if own.eq_ignore_ascii_case(main) && other.eq_ignore_ascii_case(sub) => 2,
            _ => return None,
        };
        let mut named = parts.filter_map(|part| part.split_once('='));
        let weight = named.find(|(name, _)| name.eq_ignore_ascii_case("q"));
        Some((fit, weight.map_or(Some(1000), |(_, value)| thousandths(value))?))
    });
    best.max().map_or(0, |(_, weight)| weight)
}

/// A weight: 0 to 1 with at most three digits behind the point (RFC 9110 §12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = rest.len() <= 3 && rest.bytes().all(|digit| digit.is_ascii_digit());
    let part: u16 = format!("{rest:0<3}").parse().ok().filter(|_| digits)?;
    match (whole, part) {
        ("0", part) => Some(part),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// Finds `separator` where it is not within a quoted string.
fn unquoted(separator: char) -> impl FnMut(char) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    move |letter| {
        let is_escaped = std::mem::take(&mut escaped);
        match letter {
            '"' if !is_escaped => quoted = !quoted,
            '\\' if quoted && !is_escaped => escaped = true,
            _ => {}
        }
        !quoted && letter == separator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefers(lines: &[&str]) -> bool {
        let lines = lines.iter().map(|line| (ACCEPT, line.parse().unwrap()));
        prefers_html(&lines.collect())
    }

    #[test]
    fn browsers_read_pages() {
        for line in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            "text/html",
            "TEXT/Html",
            "text/*",
            "text/html; charset=\"utf-8\" ; Q=0.3, application/json;q=0.2",
            "*/*;q=0.1, text/html;q=0.101",
            "text/html, application/json;q=0",
            "text/plain;a=\"x, \\\" application/json\", text/html;q=0.5",
        ] {
            assert!(prefers(&[line]), "{line}");
        }
        assert!(prefers(&["image/png", "text/html"]));
        assert!(prefers(&["application/json;q=0.5", "text/html;q=0.6"]));
    }

    #[test]
    fn programs_read_json() {
        for line in [
            "",
            "*/*",
            "application/json",
            "text/html;q=0",
            "text/html;q=0, application/json",
            "application/json, text/html;q=0.1",
            "application/json, text/html",
            "text/htmlx",
            "text/html;q=x",
            "text/html;q=1.001",
            "text/html;q=0.0001",
            "text/html;q=",
            "text / html",
            "html",
            "text/*, text/html;q=0",
            "image/png;a=\", text/html\"",
        ] {
            assert!(!prefers(&[line]), "{line}");
        }
        assert!(!prefers(&[]));
        assert!(!prefers(&["text/html;q=0.5", "application/json"]));
    }
}
