use gabion_errors::FieldError;
use serde_json::{Map, Value};

/// The most faults that are told of one body.
const MAX_FAULTS: usize = 64;

/// Every fault that `value` has by `schema`, with its pointer.
///
/// Understood is the part of JSON Schema 2020-12 that describes request bodies: `type`, `properties`,
/// `required`, `additionalProperties: false`, `items`, `enum`, the bounds of lengths and numbers. What
/// else a schema says is for its readers.
#[must_use]
pub fn validate(schema: &Value, value: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    check(schema, value, &mut String::new(), &mut faults);
    faults.truncate(MAX_FAULTS);
    faults
}

fn check(schema: &Value, value: &Value, pointer: &mut String, faults: &mut Vec<FieldError>) {
    if faults.len() >= MAX_FAULTS {
        return;
    }
    let types = types(schema);
    if !types.is_empty() && !types.iter().any(|name| is_of(name, value)) {
        let detail = format!("must be {}, is {}", types.join(" or "), name_of(value));
        faults.push(FieldError::new(pointer.as_str(), "type", detail));
        return;
    }
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.contains(value)
    {
        let list: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let detail = format!("must be one of {}", list.join(", "));
        faults.push(FieldError::new(pointer.as_str(), "choice", detail));
    }
    match value {
        Value::Object(members) => check_object(schema, members, pointer, faults),
        Value::Array(items) => check_array(schema, items, pointer, faults),
        Value::String(text) => {
            let length = text.chars().count() as u64;
            let (least, most) = (bound(schema, "minLength"), bound(schema, "maxLength"));
            check_count(length, least, most, "characters", pointer, faults);
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let limit = |name| schema.get(name).and_then(Value::as_f64);
            let (least, most) = (limit("minimum"), limit("maximum"));
            if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                let detail = match (least, most) {
                    (Some(least), Some(most)) => format!("must be {least} to {most}"),
                    (Some(least), None) => format!("must be at least {least}"),
                    (_, most) => format!("must be at most {}", most.unwrap_or_default()),
                };
                faults.push(FieldError::new(pointer.as_str(), "range", detail));
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn check_object(
    schema: &Value,
    members: &Map<String, Value>,
    pointer: &mut String,
    faults: &mut Vec<FieldError>,
) {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    for name in required.filter_map(Value::as_str).filter(|name| !members.contains_key(*name)) {
        at(pointer, name, |pointer| {
            faults.push(FieldError::new(pointer.as_str(), "missing", "is required"));
        });
    }
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    for (name, member) in members {
        at(pointer, name, |pointer| match properties.get(name) {
            Some(schema) => check(schema, member, pointer, faults),
            None if closed => {
                let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                let detail = format!("is not known; known are {}", known.join(", "));
                faults.push(FieldError::new(pointer.as_str(), "unknown", detail));
            }
            None => {}
        });
    }
}

fn check_array(
    schema: &Value,
    items: &[Value],
    pointer: &mut String,
    faults: &mut Vec<FieldError>,
) {
    let (least, most) = (bound(schema, "minItems"), bound(schema, "maxItems"));
    check_count(items.len() as u64, least, most, "items", pointer, faults);
    if let Some(each) = schema.get("items") {
        for (i, item) in items.iter().enumerate() {
            at(pointer, &i.to_string(), |pointer| check(each, item, pointer, faults));
        }
    }
}

fn check_count(
    count: u64,
    least: Option<u64>,
    most: Option<u64>,
    unit: &str,
    pointer: &str,
    faults: &mut Vec<FieldError>,
) {
    let detail = match (least, most) {
        (Some(least), _) if count < least => format!("must have at least {least} {unit}"),
        (_, Some(most)) if count > most => format!("must have at most {most} {unit}"),
        _ => return,
    };
    faults.push(FieldError::new(pointer, "length", detail));
}

/// Runs `with` on the pointer to `name` below `pointer` (RFC 6901 §3).
fn at(pointer: &mut String, name: &str, with: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    // A client's name must not make the answer long.
    for c in name.chars().take(64) {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
    with(pointer);
    pointer.truncate(length);
}

fn bound(schema: &Value, name: &str) -> Option<u64> {
    schema.get(name).and_then(Value::as_u64)
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        name => name == name_of(value),
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(value: &Value) -> Vec<(String, &'static str)> {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name", "age"],
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 3},
                "age": {"type": "integer", "minimum": 0, "maximum": 150},
                "roles": {"type": ["array", "null"], "maxItems": 2, "items": {"enum": ["a", "b"]}},
            },
        });
        validate(&schema, value).into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn a_good_body_has_no_faults() {
        assert_eq!(faults(&json!({"name": "Zoë", "age": 1, "roles": null})), []);
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let value = json!({"name": "", "a/g~e": 1, "roles": ["a", "c", "b"]});
        let mut found = faults(&value);
        found.sort();
        let pointers: Vec<_> = found.iter().map(|(p, code)| (p.as_str(), *code)).collect();
        assert_eq!(
            pointers,
            [
                ("/age", "missing"),
                ("/a~1g~0e", "unknown"),
                ("/name", "length"),
                ("/roles", "length"),
                ("/roles/1", "choice"),
            ]
        );
    }

    #[test]
    fn types_and_ranges_are_held() {
        assert_eq!(faults(&json!([])), [(String::new(), "type")]);
        assert_eq!(faults(&json!({"name": "a", "age": 1.5})), [("/age".into(), "type")]);
        assert_eq!(faults(&json!({"name": "a", "age": 151})), [("/age".into(), "range")]);
    }

    #[test]
    fn the_answer_to_a_body_full_of_faults_is_bounded() {
        let members = (0..10_000).map(|i| (format!("{i}{}", "x".repeat(1000)), json!(1)));
        let found = validate(&json!({"additionalProperties": false}), &members.collect());
        assert_eq!(found.len(), MAX_FAULTS);
        assert!(found.iter().all(|fault| fault.pointer.len() < 100));
    }
}
