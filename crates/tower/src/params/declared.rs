use std::{borrow::Cow, collections::BTreeSet};

use gabion_errors::{FieldError, Problem, Rejection, types};
use serde_json::{Number, Value};

use super::{Params, decode::decode_form};
use crate::{
    RouteContract,
    json::{Kinds, MAX_FAULTS, Place, Schema, SchemaError, read_number, unknown},
};

/// The parameters of a route, made ready to read requests by them.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    parameters: Vec<Declaration>,
    /// Whether names that are not declared pass.
    open: bool,
}

#[derive(Debug, Clone)]
struct Declaration {
    name: &'static str,
    part: Part,
    required: bool,
    kinds: Kinds,
    schema: Schema,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Query,
    Path,
}

impl Part {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Path => "path",
        }
    }
}

/// A parameter whose schema cannot be checked by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema of the parameter {name} cannot be held")]
pub struct ParameterError {
    /// The parameter.
    pub name: &'static str,
    /// Why.
    #[source]
    pub source: SchemaError,
}

impl Declared {
    /// Makes the parameters of `contract` ready. Names that it does not declare are refused, but by a
    /// route that answers HTML or plain text: links to pages carry what people and mail programs put there, and who
    /// probes or scrapes has habits of its own.
    ///
    /// # Errors
    ///
    /// When a schema has a keyword that is not understood, or asks for a list or an object.
    pub fn compile(contract: &RouteContract) -> Result<Self, ParameterError> {
        let declare = |own: &crate::Parameter| {
            let schema = Schema::compile(&(own.schema)()).and_then(|schema| {
                let kinds = schema.kinds();
                let whole = kinds.has(Kinds::ARRAY.or(Kinds::OBJECT)) && kinds != Kinds::ALL;
                let keyword = "type".to_owned();
                let reason = "is none that a parameter has";
                let place = String::new();
                if whole {
                    Err(SchemaError { place, keyword, reason })
                } else {
                    Ok((kinds, schema))
                }
            });
            let (kinds, schema) =
                schema.map_err(|source| ParameterError { name: own.name, source })?;
            let in_path = contract.has_in_path(own.name);
            let part = if in_path { Part::Path } else { Part::Query };
            let required = in_path || own.required;
            Ok(Declaration { name: own.name, part, required, kinds, schema })
        };
        let parameters = contract.parameters.iter().map(declare).collect::<Result<_, _>>()?;
        let media = contract.answer.media;
        let open = media.starts_with("text/html") || media.starts_with("text/plain");
        Ok(Self { parameters, open })
    }

    /// Whether nothing is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// Reads a `query` as it is written and the decoded parameters of a `path`.
    ///
    /// # Errors
    ///
    /// 400 with every fault, at most 64.
    pub fn read(&self, query: &str, path: &[(&'static str, String)]) -> Result<Params, Rejection> {
        let values = Vec::with_capacity(self.parameters.len());
        let mut found =
            Found { values, faults: Vec::new(), refused: BTreeSet::new(), unreadable: false };
        for own in self.parameters.iter().filter(|own| own.part == Part::Path) {
            if let Some((_, text)) = path.iter().find(|(name, _)| *name == own.name) {
                found.take(own, Cow::Borrowed(text));
            }
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if found.faults.len() >= MAX_FAULTS {
                break;
            }
            self.read_pair(pair, &mut found);
        }
        for own in self.parameters.iter().filter(|own| own.required && own.part == Part::Query) {
            if !found.has(own.name) {
                found.tell(own.part, own.name, "missing", || "is required");
            }
        }
        found.end()
    }

    fn read_pair<'q>(&self, pair: &'q str, found: &mut Found<'q>) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name) = decode_form(name) else {
            return found.tell_unreadable();
        };
        let mut declared = self.parameters.iter().filter(|own| own.part == Part::Query);
        let Some(own) = declared.find(|own| own.name == name) else {
            if !self.open && found.refused.insert(name.clone()) {
                let known = || {
                    let query = self.parameters.iter().filter(|own| own.part == Part::Query);
                    query.map(|own| own.name)
                };
                found.tell(Part::Query, &name, "unknown", || unknown(&name, known));
            }
            return;
        };
        if found.has(own.name) {
            if found.refused.insert(name) {
                found.tell(own.part, own.name, "duplicate", || "stands more than once");
            }
            return;
        }
        match decode_form(text) {
            Some(text) => found.take(own, text),
            None => {
                found.values.push((own.name, Value::Null));
                found.tell(own.part, own.name, "encoding", || "is not percent-encoded UTF-8");
            }
        }
    }
}

