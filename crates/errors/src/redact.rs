use std::borrow::Cow;

const MASK: &str = "***";

/// `text` without credentials and without characters that could forge a log line or drive a
/// terminal.
///
/// Masked: what follows the word `bearer`, JSON web tokens, refresh tokens (`grt.…`), API keys
/// (`gabion_…`), user and password in a URL. Escaped: control characters, line separators and those that turn the
/// direction of writing. In doubt it masks too much.
///
/// It is the last net, for texts of others that may hold anything: an error of a driver, a name that
/// somebody typed. A secret of ours does not get into a text in the first place. It takes one pass;
/// text without any of this is returned as it is.
///
/// ```
/// use gabion_errors::redact;
///
/// assert_eq!(redact("connecting to postgres://app:hunter2@db/x"), "connecting to postgres://***@db/x");
/// assert_eq!(redact("user eve\nINFO all is well"), r"user eve\nINFO all is well");
/// ```
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    // Everything before `kept` is in `clean`; everything before `at` is looked at.
    let (mut kept, mut at) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        if c.is_ascii_alphanumeric() {
            let word = &text[at..at + word_length(&text[at..])];
            if let Some(secret) = secret(word, &text[at + word.len()..]) {
                clean.push_str(&text[kept..at + secret.start]);
                clean.push_str(secret.mask);
                kept = at + secret.end;
                at = kept;
            } else {
                at += word.len();
            }
            continue;
        }
        if let Some(length) = userinfo(&text[at..]) {
            clean.push_str(&text[kept..at + "://".len()]);
            clean.push_str(MASK);
            at += "://".len() + length;
            kept = at;
            continue;
        }
        if is_dangerous(c) {
            clean.push_str(&text[kept..at]);
            clean.extend(c.escape_default());
            kept = at + c.len_utf8();
        }
        at += c.len_utf8();
    }
    if clean.is_empty() {
        return Cow::Borrowed(text);
    }
    clean.push_str(&text[kept..]);
    Cow::Owned(clean)
}

fn word_length(text: &str) -> usize {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.bytes().take_while(|byte| in_word(*byte)).count()
}

/// Where a secret lies, counted from the start of its word, and what stands for it.
struct Secret {
    start: usize,
    end: usize,
    mask: &'static str,
}

fn secret(word: &str, behind: &str) -> Option<Secret> {
    // A web token is at least two base64url parts, the first of which begins a JSON object.
    let web = word.find("eyJ").filter(|start| word[*start..].contains('.'));
    let token = web.into_iter().chain(word.find("grt.")).chain(api_key(word)).min();
    let end = word.len() + credentials(word, behind).unwrap_or_default();
    // What lies before credentials may be a line break; one plain space stands for it.
    let (start, mask) = token.map_or((word.len(), " ***"), |start| (start, MASK));
    (start < end).then_some(Secret { start, end, mask })
}

/// Where an API key begins: its prefix, and its id in 32 hexadecimal digits. Metrics have the prefix
/// alone.
fn api_key(word: &str) -> Option<usize> {
    let mut prefixes = word.match_indices("gabion_");
    let has_id = |behind: &str| {
        behind.len() > 32 && behind.bytes().take(32).all(|byte| byte.is_ascii_hexdigit())
    };
    prefixes.find(|(at, prefix)| has_id(&word[at + prefix.len()..])).map(|(at, _)| at)
}

/// The length of what follows the word `bearer`, with the space between.
fn credentials(word: &str, behind: &str) -> Option<usize> {
    if !ends_with_bearer(word) {
        return None;
    }
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
    let mut length = 0;
    loop {
        let rest = &behind[length..];
        let text = rest.trim_start();
        let space = rest.len() - text.len();
        let credentials = &text[..text.find(ends).unwrap_or(text.len())];
        // Of two such words in a row the second is the one with the credentials.
        let again = length == 0 && credentials.eq_ignore_ascii_case("bearer");
        if space == 0 || credentials.is_empty() || again {
            return (length > 0).then_some(length);
        }
        length += space + credentials.len();
        // Credentials may end like the word, and the word may be glued to something.
        if !ends_with_bearer(credentials) {
            return Some(length);
        }
    }
}

fn ends_with_bearer(word: &str) -> bool {
    let start = word.len().checked_sub("bearer".len());
    start.is_some_and(|start| word.as_bytes()[start..].eq_ignore_ascii_case(b"bearer"))
}

/// The length of `user:password` when `text` begins with `://` and has it.
fn userinfo(text: &str) -> Option<usize> {
    let authority = text.strip_prefix("://")?;
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'');
    let authority = &authority[..authority.find(ends).unwrap_or(authority.len())];
    authority.rfind('@')
}

