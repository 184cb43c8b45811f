//! From JSON to what is checked; nothing that a schema says is passed over in silence.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Map, Number, Value};

use super::{Members, Node, Pattern, SchemaError, check::list, kinds::Kinds};
use crate::json::place::Place;

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
    node.held = match (node.kinds, keywords.get("format").and_then(Value::as_str)) {
        (Some(kinds), Some(format)) if kinds.has(Kinds::INTEGER) && !kinds.has(Kinds::NUMBER) => {
            held(format)
        }
        _ => None,
    };
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
    let whole = value.as_number().and_then(crate::json::number::whole);
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

/// The integers that a format of OpenAPI holds; other formats only describe.
fn held(format: &str) -> Option<(i128, i128)> {
    Some(match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int64" => (i64::MIN.into(), u64::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint64" => (0, u64::MAX.into()),
        _ => return None,
    })
}

fn fault(place: &Place<'_>, keyword: &str, reason: &'static str) -> SchemaError {
    SchemaError { place: place.pointer(), keyword: keyword.to_owned(), reason }
}