/// What was read so far.
struct Found<'q> {
    /// Of each parameter that was there, also where it is faulty.
    values: Vec<(&'static str, Value)>,
    faults: Vec<FieldError>,
    /// Names that are not known or stood there before, and were told to be so; no more than faults.
    refused: BTreeSet<Cow<'q, str>>,
    /// Whether there was a name that nobody can read; told once, since nothing tells it from the next.
    unreadable: bool,
}

impl Found<'_> {
    fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(own, _)| *own == name)
    }

    fn take(&mut self, own: &Declaration, text: Cow<'_, str>) {
        let mut value = convert(text, own.kinds);
        if value.is_string() && own.kinds.has(Kinds::STRING) && own.part == Part::Path {
            // One that does not fit is the name of nothing, and for that the route has its own answer.
            return self.values.push((own.name, value));
        }
        if value.is_string() && !own.kinds.has(Kinds::STRING) {
            self.tell(own.part, own.name, "type", || format!("must be {}", words(own.kinds)));
        } else {
            let part = Place::WHOLE.name(own.part.as_str());
            own.schema.fit_at(&mut value, &part.name(own.name), &mut self.faults);
        }
        self.values.push((own.name, value));
    }

    fn tell<D: Into<Cow<'static, str>>>(
        &mut self,
        part: Part,
        name: &str,
        code: &'static str,
        detail: impl FnOnce() -> D,
    ) {
        if self.faults.len() < MAX_FAULTS {
            let pointer = Place::WHOLE.name(part.as_str()).name(name).pointer();
            self.faults.push(FieldError::new(pointer, code, detail()));
        }
    }

    fn tell_unreadable(&mut self) {
        if self.faults.len() < MAX_FAULTS && !std::mem::replace(&mut self.unreadable, true) {
            let detail = "has a name that is not percent-encoded UTF-8";
            self.faults.push(FieldError::new("/query", "encoding", detail));
        }
    }

    fn end(self) -> Result<Params, Rejection> {
        let detail = match self.faults.len() {
            0 => return Ok(Params(self.values)),
            1 => Cow::Borrowed("a parameter has a fault"),
            MAX_FAULTS.. => format!("the parameters have at least {MAX_FAULTS} faults").into(),
            count => format!("the parameters have {count} faults").into(),
        };
        Err(Problem::new(&types::INVALID_REQUEST).detail(detail).errors(self.faults).into())
    }
}

/// The value that a text stands for where `kinds` are accepted; itself where it stands for none.
fn convert(text: Cow<'_, str>, kinds: Kinds) -> Value {
    if kinds != Kinds::ALL {
        if kinds.has(Kinds::INTEGER.or(Kinds::NUMBER))
            && let Some(number) = number(&text)
        {
            return Value::Number(number);
        }
        match &*text {
            "true" if kinds.has(Kinds::BOOLEAN) => return Value::Bool(true),
            "false" if kinds.has(Kinds::BOOLEAN) => return Value::Bool(false),
            _ => {}
        }
    }
    Value::String(text.into_owned())
}

/// A number as JSON writes it, without spaces around it.
fn number(text: &str) -> Option<Number> {
    let bare = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-');
    let bytes = text.as_bytes();
    if !bare(bytes.first()) || !bare(bytes.last()) {
        return None;
    }
    read_number(text)
}

fn words(kinds: Kinds) -> String {
    let kinds = kinds.and(Kinds::BOOLEAN.or(Kinds::INTEGER).or(Kinds::NUMBER));
    if kinds.has(Kinds::NUMBER) {
        // Integers are numbers.
        return kinds.and(Kinds::BOOLEAN.or(Kinds::NUMBER)).words();
    }
    kinds.words().replace("boolean", "true or false")
}
