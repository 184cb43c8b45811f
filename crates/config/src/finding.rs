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
    /// `gabion.toml:3:9: limits.size.body = "x": is not a size, accepts …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        match (&self.value, self.key.is_empty()) {
            (_, true) => {}
            (Some(value), _) => write!(f, "{} = {value}: ", self.key)?,
            (None, _) => write!(f, "{}: ", self.key)?,
        }
        f.write_str(&self.message)
    }
}
