//! What a hostile body costs beyond being read: how often something is written down for its answer, which
//! is what is dear. Time is not measured; other work on the machine would be measured with it.

use serde_json::{Value, json};

use super::super::{MAX_FAULTS, Schema, parse, validate, written::during};

/// A pointer and a word of advice for each fault that is told, and the last one.
const MOST: usize = 2 * MAX_FAULTS + 1;

/// 64 KiB of `unit` between `open` and `close`, 60 levels deep.
fn deep(open: &str, unit: &str, close: &str) -> String {
    const LEVELS: usize = 60;
    let (before, after) = ("{\"abcdefgh\":".repeat(LEVELS), "}".repeat(LEVELS));
    let room = 65_536 - before.len() - after.len() - open.len() - close.len();
    let units = unit.repeat(room / unit.len());
    format!("{before}{open}{}{close}{after}", units.strip_suffix(',').unwrap_or(&units))
}

#[track_caller]
fn refused(text: &str) -> (usize, usize) {
    let (read, written) = during(|| parse(text.as_bytes(), 64));
    let problem = read.expect_err("it is refused");
    (problem.problem().field_errors().len(), written)
}

#[test]
fn a_fault_that_is_repeated_is_written_down_once() {
    for (open, unit, close) in [
        ("{", "\"k\":0,", "}"),
        ("{", "\"\\ud800\":0,", "}"),
        ("{\"k\":0,", "\"k\":1e400,", "}"),
        ("{\"k\":0,", "\"k\":{\"k\":0,\"k\":0},", "}"),
        ("{", "\"\\ud800\":\"\\udfff\",", "}"),
        ("\"", "\\ud800", "\""),
        ("{\"", "\\ud800", "\":0}"),
        ("{\"k\":0,", "\"k\":\"\\ud800\",", "}"),
    ] {
        let (faults, written) = refused(&deep(open, unit, close));
        assert!(faults <= 3 && written == faults, "{unit}: {written} for {faults}");
    }
}

#[test]
fn no_more_is_written_down_than_is_told() {
    let names: String = (0..4000).map(|i| format!("\"k{i}\":1e400,")).collect();
    let twice: String = (0..2000).map(|i| format!("\"k{i}\":0,\"k{i}\":0,")).collect();
    for (open, unit, close) in [
        ("[", "1e400,", "]"),
        ("[", "1e400,", ""),
        ("[", "\"\\ud800\",", "]"),
        ("[", "{\"k\":0,\"k\":0},", "]"),
        ("[", "9007199254740993.5,", "]"),
        ("{", names.as_str(), "}"),
        ("{", twice.as_str(), "}"),
    ] {
        let (faults, written) = refused(&deep(open, unit, close));
        assert_eq!(faults, MAX_FAULTS, "{unit}");
        assert!(written <= MAX_FAULTS + 1, "{unit}: {written}");
    }
}

#[test]
fn what_does_not_fit_is_written_down_as_often_as_it_is_told() {
    let known: Value =
        (0..50).map(|i| (format!("{}{i}", "x".repeat(60)), json!({"type": "string"}))).collect();
    let closed = json!({"type": "object", "properties": known, "additionalProperties": false});
    let strangers: Value =
        (0..1000).map(|i| (format!("{}{i}", "y".repeat(60)), json!(0))).collect();
    let wrong: Value =
        known.as_object().unwrap().keys().map(|name| (name.clone(), json!(0))).collect();
    let many = |value: &Value| Value::from(vec![value.clone(); 100]);
    for (schema, value) in [
        (closed.clone(), strangers.clone()),
        (json!({"items": closed}), many(&strangers)),
        (json!({"items": {"anyOf": [closed, {"type": "null"}]}}), many(&wrong)),
        (json!({"items": {"pattern": "^a$"}}), Value::from(vec!["b"; 10_000])),
        (json!({"uniqueItems": true}), Value::from(vec![0; 10_000])),
        (json!({"items": {"enum": ["a", "b"]}}), Value::from(vec![0; 10_000])),
        (json!({"required": (0..1000).map(|i| i.to_string()).collect::<Vec<_>>()}), json!({})),
    ] {
        let schema = Schema::compile(&schema).unwrap();
        let (faults, written) = during(|| validate(&schema, &value));
        assert_eq!(faults.len(), MAX_FAULTS);
        assert!(written <= MOST, "{written}: {:?}", faults.last());
    }
}

#[test]
fn a_value_that_fits_costs_nothing_for_the_branches_that_are_not_meant() {
    let two = json!({"properties": {"a": {"type": "null"}}, "required": ["b", "c"]});
    let schema =
        json!({"items": {"anyOf": [two, {"oneOf": [{"type": "null"}, {"type": "object"}]}]}});
    let schema = Schema::compile(&schema).unwrap();
    let value = Value::from(vec![json!({"a": 1}); 1000]);
    assert_eq!(during(|| validate(&schema, &value)), (Vec::new(), 0));
}
