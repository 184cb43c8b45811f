use proptest::prelude::*;
use serde_json::json;

use super::{
    super::{number::same, unreadable::MAX_FAULTS},
    *,
};

#[track_caller]
fn compiled(schema: &Value) -> Schema {
    Schema::compile(schema).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

/// The faults as `pointer code detail`.
#[track_caller]
fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let faults = validate(&compiled(schema), value);
    let told = faults.iter().map(|own| format!("{} {} {}", own.pointer, own.code, own.detail));
    told.collect()
}

fn account() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "age"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 4},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
            "roles": {
                "type": ["array", "null"],
                "maxItems": 2,
                "items": {"type": "string", "enum": ["a", "b"]},
            },
        },
    })
}

#[test]
fn a_good_body_has_no_faults() {
    assert_eq!(faults(&account(), &json!({"name": "Zoë", "age": 1, "roles": null})), [""; 0]);
}

#[test]
fn every_fault_is_told_with_its_place() {
    let value = json!({"name": "", "a/g~e": 1, "roles": ["a", "c", "b"]});
    assert_eq!(
        faults(&account(), &value),
        [
            "/age missing is required",
            "/a~1g~0e unknown is not known, did you mean age?",
            "/name length must have at least 1 characters",
            "/roles length must have at most 2 items",
            "/roles/1 choice must be one of \"a\", \"b\"",
        ]
    );
}

#[test]
fn each_keyword_has_its_words() {
    for (schema, value, told) in [
        (json!({"type": "object"}), json!([]), " type must be object, is array"),
        (json!({"type": ["null", "string"]}), json!(1), " type must be string or null, is number"),
        (json!({"type": "integer"}), json!(1.5), " type must be integer, is number"),
        (json!({"enum": [1, "a"]}), json!(2), " choice must be one of 1, \"a\""),
        (json!({"const": 1}), json!(2), " choice must be 1"),
        (json!({"maxLength": 1}), json!("ab"), " length must have at most 1 characters"),
        (json!({"minimum": 1}), json!(0), " range must be at least 1"),
        (json!({"maximum": 1}), json!(2), " range must be at most 1"),
        (json!({"minimum": 1, "maximum": 2}), json!(0), " range must be 1 to 2"),
        (json!({"exclusiveMinimum": 1}), json!(1), " range must be more than 1"),
        (
            json!({"exclusiveMinimum": 0, "exclusiveMaximum": 1}),
            json!(1),
            " range must be more than 0 and less than 1",
        ),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(2_147_483_648_u64),
            " range must be -2147483648 to 2147483647",
        ),
        (json!({"minItems": 1}), json!([]), " length must have at least 1 items"),
        (
            json!({"uniqueItems": true}),
            json!([1, 2, 1.0]),
            "/2 duplicate stands more than once in its list",
        ),
        (
            json!({"pattern": "^[a-z]+$"}),
            json!("A"),
            " format must be a text that matches ^[a-z]+$",
        ),
        (
            json!({"pattern": "^[0-9]+s$", "x-hint": "a time as 60s"}),
            json!("A"),
            " format must be a time as 60s",
        ),
        (json!(false), json!(1), " unknown is not accepted"),
        (
            json!({"additionalProperties": {"type": "string"}}),
            json!({"a": 1}),
            "/a type must be string, is number",
        ),
        (
            json!({"additionalProperties": false}),
            json!({"a": 1}),
            "/a unknown is not known; there are none",
        ),
        (
            json!({"oneOf": [{"type": "null"}, {"type": "object", "required": ["a"]}]}),
            json!({}),
            "/a missing is required",
        ),
        (
            json!({"anyOf": [{"type": "null"}, {"type": "string"}]}),
            json!(1),
            " type must be string or null, is number",
        ),
        (
            json!({"anyOf": [{"type": "string", "maxLength": 1}, {"type": "string", "minLength": 3}]}),
            json!("ab"),
            " choice fits none of what is accepted here",
        ),
        (
            json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
            json!(1),
            " choice fits more than one of what is accepted here",
        ),
    ] {
        assert_eq!(faults(&schema, &value), [told], "{schema} {value}");
    }
}

#[test]
fn a_bound_itself_is_within_unless_it_is_exclusive() {
    for (keyword, fits) in [
        ("minimum", [false, true, true]),
        ("maximum", [true, true, false]),
        ("exclusiveMinimum", [false, false, true]),
        ("exclusiveMaximum", [true, false, false]),
    ] {
        let schema = json!({keyword: 1});
        let held = [0.5, 1.0, 1.5].map(|number| faults(&schema, &json!(number)).is_empty());
        assert_eq!(held, fits, "{keyword}");
    }
}

