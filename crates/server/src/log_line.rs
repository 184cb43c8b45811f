//! A line of the log as anybody may look at it.
//!
//! A line holds what clients have chosen: paths, names, ids, the text of errors. Here, where the line is
//! complete, nothing is left in it that could forge another line, drive a terminal or turn the direction
//! of writing, whatever field it came in; and no line is longer than anybody reads.

use std::{borrow::Cow, fmt::Write};

use gabion_errors::is_dangerous;
use serde_json::{Map, Value, json};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// One JSON object each.
    Json,
    /// Words.
    Plain,
    /// Words for a terminal, with colours.
    Colours,
}

/// A longer line is shortened.
const LONGEST: usize = 16 << 10;
/// What is left then of each of its fields.
const FIELD: usize = 1 << 10;

/// The same line, safe and not too long. Most are so already.
pub(crate) fn safe(line: &[u8], style: Style) -> Cow<'_, [u8]> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    if text.len() <= LONGEST && is_plain(text) {
        return Cow::Borrowed(line);
    }
    let text = String::from_utf8_lossy(text);
    let text = if text.len() <= LONGEST { text } else { Cow::Owned(shortened(&text, style)) };
    let mut line = escaped(&text, style).into_bytes();
    line.push(b'\n');
    Cow::Owned(line)
}

fn is_plain(text: &[u8]) -> bool {
    let odd = |odd: bool, byte: &u8| odd | !(b' '..0x7f).contains(byte);
    // Without a way out inside a piece, so that many bytes are compared at once.
    text.chunks(64).all(|piece| !piece.iter().fold(false, odd))
}

fn escaped(text: &str, style: Style) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match style {
            Style::Colours => colour(rest).unwrap_or(c.len_utf8()),
            _ => c.len_utf8(),
        };
        if length > c.len_utf8() || !is_dangerous(c) {
            out.push_str(&rest[..length]);
        } else if style == Style::Json {
            // In JSON nothing of the kind is outside of strings.
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Text takes text.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.extend(c.escape_default());
        }
        rest = &rest[length..];
    }
    out
}

/// The length of the colour that `text` begins with: one of those that lines are written in, or their
/// end. None of them hides anything.
fn colour(text: &str) -> Option<usize> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let codes = &codes[..codes.find('m')?];
    let usual =
        |code: &str| matches!(code, "0" | "1" | "2" | "3" | "31" | "32" | "33" | "34" | "35");
    codes.split(';').all(usual).then_some("\u{1b}[".len() + codes.len() + 1)
}

fn shortened(text: &str, style: Style) -> String {
    if style != Style::Json {
        return cut(text, LONGEST).unwrap_or_default();
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
        return left_out(Map::new(), text);
    };
    for value in fields.values_mut() {
        let long = match &*value {
            Value::String(text) => cut(text, FIELD),
            other => cut(&other.to_string(), FIELD),
        };
        if let Some(long) = long {
            *value = Value::String(long);
        }
    }
    let short = serde_json::to_string(&fields).unwrap_or_default();
    if short.len() <= LONGEST { short } else { left_out(fields, text) }
}

/// That there was a line, where it came from, and how long it was.
fn left_out(mut fields: Map<String, Value>, text: &str) -> String {
    fields.retain(|name, _| ["timestamp", "level", "target", "message"].contains(&name.as_str()));
    fields.insert("left_out_bytes".to_owned(), json!(text.len()));
    Value::Object(fields).to_string()
}

