use std::borrow::Cow;

/// One fault in a body, a query or a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where: a JSON pointer (RFC 6901), empty for the whole.
    pub pointer: String,
    /// Which fault, stable: `missing`, `unknown`, `type`, `range`, `length`, …
    pub code: &'static str,
    /// The same in words, with what would be accepted.
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// The fault `code` at `pointer`.
    pub fn new(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}
