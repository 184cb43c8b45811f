use std::fmt;

use crate::Origin;

/// One mistake in a configuration, complete enough to be corrected without the manual.
///
/// With the feature `load` it serializes with the parts of its origin apart, for editors and scripts:
/// `{"key": "log.levl", "origin": {"kind": "file", "file": "gabion.toml", "line": 3, "column": 8},
/// "message": "is not a known key, did you mean log.level?", "nearest": "log.level"}`. Of an
/// environment variable the origin has `variable`, of a flag `flag`; a file that is meant as a whole
/// has no line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "load", derive(serde::Serialize))]
pub struct Finding {
    /// The key, dotted; empty where the mistake has none, as bad syntax.
    pub key: String,
    /// The value as it was given, `***` for secrets; `None` where there is none.
    #[cfg_attr(feature = "load", serde(skip_serializing_if = "Option::is_none"))]
    pub value: Option<String>,
    /// Where it was given.
    #[cfg_attr(feature = "load", serde(serialize_with = "Origin::serialize_parts"))]
    pub origin: Origin,
    /// What is wrong, and what would be accepted.
    pub message: String,
    /// The known key that was probably meant by one that is not known.
    #[cfg_attr(feature = "load", serde(skip_serializing_if = "Option::is_none"))]
    pub nearest: Option<Box<str>>,
}

impl Finding {
    /// A mistake at `origin`, of no value that could be shown.
    pub fn new(key: impl Into<String>, origin: Origin, message: impl Into<String>) -> Self {
        let (key, message) = (key.into(), message.into());
        Self { key, value: None, origin, message, nearest: None }
    }

    /// The same, showing `value`.
    #[must_use]
    pub fn of(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }
}

impl fmt::Display for Finding {
    /// `gabion.toml:3:9: limits.size.body = "x": is not a size, accepts …`; of key and value at most 200
    /// characters each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        match (&self.value, self.key.is_empty()) {
            (_, true) => {}
            (Some(value), _) => write!(f, "{} = {}: ", Shown(&self.key), Shown(value))?,
            (None, _) => write!(f, "{}: ", Shown(&self.key))?,
        }
        f.write_str(&self.message)
    }
}

/// The beginning of what may be as long as a file.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN) {
            None => f.write_str(self.0),
            Some((end, _)) => {
                write!(f, "{}[{} bytes more]", &self.0[..end], self.0.len() - end)
            }
        }
    }
}

/// Characters of a key and of a value.
const SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_shown_by_its_beginning() {
        let told = |value: String| Finding::new("a", Origin::Default, "x").of(value).to_string();
        let shown = "\u{e9}".repeat(200);
        assert_eq!(told(shown.clone()), format!("default: a = {shown}: x"));
        assert_eq!(
            told(shown.repeat(5000)),
            format!("default: a = {shown}[1999600 bytes more]: x")
        );
        let key = "k".repeat(900);
        let told = Finding::new(key, Origin::Default, "x").to_string();
        assert!(told.len() < 250 && told.ends_with("[700 bytes more]: x"), "{told}");
    }
}
