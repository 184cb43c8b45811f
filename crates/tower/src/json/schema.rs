mod check;
mod compile;
mod faults;
mod kinds;

use std::collections::BTreeMap;

use gabion_errors::FieldError;
use regex_lite::Regex;
use serde_json::{Number, Value};

use self::faults::Faults;
pub(crate) use self::{check::unknown, kinds::Kinds};
use super::place::Place;

/// A JSON Schema, made ready to check values by it.
///
/// Understood is the part of JSON Schema 2020-12 that describes requests: `type`, `enum`, `const`,
/// `properties`, `required`, `additionalProperties`, `items`, `minItems`, `maxItems`, `uniqueItems`,
/// `minLength`, `maxLength`, `pattern`, `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`,
/// `anyOf`, `oneOf`, and the formats of OpenAPI that bound an integer (`int32`, `int64` and their like;
/// generators write `int64` for `u64` as well, so that one with a `minimum` of 0 or more lets all of `u64`
/// pass). An integer without such a format is one that `i64` or `u64` holds. A `pattern` is searched for in
/// linear time; it has the syntax that ECMA 262 and [`regex_lite`] share, where `\d` and `\w` are of ASCII.
/// What only describes (`title`, `description`, `default`, `example`, `x-…`) is ignored, but `x-hint`:
/// it says to people what a `pattern` wants.
///
/// ```
/// use gabion_tower::json::{Schema, validate};
/// use serde_json::json;
///
/// let schema = Schema::compile(&json!({
///     "type": "object",
///     "required": ["name"],
///     "additionalProperties": false,
///     "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
/// }))?;
/// let faults = validate(&schema, &json!({"nme": "Zoë", "age": -1}));
/// let told: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), &*fault.detail)).collect();
/// assert_eq!(told, [
///     ("/name", "is required"),
///     ("/age", "must be at least 0"),
///     ("/nme", "is not known, did you mean name?"),
/// ]);
/// # Ok::<_, gabion_tower::json::SchemaError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Schema(Node);

/// A schema that cannot be checked by, found when it is compiled and not by a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the keyword {keyword:?} at {place:?} {reason}")]
pub struct SchemaError {
    /// The JSON pointer to the schema within the whole.
    pub place: String,
    /// The keyword that makes it so; empty where it is the schema itself.
    pub keyword: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Schema {
    /// Makes a schema ready.
    ///
    /// # Errors
    ///
    /// For a keyword that is not understood, or whose value is of no use: what it says would not be held.
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        compile::node(schema, &Place::WHOLE).map(Self)
    }

    /// Every fault of `value`; in a value without any, numbers such as `1.0` become the integers that the
    /// schema asks for.
    #[must_use]
    pub fn fit(&self, value: &mut Value) -> Vec<FieldError> {
        let faults = validate(self, value);
        if faults.is_empty() {
            self.0.settle(value);
        }
        faults
    }

    /// As [`fit`](Self::fit), of a value at `place`.
    pub(crate) fn fit_at(
        &self,
        value: &mut Value,
        place: &Place<'_>,
        faults: &mut Vec<FieldError>,
    ) {
        let before = faults.len();
        let mut all = Faults::after(std::mem::take(faults));
        self.0.check(value, place, &mut all);
        *faults = all.told();
        if faults.len() == before {
            self.0.settle(value);
        }
    }

    /// What a value may be.
    pub(crate) fn kinds(&self) -> Kinds {
        self.0.possible()
    }
}

/// Every fault that `value` has by `schema`, with its pointer; at most 64.
#[must_use]
pub fn validate(schema: &Schema, value: &Value) -> Vec<FieldError> {
    let mut faults = Faults::after(Vec::new());
    schema.0.check(value, &Place::WHOLE, &mut faults);
    faults.told()
}

/// One schema: all of it has to hold.
#[derive(Debug, Clone, Default)]
struct Node {
    /// The schema `false`: nothing fits.
    never: bool,
    /// `None`: any.
    kinds: Option<Kinds>,
    /// Of `enum`.
    allowed: Option<Vec<Value>>,
    /// Of `const`.
    constant: Option<Value>,
    length: Count,
    pattern: Option<Pattern>,
    range: Range,
    /// Of an integer: those that its format and its range have in common.
    held: Option<(i128, i128)>,
    count: Count,
    unique: bool,
    items: Option<Box<Node>>,
    members: Option<Box<Members>>,
    any_of: Vec<Node>,
    one_of: Vec<Node>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    least: u64,
    most: Option<u64>,
}

#[derive(Debug, Clone)]
struct Pattern {
    regex: Regex,
    /// What people are told that it wants.
    hint: String,
}

#[derive(Debug, Clone, Default)]
struct Range {
    least: Option<Number>,
    above: Option<Number>,
    most: Option<Number>,
    below: Option<Number>,
}

#[derive(Debug, Clone, Default)]
struct Members {
    properties: BTreeMap<String, Node>,
    required: Vec<String>,
    /// Of members that are not declared; `None`: any.
    others: Option<Node>,
}

#[cfg(test)]
mod tests;