#[test]
fn a_pattern_is_searched_for_and_bounded_by_the_length_before_it() {
    let schema = json!({"type": "string", "maxLength": 4, "pattern": "b"});
    assert_eq!(faults(&schema, &json!("abc")), [""; 0]);
    assert_eq!(faults(&schema, &json!("aaaaa")), [" length must have at most 4 characters"]);
}

#[test]
fn numbers_are_what_they_are_worth_and_become_what_is_asked_for() {
    let schema = compiled(&json!({
        "properties": {
            "whole": {"type": "integer"},
            "ratio": {"type": "number"},
            "maybe": {"oneOf": [{"type": "null"}, {"type": "integer"}]},
            "list": {"items": {"type": ["integer", "null"]}},
            "any": {},
        },
        "additionalProperties": {"type": "integer"},
    }));
    let mut value = json!({
        "whole": 1.0, "ratio": 2.0, "maybe": -3.0, "list": [4.0, null], "any": 5.0, "other": 1e2, "large": 1e300,
    });
    assert_eq!(schema.fit(&mut value), []);
    let settled = json!({
        "whole": 1, "ratio": 2.0, "maybe": -3, "list": [4, null], "any": 5.0, "other": 100, "large": 1e300,
    });
    assert_eq!(value, settled);
    assert!(value["whole"].is_u64() && value["ratio"].is_f64() && value["any"].is_f64());
}

#[test]
fn a_schema_that_would_not_be_held_is_refused() {
    for (schema, told) in [
        (json!({"$ref": "#/x"}), "the keyword \"$ref\" at \"\" is not understood"),
        (json!({"properties": {"a": {"multipleOf": 2}}}), "\"multipleOf\" at \"/properties/a\""),
        (json!({"items": {"not": {}}}), "\"not\" at \"/items\""),
        (json!({"oneOf": [{}, {"if": {}}]}), "\"if\" at \"/oneOf/1\""),
        (
            json!({"additionalProperties": {"nullable": true}}),
            "\"nullable\" at \"/additionalProperties\"",
        ),
        (json!({"type": "text"}), "\"type\""),
        (json!({"type": []}), "\"type\""),
        (json!({"minLength": -1}), "\"minLength\""),
        (json!({"maxItems": 1.5}), "\"maxItems\""),
        (json!({"minimum": "0"}), "\"minimum\""),
        (json!({"pattern": "("}), "\"pattern\""),
        (json!({"pattern": "(?=a)"}), "\"pattern\""),
        (json!({"enum": []}), "\"enum\""),
        (json!({"enum": "a"}), "\"enum\""),
        (json!({"anyOf": []}), "\"anyOf\""),
        (json!({"required": "a"}), "\"required\""),
        (json!({"required": [1]}), "\"required\""),
        (json!({"properties": []}), "\"properties\""),
        (json!({"uniqueItems": 1}), "\"uniqueItems\""),
        (json!({"typ": "string"}), "\"typ\""),
        (json!("string"), "neither an object nor a boolean"),
    ] {
        let error = Schema::compile(&schema).expect_err("it is refused").to_string();
        assert!(error.contains(told), "{error}: {schema}");
    }
    let told = json!({
        "title": "t", "description": "d", "default": 1, "example": 1, "examples": [1], "deprecated": true,
        "format": "date-time", "x-anything": {"not": 1}, "maxLength": 5.0,
    });
    assert!(Schema::compile(&told).is_ok());
}

#[test]
fn the_answer_to_a_body_full_of_faults_is_bounded() {
    let members = (0..10_000).map(|i| (format!("{i}{}", "x".repeat(1000)), json!(1)));
    let closed = compiled(&json!({"additionalProperties": false, "properties": {"a": {}}}));
    let found = validate(&closed, &members.collect());
    assert_eq!(found.len(), MAX_FAULTS);
    assert!(found.iter().all(|fault| fault.pointer.len() < 100 && fault.detail.len() < 1024));
    let items: Value = vec![json!(1); 10_000].into();
    for schema in [
        json!({"items": {"type": "string"}, "uniqueItems": true}),
        json!({"oneOf": [{"type": "null"}, {"type": "array", "items": {"type": "string"}}]}),
        json!({"items": {"anyOf": [{"type": "null"}, {"type": "string"}]}}),
    ] {
        assert_eq!(validate(&compiled(&schema), &items).len(), MAX_FAULTS, "{schema}");
    }
}

#[test]
fn what_is_accepted_is_listed_within_bounds() {
    let names =
        |count: usize| -> Value { (0..count).map(|i| (format!("name-{i}"), json!({}))).collect() };
    let schema = json!({"properties": names(1000), "additionalProperties": false});
    let told = faults(&schema, &json!({"q": 1}));
    assert!(told[0].len() < 512 && told[0].ends_with(" and more"), "{told:?}");
}

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
                    "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
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
