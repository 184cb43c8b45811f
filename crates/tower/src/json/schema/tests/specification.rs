//! Verdicts, compared with those of a second reading of the specification.

use proptest::prelude::*;
use serde_json::json;

use super::{
    super::{
        super::number::{same, whole},
        *,
    },
    compiled,
};
use crate::json::MAX_FAULTS;

/// The specification as it is written, one keyword after the other, without words, bounds or order.
fn fits(schema: &Value, value: &Value) -> bool {
    let Value::Object(keywords) = schema else { return *schema == Value::Bool(true) };
    keywords.iter().all(|(keyword, told)| {
        let list = || told.as_array().unwrap().iter();
        let bound = || told.as_f64().unwrap();
        match (keyword.as_str(), value) {
            ("type", value) => match told {
                Value::Array(names) => names.iter().any(|name| fits(&json!({"type": name}), value)),
                name => match name.as_str().unwrap() {
                    "null" => value.is_null(),
                    "boolean" => value.is_boolean(),
                    // Ours: one that a type of Rust holds.
                    "integer" => value.as_number().and_then(whole).is_some_and(|number| {
                        (i64::MIN.into()..=u64::MAX.into()).contains(&number)
                    }),
                    "number" => value.is_number(),
                    "string" => value.is_string(),
                    "array" => value.is_array(),
                    name => name == "object" && value.is_object(),
                },
            },
            ("enum", value) => list().any(|own| same(own, value)),
            ("const", value) => same(told, value),
            ("minLength", Value::String(text)) => text.chars().count() as f64 >= bound(),
            ("maxLength", Value::String(text)) => text.chars().count() as f64 <= bound(),
            ("pattern", Value::String(text)) => match told.as_str().unwrap() {
                "a" => text.contains('a'),
                "^b" => text.starts_with('b'),
                _ => text.ends_with('b'),
            },
            ("minimum", Value::Number(number)) => number.as_f64().unwrap() >= bound(),
            ("maximum", Value::Number(number)) => number.as_f64().unwrap() <= bound(),
            ("exclusiveMinimum", Value::Number(number)) => number.as_f64().unwrap() > bound(),
            ("exclusiveMaximum", Value::Number(number)) => number.as_f64().unwrap() < bound(),
            ("minItems", Value::Array(items)) => items.len() as f64 >= bound(),
            ("maxItems", Value::Array(items)) => items.len() as f64 <= bound(),
            ("uniqueItems", Value::Array(items)) => {
                let twice = |i: usize| items[..i].iter().any(|other| same(other, &items[i]));
                *told == json!(false) || !(0..items.len()).any(twice)
            }
            ("items", Value::Array(items)) => items.iter().all(|item| fits(told, item)),
            ("required", Value::Object(members)) => {
                list().all(|name| members.contains_key(name.as_str().unwrap()))
            }
            ("properties", Value::Object(members)) => {
                let declared = told.as_object().unwrap().iter();
                let mut there = declared.filter_map(|(name, own)| Some((own, members.get(name)?)));
                there.all(|(own, member)| fits(own, member))
            }
            ("additionalProperties", Value::Object(members)) => {
                let declared = keywords.get("properties").and_then(Value::as_object);
                let mut others = members.iter().filter(|(name, _)| {
                    declared.is_none_or(|declared| !declared.contains_key(*name))
                });
                others.all(|(_, member)| fits(told, member))
            }
            ("anyOf", value) => list().any(|own| fits(own, value)),
            ("oneOf", value) => list().filter(|own| fits(own, value)).count() == 1,
            _ => true,
        }
    })
}

fn few<T: Clone + std::fmt::Debug + 'static>(all: Vec<T>) -> impl Strategy<Value = T> + Clone {
    prop::sample::select(all)
}

