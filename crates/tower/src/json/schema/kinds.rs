use serde_json::Value;

use super::super::number::is_whole;

/// A set of types of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

const NAMES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

impl Kinds {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const BOOLEAN: Self = Self(1 << 1);
    pub(crate) const INTEGER: Self = Self(1 << 2);
    pub(crate) const NUMBER: Self = Self(1 << 3);
    pub(crate) const STRING: Self = Self(1 << 4);
    pub(crate) const ARRAY: Self = Self(1 << 5);
    pub(crate) const OBJECT: Self = Self(1 << 6);
    pub(crate) const ALL: Self = Self(0x7f);

    pub(super) fn named(name: &str) -> Option<Self> {
        NAMES.iter().position(|own| *own == name).map(|at| Self(1 << at))
    }

    /// Those of either.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether one of `other` is among them.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn hold(self, value: &Value) -> bool {
        match value {
            Value::Number(number) => {
                self.has(Self::NUMBER) || self.has(Self::INTEGER) && is_whole(number)
            }
            value => Self::named(name_of(value)).is_some_and(|kind| self.has(kind)),
        }
    }

    /// The names, as `string or null`.
    pub(crate) fn words(self) -> String {
        // Null last: it is what is left out.
        let order = NAMES.iter().enumerate().skip(1).chain([(0, &NAMES[0])]);
        let own = order.filter(|(at, _)| self.0 & 1 << at != 0).map(|(_, name)| *name);
        own.collect::<Vec<_>>().join(" or ")
    }
}

pub(super) fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
