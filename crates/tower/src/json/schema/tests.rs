mod specification;

use serde_json::json;

use super::{super::unreadable::MAX_FAULTS, *};

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
fn an_integer_is_told_what_its_range_and_its_format_leave() {
    for (schema, value, told) in [
        (json!({"minimum": 1}), json!(1e30), "1 to 18446744073709551615"),
        (json!({"minimum": 1}), json!(0), "at least 1"),
        (json!({"minimum": 0, "format": "int64"}), json!(-1), "at least 0"),
        (json!({"minimum": 0, "format": "int64"}), json!(1e20), "0 to 18446744073709551615"),
        (json!({"exclusiveMinimum": 0.5}), json!(1e20), "1 to 18446744073709551615"),
        (json!({"exclusiveMinimum": -3}), json!(1e20), "-2 to 18446744073709551615"),
        (json!({"maximum": 7.5}), json!(-1e30), "-9223372036854775808 to 7"),
        (json!({"exclusiveMaximum": 7}), json!(-1e30), "-9223372036854775808 to 6"),
        (json!({"format": "int8", "minimum": -3}), json!(200), "-3 to 127"),
        (
            json!({"format": "int64"}),
            json!(u64::MAX),
            "-9223372036854775808 to 9223372036854775807",
        ),
        (json!({}), json!(1e300), "-9223372036854775808 to 18446744073709551615"),
        (json!({"minimum": 1e300}), json!(1e301), "-9223372036854775808 to 18446744073709551615"),
    ] {
        let mut whole = schema.clone();
        whole["type"] = json!(["integer", "null"]);
        assert_eq!(faults(&whole, &value), [format!(" range must be {told}")], "{schema} {value}");
    }
    for (schema, value) in [
        (json!({"type": "integer"}), json!(u64::MAX)),
        (json!({"type": "integer"}), json!(i64::MIN)),
        (json!({"type": "integer", "format": "int64", "minimum": 0}), json!(u64::MAX)),
        (json!({"type": ["integer", "number"]}), json!(1e300)),
    ] {
        assert_eq!(faults(&schema, &value), [""; 0], "{schema} {value}");
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
        "whole": 1.0, "ratio": 2.0, "maybe": -3.0, "list": [4.0, null], "any": 5.0, "other": 1e2, "large": 1e19,
    });
    assert_eq!(schema.fit(&mut value), []);
    let settled = json!({
        "whole": 1, "ratio": 2.0, "maybe": -3, "list": [4, null], "any": 5.0, "other": 100, "large": 10_000_000_000_000_000_000_u64,
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