/// The beginning of a text that is longer.
fn cut(text: &str, most: usize) -> Option<String> {
    let end = text.floor_char_boundary(most);
    let more = text.len() - end;
    (more > 0).then(|| format!("{}[{more} bytes more]", &text[..end]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(line: &str, style: Style) -> String {
        String::from_utf8(safe(line.as_bytes(), style).into_owned()).unwrap()
    }

    #[test]
    fn a_usual_line_is_not_copied() {
        let line = b"{\"path\":\"/api/health?x=~!@\"}\n";
        assert!(matches!(safe(line, Style::Json), Cow::Borrowed(same) if same == line));
    }

    #[test]
    fn letters_of_any_language_stay() {
        let line = "{\"name\":\"\u{e9}\u{4e2d}\u{645}\u{1f600}\"}\n";
        assert_eq!(told(line, Style::Json), line);
        assert_eq!(told(line, Style::Plain), line);
    }

    #[test]
    fn words_cannot_forge_a_second_line() {
        let line = "INFO x error=a\nINFO all is well\r\u{2028}\u{85}\n";
        let wanted = "INFO x error=a\\nINFO all is well\\r\\u{2028}\\u{85}\n";
        assert_eq!(told(line, Style::Plain), wanted);
    }

    #[test]
    fn colours_are_for_terminals_alone_and_are_only_colours() {
        let line = "\u{1b}[2mnow\u{1b}[0m \u{1b}[1;31mx\u{1b}[0m\n";
        assert_eq!(told(line, Style::Colours), line);
        assert!(!told(line, Style::Plain).contains('\u{1b}'));
        for other in ["\u{1b}[2J", "\u{1b}[8m", "\u{1b}]0;title\u{7}", "\u{1b}[", "\u{1b}[m"] {
            assert!(!told(other, Style::Colours).contains('\u{1b}'), "{other:?}");
        }
    }

    #[test]
    fn a_long_line_of_words_is_cut_between_characters() {
        let line = format!("INFO {}\n", "\u{e9}".repeat(LONGEST));
        let short = told(&line, Style::Plain);
        assert!(short.len() < LONGEST + 64 && short.ends_with(" bytes more]\n"), "{}", short.len());
    }

    #[test]
    fn of_a_long_line_of_json_each_field_has_its_beginning() {
        let cause = "x".repeat(1 << 20);
        let line = json!({"level": "WARN", "cause": cause, "status": 500, "nested": {"a": cause}});
        let short: Value = serde_json::from_str(&told(&line.to_string(), Style::Json)).unwrap();
        assert_eq!((&short["level"], &short["status"]), (&json!("WARN"), &json!(500)));
        for name in ["cause", "nested"] {
            let text = short[name].as_str().unwrap();
            assert!(text.len() < FIELD + 32 && text.ends_with(" bytes more]"), "{text}");
        }
    }

    #[test]
    fn of_too_many_long_fields_the_line_has_none() {
        let fields = (0..100).map(|i| (format!("f{i}"), json!("x".repeat(FIELD))));
        let mut fields: Map<_, _> = fields.collect();
        fields.insert("target".to_owned(), json!("gabion"));
        let line = Value::Object(fields).to_string();
        let short: Value = serde_json::from_str(&told(&line, Style::Json)).unwrap();
        assert_eq!(short, json!({"target": "gabion", "left_out_bytes": line.len()}));
    }

    #[test]
    fn what_is_no_json_is_told_as_json_all_the_same() {
        let deep = "[".repeat(LONGEST + 1);
        let short: Value = serde_json::from_str(&told(&deep, Style::Json)).unwrap();
        assert_eq!(short["left_out_bytes"], LONGEST + 1);
    }

    /// Text in which what is dangerous is not rare.
    fn hostile() -> impl Strategy<Value = String> {
        let any_char = prop_oneof![
            any::<char>(),
            prop::char::range('\u{0}', '\u{a0}'),
            prop::char::range('\u{2000}', '\u{2070}'),
            prop::sample::select(vec!['\u{feff}', '\u{61c}', '"', '\\', '\u{e0041}', '\u{d7ff}']),
        ];
        prop::collection::vec(any_char, 0..80).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_one_line_of_json(name in hostile(), value in hostile()) {
            let event = json!({"level": "INFO", "message": &value, &*name: {"a": [&value]}});
            let line = told(&format!("{event}\n"), Style::Json);
            prop_assert!(line.ends_with('\n') && line.matches('\n').count() == 1);
            prop_assert!(!line[..line.len() - 1].chars().any(is_dangerous), "{line:?}");
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), event);
        }

        #[test]
        fn any_text_is_one_line_of_words(text in hostile()) {
            for style in [Style::Plain, Style::Colours] {
                let line = told(&text, style);
                let visible = line.strip_suffix('\n').unwrap_or(&line);
                let colours = |c: char| c == '\u{1b}' && style == Style::Colours;
                prop_assert!(!visible.chars().any(|c| is_dangerous(c) && !colours(c)), "{line:?}");
            }
        }

        #[test]
        fn any_bytes_are_text(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for style in [Style::Json, Style::Plain] {
                prop_assert!(std::str::from_utf8(&safe(&bytes, style)).is_ok());
            }
        }
    }
}
