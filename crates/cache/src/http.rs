//! Decisions of RFC 9110 and RFC 9111 on header texts.

use std::time::Duration;

/// Whether a response with this `etag` may be answered with 304 to a request with this
/// `If-None-Match` (RFC 9110 §13.1.2).
///
/// The comparison is the weak one (§8.8.3.2): `W/"a"` equals `"a"`. `*` matches whatever is there.
/// A header that is malformed anywhere matches nothing, so the client gets the whole response.
///
/// ```
/// use gabion_cache::http::etag_matches;
///
/// assert!(etag_matches(r#""one", W/"two""#, r#""two""#));
/// assert!(!etag_matches(r#""one""#, r#""two""#));
/// ```
#[must_use]
pub fn etag_matches(if_none_match: &str, etag: &str) -> bool {
    let Some((current, "")) = entity_tag(etag) else {
        return false;
    };
    let mut rest = trim(if_none_match);
    if rest == "*" {
        return true;
    }
    let mut found = false;
    loop {
        // Empty list elements are to be ignored (RFC 9110 §5.6.1.2).
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found;
        }
        let Some((tag, after)) = entity_tag(rest) else {
            return false;
        };
        found |= tag == current;
        rest = trim(after);
        if !(rest.is_empty() || rest.starts_with(',')) {
            return false;
        }
    }
}

/// A `Cache-Control` that lets everybody store the response for `max_age`, in whole seconds.
///
/// Never for what depends on who asks: a shared cache would serve it to others.
#[must_use]
pub fn cache_control_public(max_age: Duration) -> String {
    // Larger numbers need not be understood (RFC 9111 §1.2.2).
    let seconds = max_age.as_secs().min(1 << 31);
    format!("public, max-age={seconds}")
}

/// The opaque part of the entity tag at the beginning of `text`, quotes excluded, and what follows.
fn entity_tag(text: &str) -> Option<(&str, &str)> {
    let quoted = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?;
    let (tag, rest) = quoted.split_once('"')?;
    // etagc = %x21 / %x23-7E / obs-text (RFC 9110 §8.8.3)
    let valid = tag.bytes().all(|byte| byte > b' ' && byte != 0x7F);
    valid.then_some((tag, rest))
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = r#""v1""#;

    #[test]
    fn weak_and_strong_tags_of_one_text_match() {
        for header in
            [r#""v1""#, r#"W/"v1""#, r#" "v0" , W/"v1","v2" "#, r#",, "v1",,"#, "*", " * "]
        {
            assert!(etag_matches(header, TAG), "{header}");
            assert!(etag_matches(header, r#"W/"v1""#), "{header}");
        }
    }

    #[test]
    fn other_tags_do_not_match() {
        for header in ["", " , ", r#""v2""#, r#""V1""#, r#""v1 ""#, r#""""#] {
            assert!(!etag_matches(header, TAG), "{header}");
        }
    }

    #[test]
    fn a_comma_within_quotes_does_not_separate() {
        assert!(etag_matches(r#""a,b""#, r#""a,b""#));
        assert!(!etag_matches(r#""a,b""#, r#""a""#));
    }

    #[test]
    fn a_malformed_list_matches_nothing() {
        for header in [
            "v1",
            r#""v1"#,
            r#"v1""#,
            r#""v1" "v2""#,
            r#""v1", v2"#,
            r#"w/"v1""#,
            r#"W/ "v1""#,
            r#""v1", *"#,
            "\"v1\", \"a\u{7f}\"",
            "\"v1\";",
            "**",
        ] {
            assert!(!etag_matches(header, TAG), "{header}");
        }
    }

    #[test]
    fn a_malformed_tag_of_ours_matches_nothing() {
        for etag in ["", "v1", r#""v1"x"#, r#""v 1""#, "*"] {
            assert!(!etag_matches("*", etag), "{etag}");
        }
    }

    #[test]
    fn the_age_is_in_whole_seconds_and_within_31_bits() {
        assert_eq!(cache_control_public(Duration::from_millis(1999)), "public, max-age=1");
        assert_eq!(cache_control_public(Duration::MAX), "public, max-age=2147483648");
    }

    proptest! {
        #[test]
        fn a_tag_is_found_wherever_it_stands(
            tags in prop::collection::vec("[!#-~é]{0,8}", 1..8),
            weak in prop::collection::vec(any::<bool>(), 8),
            index: prop::sample::Index,
        ) {
            let written: Vec<_> = tags.iter().zip(&weak)
                .map(|(tag, weak)| format!("{}\"{tag}\"", if *weak { "W/" } else { "" }))
                .collect();
            let etag = format!("\"{}\"", tags[index.index(tags.len())]);
            prop_assert!(etag_matches(&written.join(", "), &etag));
            let absent = "\"nine-long\"";
            prop_assert!(!etag_matches(&written.join(", "), absent));
        }

        #[test]
        fn any_text_is_decided(header: String, etag: String) {
            let _ = etag_matches(&header, &etag);
        }
    }
}