/// Whether `c` must not stand in a line for people or for readers of logs as it is: escapes by which a
/// terminal is driven, line ends, also those of Unicode, what turns the direction of writing (Unicode
/// TR 36, §2.10.3), and what cannot be seen.
#[must_use]
pub fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn harmless_text_is_returned_as_it_is() {
        let text = "GET /items/7?sort=name took 3 ms, see https://example.com/a@b (caf\u{e9})";
        assert!(matches!(redact(text), Cow::Borrowed(same) if same == text));
    }

    #[test]
    fn what_follows_bearer_is_masked() {
        assert_eq!(redact("Authorization: Bearer abc/d+e=, x"), "Authorization: Bearer *** x");
        assert_eq!(redact("{\"a\":\"bEARER  s3\"}"), "{\"a\":\"bEARER ***\"}");
        assert_eq!(redact("Bearer ab\u{0}cd\u{7}"), "Bearer ***");
        assert_eq!(redact("no bearer"), "no bearer");
        assert_eq!(redact("bearer Bearer abc"), "bearer Bearer ***");
    }

    #[test]
    fn a_token_that_ends_in_bearer_does_not_hide_what_follows() {
        assert_eq!(redact("eyJ.Bearer s3cr3t x"), "*** x");
        assert_eq!(redact("grt.bearer s3cr3t"), "***");
        assert_eq!(redact("eyJ.Bearer Bearer s3cr3t"), "*** Bearer ***");
    }

    #[test]
    fn credentials_that_end_in_bearer_are_masked_with_what_follows() {
        assert_eq!(redact("Bearer s3cr3tbearer"), "Bearer ***");
        assert_eq!(redact("Bearer a/bearer s3cr3t x"), "Bearer *** x");
    }

    #[test]
    fn a_line_break_after_bearer_does_not_get_through() {
        assert_eq!(redact("bearer\r\n\u{85}x y"), "bearer *** y");
    }

    #[test]
    fn web_tokens_are_masked_anywhere() {
        assert_eq!(redact("token=eyJhbGciOi.eyJzdWIi.c2ln;"), "token=***;");
        assert_eq!(redact("nxeyJhbGciOi.eyJzdWIi.c2ln"), "nx***");
        assert_eq!(redact("eyJh.grt.c2ln"), "***");
        assert_eq!(redact("eyJust a word"), "eyJust a word");
    }

    #[test]
    fn refresh_tokens_are_masked() {
        assert_eq!(redact("refused grt.AbC-_9.x (spent)"), "refused *** (spent)");
    }

    #[test]
    fn api_keys_are_masked_and_names_of_metrics_are_not() {
        let key = "gabion_0123456789abcdef0123456789abcdef_x-Y_z";
        assert_eq!(redact(&format!("GET /{key}/x")), "GET /***/x");
        assert_eq!(redact(&format!("gabion_{key}")), "gabion_***");
        assert_eq!(redact("gabion_log_lines_lost_total"), "gabion_log_lines_lost_total");
    }

    #[test]
    fn users_and_passwords_of_urls_are_masked() {
        assert_eq!(redact("redis://:p@ss@h:6379/0 is down"), "redis://***@h:6379/0 is down");
        assert_eq!(redact("https://h/p?mail=a@b"), "https://h/p?mail=a@b");
    }

    #[test]
    fn escapes_for_a_terminal_are_shown_not_sent() {
        assert_eq!(redact("\u{1b}[2Jx\u{9b}31m\u{202e}"), r"\u{1b}[2Jx\u{9b}31m\u{202e}");
    }

    #[test]
    fn many_false_starts_take_one_pass() {
        let text = "eyJ".repeat(200_000) + &"://".repeat(200_000) + &"bearer\n".repeat(100_000);
        assert!(!redact(&text).contains('\n'));
    }

    const CANARY: &str = "C4n4ryS3cret";

    proptest! {
        #[test]
        fn no_dangerous_character_survives(text in "\\PC*|[\\x00-\\x20eyJ.:/@a\u{85}\u{2028}\u{202e}]{0,60}|(bearer|://|\n| |\u{1b}){0,20}") {
            let clean = redact(&text);
            prop_assert!(!clean.chars().any(is_dangerous), "{clean:?}");
        }

        #[test]
        fn no_credential_survives(before in "[ -~\n]{0,30}", after in "[ -~\n]{0,30}") {
            for secret in [
                format!("Bearer {CANARY}"),
                format!("eyJhbGci.{CANARY}.c2ln"),
                format!("grt.{CANARY}"),
                format!("gabion_{:032x}_{CANARY}", 7),
                format!("postgres://user:{CANARY}@"),
            ] {
                let clean = redact(&format!("{before} {secret}{after}")).into_owned();
                prop_assert!(!clean.contains(CANARY), "{secret:?} in {clean:?}");
            }
        }

        #[test]
        fn text_of_plain_words_is_unchanged(text in "([a-d]{1,5} ){0,10}") {
            prop_assert_eq!(redact(&text), text.clone());
        }
    }
}