/// Values that are near enough to the schemas below to fit them at times.
fn values() -> impl Strategy<Value = Value> + Clone {
    let leaf = few(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(1.0),
        json!(-1),
        json!(1.5),
        json!(-0.0),
        json!(2),
        json!(3e0),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("b"),
        json!("\u{1f600}"),
        json!("ba\u{e9}"),
    ]);
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                few(vec!["a".to_owned(), "b".into(), "c".into()]),
                inner,
                0..4
            )
            .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn schemas() -> impl Strategy<Value = Value> {
    let names = ["null", "boolean", "integer", "number", "string", "array", "object"];
    let kind = few(names.to_vec());
    let number = few(vec![json!(-1), json!(0), json!(1), json!(1.5), json!(2.0), json!(1e300)]);
    let count = few(vec![json!(0), json!(1), json!(2), json!(3.0)]);
    let keyword = |name: &'static str| move |value: Value| (name.to_owned(), value);
    let plain = prop_oneof![
        4 => kind.clone().prop_map(|name| ("type".to_owned(), json!(name))),
        2 => prop::collection::vec(kind, 1..4).prop_map(|kinds| ("type".to_owned(), json!(kinds))),
        1 => prop::collection::vec(values(), 1..4).prop_map(|all| ("enum".to_owned(), json!(all))),
        1 => values().prop_map(keyword("const")),
        1 => (few(vec!["minLength", "maxLength", "minItems", "maxItems"]), count)
            .prop_map(|(name, count)| (name.to_owned(), count)),
        2 => (few(vec!["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), number)
            .prop_map(|(name, number)| (name.to_owned(), number)),
        1 => few(vec![json!("a"), json!("^b"), json!("b$")]).prop_map(keyword("pattern")),
        1 => any::<bool>().prop_map(|unique| ("uniqueItems".to_owned(), json!(unique))),
        1 => prop::collection::vec(few(vec!["a", "b", "c"]), 0..3)
            .prop_map(|names| ("required".to_owned(), json!(names))),
        1 => few(vec![json!("t")]).prop_map(keyword("title")),
    ];
    let object = |keywords: Vec<(String, Value)>| keywords.into_iter().collect::<Value>();
    let leaf = prop_oneof![
        12 => prop::collection::vec(plain.clone(), 0..4).prop_map(object),
        1 => any::<bool>().prop_map(Value::Bool),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let branches = prop::collection::vec(inner.clone(), 1..4);
        let members =
            prop::collection::btree_map(few(vec!["a".to_owned(), "b".into()]), inner.clone(), 0..3);
        let nested = prop_oneof![
            2 => inner.clone().prop_map(keyword("items")),
            2 => inner.prop_map(keyword("additionalProperties")),
            3 => members.prop_map(|all| ("properties".to_owned(), json!(all))),
            2 => branches.clone().prop_map(|all| ("anyOf".to_owned(), json!(all))),
            2 => branches.prop_map(|all| ("oneOf".to_owned(), json!(all))),
        ];
        prop::collection::vec(prop_oneof![plain.clone(), nested], 0..5).prop_map(object)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_verdict_is_that_of_the_specification(schema in schemas(), value in values()) {
        let found = validate(&compiled(&schema), &value);
        prop_assert_eq!(found.is_empty(), fits(&schema, &value), "{} {} {:?}", schema, value, found);
        prop_assert!(found.len() <= MAX_FAULTS);
        for fault in &found {
            prop_assert!(fault.pointer.is_empty() || value.pointer(&fault.pointer).is_some() || fault.code == "missing");
        }
    }

    #[test]
    fn settling_changes_how_numbers_are_written_and_nothing_else(schema in schemas(), value in values()) {
        let schema = compiled(&schema);
        let mut settled = value.clone();
        if schema.fit(&mut settled).is_empty() {
            prop_assert!(same(&value, &settled), "{value} {settled}");
            prop_assert!(validate(&schema, &settled).is_empty());
        } else {
            prop_assert_eq!(value, settled);
        }
    }
}
