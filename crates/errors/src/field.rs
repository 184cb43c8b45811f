use std::borrow::Cow;

/// One fault in a body, a query or a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where: a JSON pointer (RFC 6901), empty for the whole; of parameters `/query/NAME` or `/path/NAME`.
    pub pointer: String,
    /// Which fault, one stable word. Of what cannot be read: `byte-order-mark`, `encoding`, `empty`, `trailing`,
    /// `syntax`, `depth`, `number`, `surrogate`, `duplicate`. Of what does not fit: `missing`, `unknown`, `type`,
    /// `choice`, `length`, `range`, `format`. Rules of a service have words of their own.
    pub code: &'static str,
    /// The same in words, with what would be accepted; never a value that the client sent.
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
