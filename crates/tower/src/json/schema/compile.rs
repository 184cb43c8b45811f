//! From JSON to what is checked; nothing that a schema says is passed over in silence.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Map, Number, Value};

use super::{Members, Node, Pattern, Range, SchemaError, check::list, kinds::Kinds};
use crate::json::{number::whole, place::Place};

/// Keywords that only describe.
const DESCRIBING: [&str; 14] = [
    "$comment",
    "contentEncoding",
    "contentMediaType",
    "default",
    "deprecated",
    "description",
    "discriminator",
    "example",
    "examples",
    "externalDocs",
    "format",
    "readOnly",
    "title",
    "writeOnly",
];

pub(super) fn node(schema: &Value, place: &Place<'_>) -> Result<Node, SchemaError> {
    let keywords = match schema {
        Value::Bool(fits) => return Ok(Node { never: !fits, ..Node::default() }),
        Value::Object(keywords) => keywords,
        _ => return Err(fault(place, "", "is neither an object nor a boolean")),
    };
    let mut node = Node::default();
    for (keyword, value) in keywords {
        take(&mut node, keyword, value, place)
            .map_err(|refused| refused.unwrap_or_else(|reason| fault(place, keyword, reason)))?;
    }
    if let Some(pattern) = &mut node.pattern
        && let Some(Value::String(hint)) = keywords.get("x-hint")
    {
        pattern.hint = list([hint.as_str()].into_iter());
    }
    node.members = members(keywords, place)?.map(Box::new);
    let integer = |kinds: &Kinds| kinds.has(Kinds::INTEGER) && !kinds.has(Kinds::NUMBER);
    node.held = node.kinds.filter(integer).map(|_| {
        let range = bounds(&node.range);
        let format = keywords.get("format").and_then(Value::as_str).unwrap_or_default();
        let held = held(format, range.0);
        let both = (held.0.max(range.0), held.1.min(range.1));
        // Where nothing is left, the range refuses what the format does not.
        if both.0 <= both.1 { both } else { held }
    });
    Ok(node)
}

/// Why a keyword is refused: an error of a schema within, or the reason for its own.
type Refused = Result<SchemaError, &'static str>;

fn take(node: &mut Node, keyword: &str, value: &Value, place: &Place<'_>) -> Result<(), Refused> {
    match keyword {
        "type" => node.kinds = Some(kinds(value).ok_or(Err("is no type or list of types"))?),
        "enum" => {
            let allowed = value.as_array().filter(|allowed| !allowed.is_empty());
            node.allowed = Some(allowed.ok_or(Err("is no list of values"))?.clone());
        }
        "const" => node.constant = Some(value.clone()),
        "minLength" => node.length.least = count(value)?,
        "maxLength" => node.length.most = Some(count(value)?),
        "minItems" => node.count.least = count(value)?,
        "maxItems" => node.count.most = Some(count(value)?),
        "minimum" => node.range.least = Some(number(value)?),
        "maximum" => node.range.most = Some(number(value)?),
        "exclusiveMinimum" => node.range.above = Some(number(value)?),
        "exclusiveMaximum" => node.range.below = Some(number(value)?),
        "uniqueItems" => node.unique = value.as_bool().ok_or(Err("is neither true nor false"))?,
        "pattern" => node.pattern = Some(pattern(value).ok_or(Err("is no pattern"))?),
        "items" => {
            node.items = Some(Box::new(self::node(value, &place.name(keyword)).map_err(Ok)?));
        }
        "anyOf" => node.any_of = branches(value, &place.name(keyword))?,
        "oneOf" => node.one_of = branches(value, &place.name(keyword))?,
        // They are read together.
        "properties" | "required" | "additionalProperties" => {}
        keyword if keyword.starts_with("x-") || DESCRIBING.contains(&keyword) => {}
        _ => return Err(Err("is not understood, so that it would not be held")),
    }
    Ok(())
}

