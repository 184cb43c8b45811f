use crate::{Bounds, Form, Value};

/// Whether a change of a key holds at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "load", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum Change {
    /// A reload applies it.
    Live,
    /// It needs a restart, and the answer to a reload says so.
    Restart,
}

/// A key as its declaration tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Dotted path, as `limits.size.body`.
    pub path: String,
    /// The default; `***` for a secret that has one.
    pub default: Value,
    /// What is accepted, in words and with the range.
    pub accepts: String,
    /// What its values look like.
    pub form: Form,
    /// The range, where there is one that a schema can tell.
    pub bounds: Option<Bounds>,
    /// Whether a change holds at once.
    pub change: Change,
    /// Whether the value must not be shown.
    pub secret: bool,
    /// The declaration's documentation, one line per element.
    pub doc: &'static [&'static str],
}
