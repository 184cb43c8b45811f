use std::borrow::Cow;

use gabion_errors::{FieldError, Problem, Rejection, types};

use super::place::Place;

/// The most faults that are told of one body.
pub(crate) const MAX_FAULTS: usize = 64;

/// Why bytes are no body that means one thing. Nothing of it repeats what the client sent: it may be a
/// secret that stands where it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    ByteOrderMark,
    /// Two or four bytes for each character.
    Wide,
    /// The offset of the first byte that is not of UTF-8.
    Encoding(usize),
    Empty,
    Trailing(Spot),
    /// What was expected, and where.
    Syntax(&'static str, Spot),
    /// The levels that are allowed.
    Depth(usize),
    Number,
    /// It would become a whole number.
    Fraction,
    Surrogate,
    Duplicate,
}

/// A place in a text, as editors count: both from one, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    line: usize,
    column: usize,
}

impl Spot {
    /// Of the byte at `at`, which begins a character of `text` or ends it.
    pub(super) fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        let last = before.rsplit('\n').next().unwrap_or_default();
        Self { line, column: 1 + last.chars().count() }
    }
}

impl Fault {
    fn code(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "byte-order-mark",
            Self::Wide | Self::Encoding(_) => "encoding",
            Self::Empty => "empty",
            Self::Trailing(_) => "trailing",
            Self::Syntax(..) => "syntax",
            Self::Depth(_) => "depth",
            Self::Number | Self::Fraction => "number",
            Self::Surrogate => "surrogate",
            Self::Duplicate => "duplicate",
        }
    }

    /// What it does, as the rest of a sentence.
    fn detail(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::ByteOrderMark => "begins with a byte order mark; send UTF-8 without one",
            Self::Wide => "looks like UTF-16 or UTF-32; send UTF-8",
            Self::Empty => "is empty where JSON is expected",
            Self::Number => "is a number out of range",
            Self::Fraction => "has a fraction that is lost in a number as large",
            Self::Surrogate => "has one half of a surrogate pair without the other",
            Self::Duplicate => "stands more than once in its object",
            Self::Encoding(at) => {
                return format!("is not UTF-8 at byte {at}, counted from 0").into();
            }
            Self::Trailing(Spot { line, column }) => {
                return format!("goes on behind its value, at line {line}, column {column}").into();
            }
            Self::Syntax(expected, Spot { line, column }) => {
                let detail = format!("is not JSON at line {line}, column {column}");
                return format!("{detail}: expected {expected}").into();
            }
            Self::Depth(levels) => return format!("is nested deeper than {levels} levels").into(),
        })
    }

    pub(super) fn at(self, place: &Place<'_>) -> FieldError {
        FieldError::new(place.pointer(), self.code(), self.detail())
    }
}

/// The refusal of a body with `faults`: 400, since nobody can say what it means.
pub(super) fn refuse(faults: Vec<FieldError>) -> Rejection {
    let detail = match faults.as_slice() {
        [fault] if fault.pointer.is_empty() => format!("the body {}", fault.detail),
        [fault] => format!("the body has a value that {}", fault.detail),
        faults if faults.len() >= MAX_FAULTS => {
            format!("the body has at least {MAX_FAULTS} faults")
        }
        faults => format!("the body has {} faults", faults.len()),
    };
    Problem::new(&types::INVALID_REQUEST).detail(detail).errors(faults).into()
}