fn members(
    keywords: &Map<String, Value>,
    place: &Place<'_>,
) -> Result<Option<Members>, SchemaError> {
    let mut members = Members::default();
    if let Some(properties) = keywords.get("properties") {
        let declared = properties.as_object();
        let declared = declared.ok_or_else(|| fault(place, "properties", "is no object"))?;
        let within = place.name("properties");
        let nodes = declared.iter().map(|(name, schema)| {
            node(schema, &within.name(name)).map(|node| (name.clone(), node))
        });
        members.properties = nodes.collect::<Result<BTreeMap<_, _>, _>>()?;
    }
    if let Some(required) = keywords.get("required") {
        let names = required.as_array().into_iter().flatten().map(Value::as_str);
        let names: Option<Vec<String>> = names.map(|name| name.map(str::to_owned)).collect();
        let names = names.filter(|_| required.is_array());
        members.required = names.ok_or_else(|| fault(place, "required", "is no list of names"))?;
    }
    if let Some(others) = keywords.get("additionalProperties") {
        members.others = Some(node(others, &place.name("additionalProperties"))?);
    }
    let asks = ["properties", "required", "additionalProperties"];
    Ok(asks.iter().any(|keyword| keywords.contains_key(*keyword)).then_some(members))
}

fn branches(value: &Value, place: &Place<'_>) -> Result<Vec<Node>, Refused> {
    let schemas = value.as_array().filter(|schemas| !schemas.is_empty());
    let schemas = schemas.ok_or(Err("is no list of schemas"))?.iter().enumerate();
    schemas.map(|(i, schema)| node(schema, &place.item(i)).map_err(Ok)).collect()
}

fn kinds(value: &Value) -> Option<Kinds> {
    match value {
        Value::String(name) => Kinds::named(name),
        Value::Array(names) if !names.is_empty() => {
            let mut named = names.iter().map(|name| Kinds::named(name.as_str()?));
            named.try_fold(Kinds::NONE, |all, kind| Some(all.or(kind?)))
        }
        _ => None,
    }
}

fn count(value: &Value) -> Result<u64, Refused> {
    let whole = value.as_number().and_then(whole);
    whole.and_then(|count| count.try_into().ok()).ok_or(Err("is no count"))
}

fn number(value: &Value) -> Result<Number, Refused> {
    value.as_number().cloned().ok_or(Err("is no number"))
}

fn pattern(value: &Value) -> Option<Pattern> {
    let text = value.as_str()?;
    let hint = list([format!("a text that matches {text}").as_str()].into_iter());
    Some(Pattern { regex: Regex::new(text).ok()?, hint })
}

/// The first and the last integer of a range.
fn bounds(range: &Range) -> (i128, i128) {
    let bound = |number: &Option<Number>, round: fn(f64) -> f64| {
        let number = number.as_ref()?;
        // One that is too large for it is told by the range itself.
        whole(number).or_else(|| Some(round(number.as_f64()?) as i128))
    };
    let least = bound(&range.least, f64::ceil).unwrap_or(i128::MIN);
    let above = bound(&range.above, f64::floor).map_or(i128::MIN, |above| above.saturating_add(1));
    let most = bound(&range.most, f64::floor).unwrap_or(i128::MAX);
    let below = bound(&range.below, f64::ceil).map_or(i128::MAX, |below| below.saturating_sub(1));
    (least.max(above), most.min(below))
}

/// The integers that a format of OpenAPI holds, where the range begins with `least`; of other formats,
/// which only describe, those that a type of Rust holds.
fn held(format: &str, least: i128) -> (i128, i128) {
    match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int64" if least < 0 => (i64::MIN.into(), i64::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint64" => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), u64::MAX.into()),
    }
}

fn fault(place: &Place<'_>, keyword: &str, reason: &'static str) -> SchemaError {
    SchemaError { place: place.pointer(), keyword: keyword.to_owned(), reason }
}
