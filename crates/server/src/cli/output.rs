use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

use gabion_errors::is_dangerous;

/// Writes a line, or several, to standard output; a reader that has left is no error.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{}", safe(line));
}

/// Writes a line to standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", safe(line));
}

/// The same where a terminal shows it: names and values may be whatever somebody typed. What is escaped
/// stands as JSON and TOML read it back.
fn safe(lines: &str) -> Cow<'_, str> {
    let odd = |c: char| is_dangerous(c) && !matches!(c, '\n' | '\t');
    if !lines.contains(odd) {
        return Cow::Borrowed(lines);
    }
    let mut out = String::with_capacity(lines.len() + 64);
    for c in lines.chars() {
        if odd(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Text takes text.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_drives_a_terminal_or_turns_the_writing() {
        assert_eq!(
            safe("a\u{1b}[2J\u{202e}b\u{e0041}\r\n\tc"),
            "a\\u001b[2J\\u202eb\\udb40\\udc41\\u000d\n\tc"
        );
        assert!(matches!(safe("key = \"\u{e9}\u{4e2d}\"\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"a\u{202e}": "\u{7f}\u{feff}\u{e0041} \\ \n"});
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe(&value.to_string())).unwrap(),
            value
        );
    }
}
