//! Bodies: what is accepted is what every parser reads, within its depth, and its faults are bounded.

#![no_main]

use std::sync::LazyLock;

use gabion_errors::{FieldError, Problem};
use gabion_tower::json::{Schema, parse, validate};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const DEPTH: usize = 8;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name"],
        "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 8 },
            "age": { "type": "integer", "minimum": 0, "maximum": 150 },
            "roles": {
                "type": ["array", "null"],
                "minItems": 1,
                "maxItems": 3,
                "items": { "type": "string", "enum": ["a", "b"] },
            },
            "at": { "type": "object", "properties": { "x": { "type": "number" } } },
        },
    });
    Schema::compile(&schema).expect("it is understood")
});

fuzz_target!(|bytes: &[u8]| {
    let value = match parse(bytes, DEPTH) {
        Ok(value) => value,
        Err(rejection) => return check_refusal(bytes, rejection.problem()),
    };
    let read: Value = serde_json::from_slice(bytes).expect("what is accepted is JSON");
    assert!(near(&read, &value), "{read} {value}");
    assert!(depth(&value) <= DEPTH);
    let written = value.to_string();
    // Not the same value: `serde_json` may read the last digit of a fraction differently.
    assert!(parse(written.as_bytes(), DEPTH).is_ok(), "{written}");

    let faults = validate(&SCHEMA, &value);
    assert!(faults.len() <= 64);
    for fault in &faults {
        assert!(fault.pointer.is_empty() || fault.pointer.starts_with('/'));
        assert!(fault.pointer.len() < 1024 && fault.detail.len() < 1024, "{fault:?}");
    }
    assert_eq!(faults.is_empty(), fits(&value), "{written}");
});

/// What is refused is no JSON for others either, or one of the faults that are ours; told within bounds.
fn check_refusal(bytes: &[u8], problem: &Problem) {
    let faults = problem.field_errors();
    assert!((1..=64).contains(&faults.len()));
    for fault in faults {
        assert!(fault.pointer.len() < 1024 && fault.detail.len() < 256, "{fault:?}");
    }
    let ours = |fault: &FieldError| {
        ["duplicate", "depth"].contains(&fault.code) || fault.detail.contains("fraction")
    };
    if !faults.iter().any(ours) {
        assert!(serde_json::from_slice::<Value>(bytes).is_err(), "{faults:?}");
    }
}

/// The same but for the last digits of numbers: `serde_json` reads the nearest `f64`, or one beside it,
/// also where the integer that was written is another.
fn near(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(0.0));
            (one - other).abs() <= one.abs().max(f64::MIN_POSITIVE) * 4.0 * f64::EPSILON
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| near(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|own| near(one, own)))
        }
        (one, other) => one == other,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// The schema in other words.
fn fits(value: &Value) -> bool {
    let Value::Object(members) = value else { return false };
    members.contains_key("name")
        && members.iter().all(|(name, value)| match (name.as_str(), value) {
            ("name", Value::String(text)) => (1..=8).contains(&text.chars().count()),
            ("age", Value::Number(age)) => {
                let age = age.as_f64().unwrap_or(-1.0);
                age.fract() == 0.0 && (0.0..=150.0).contains(&age)
            }
            ("roles", Value::Null) => true,
            ("roles", Value::Array(roles)) => {
                (1..=3).contains(&roles.len())
                    && roles.iter().all(|role| role == "a" || role == "b")
            }
            ("at", Value::Object(at)) => at.get("x").is_none_or(Value::is_number),
            _ => false,
        })
}
