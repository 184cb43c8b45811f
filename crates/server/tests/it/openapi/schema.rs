//! JSON Schema, as far as the document uses it: what does not fit, what fits, and what nearly does.

use serde_json::{Map, Value, json};

/// Each fault of `value`. Objects are closed: a member that no schema tells of is one.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, schema, value, "", true, &mut faults);
    faults
}

fn check(
    document: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
    closed: bool,
    faults: &mut Vec<String>,
) {
    let fail = |faults: &mut Vec<String>, what: &str| faults.push(format!("{at} {what}: {value}"));
    for (keyword, says) in schema.as_object().expect("a schema") {
        let number = value.as_f64();
        let bound = says.as_f64().unwrap_or_default();
        let length = value.as_str().map(|text| text.chars().count() as f64);
        let items = value.as_array().map(|items| items.len() as f64);
        let fits = match keyword.as_str() {
            "$ref" => {
                let pointer = says.as_str().and_then(|place| place.strip_prefix('#'));
                let target = document.pointer(pointer.expect("a local place")).expect("a schema");
                check(document, target, value, at, closed, faults);
                true
            }
            "allOf" => {
                // Each part tells of some members only.
                for part in says.as_array().expect("schemas") {
                    check(document, part, value, at, false, faults);
                }
                true
            }
            "type" => match says {
                Value::Array(names) => names.iter().any(|name| is_of(name, value)),
                name => is_of(name, value),
            },
            "enum" => says.as_array().expect("values").contains(value),
            "const" => says == value,
            "minimum" => number.is_none_or(|number| number >= bound),
            "maximum" => number.is_none_or(|number| number <= bound),
            "minLength" => length.is_none_or(|length| length >= bound),
            "maxLength" => length.is_none_or(|length| length <= bound),
            "minItems" => items.is_none_or(|items| items >= bound),
            "maxItems" => items.is_none_or(|items| items <= bound),
            "format" if says == "date-time" => value.as_str().is_none_or(is_time),
            "required" => {
                let names = says.as_array().expect("names").iter().filter_map(Value::as_str);
                value.as_object().is_none_or(|own| names.into_iter().all(|n| own.contains_key(n)))
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    match says.get(name) {
                        Some(schema) => {
                            check(
                                document,
                                schema,
                                member,
                                &format!("{at}/{name}"),
                                closed,
                                faults,
                            );
                        }
                        None if closed => fail(faults, &format!("{name} is not documented")),
                        None => {}
                    }
                }
                true
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, says, item, &format!("{at}/{i}"), closed, faults);
                }
                true
            }
            "description" | "examples" | "format" | "default" | "additionalProperties" => true,
            "pattern" => true,
            other => panic!("{other} is not understood here"),
        };
        if !fits {
            fail(faults, keyword);
        }
    }
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str().expect("a type") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}

/// RFC 3339 §5.6, in UTC.
fn is_time(text: &str) -> bool {
    let form = "0000-00-00T00:00:00";
    let date = text.get(..form.len()).unwrap_or_default();
    let fits = date.bytes().zip(form.bytes()).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    });
    date.len() == form.len() && fits && text.ends_with('Z')
}

/// A value that fits: the schema's own example, or the least that its bounds allow.
#[track_caller]
pub(crate) fn good(schema: &Value) -> Value {
    if let Some(example) = schema["examples"].get(0) {
        return example.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten();
            let members = required.filter_map(Value::as_str);
            let member = |name: &str| (name.to_owned(), good(&schema["properties"][name]));
            members.map(member).collect::<Map<_, _>>().into()
        }
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(0);
            (0..least).map(|_| good(&schema["items"])).collect()
        }
        Some("string") => {
            let least = schema["minLength"].as_u64().unwrap_or(1).max(1);
            let plain = "a".repeat(usize::try_from(least).expect("a length"));
            let compiled = gabion_tower::json::Schema::compile(schema).expect("a schema");
            let tried = [plain, "60s".to_owned()].map(Value::from);
            let fits = |text: &Value| gabion_tower::json::validate(&compiled, text).is_empty();
            let found = tried.into_iter().find(fits);
            found.unwrap_or_else(|| panic!("its pattern needs an example: {schema}"))
        }
        Some("integer" | "number") => schema["minimum"].as_i64().unwrap_or(1).into(),
        Some("boolean") => true.into(),
        _ => Value::Null,
    }
}

/// A value with one fault.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) value: Value,
    /// Where the fault is.
    pub(crate) pointer: String,
    /// What it is called; of a pattern anything will do.
    pub(crate) code: Option<&'static str>,
}

/// Every way in which a value can nearly fit `schema`, one at a time.
pub(crate) fn wrong(schema: &Value) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut add = |code, value| wrong.push(Wrong { value, pointer: String::new(), code });
    let types: Vec<&Value> = match &schema["type"] {
        Value::Array(names) => names.iter().collect(),
        Value::Null => Vec::new(),
        name => vec![name],
    };
    let others = [json!(null), json!(true), json!(1.5), json!("text"), json!([]), json!({})];
    if !types.is_empty() {
        for other in others.iter().filter(|other| !types.iter().any(|name| is_of(name, other))) {
            add(Some("type"), other.clone());
        }
    }
    let text = |length: u64| Value::from("a".repeat(usize::try_from(length).expect("a length")));
    let list = |length: u64| (0..length).map(|_| good(&schema["items"])).collect::<Value>();
    if schema["enum"].is_array() {
        add(Some("choice"), json!("none of them"));
    } else if schema["pattern"].is_string() {
        add(None, json!("\u{1}!"));
    }
    for (keyword, code, over) in [
        ("minLength", "length", false),
        ("maxLength", "length", true),
        ("minItems", "length", false),
        ("maxItems", "length", true),
        ("minimum", "range", false),
        ("maximum", "range", true),
    ] {
        let Some(bound) = schema[keyword].as_i64() else { continue };
        let beyond = if over { bound + 1 } else { bound - 1 };
        let Ok(length) = u64::try_from(beyond) else {
            if code == "range" {
                add(Some(code), json!(beyond));
            }
            continue;
        };
        let value = match (keyword, code) {
            (_, "range") => json!(beyond),
            ("minItems" | "maxItems", _) => list(length),
            _ => text(length),
        };
        add(Some(code), value);
    }
    if let Some(members) = schema["properties"].as_object() {
        let whole = good(schema);
        for (name, member) in members {
            let inner = super::schema::wrong(member).into_iter();
            wrong.extend(inner.map(|inner| inner.below(&whole, name)));
            if schema["required"].as_array().is_some_and(|names| names.contains(&json!(name))) {
                let mut without = whole.clone();
                without.as_object_mut().expect("an object").remove(name);
                let pointer = format!("/{name}");
                wrong.push(Wrong { value: without, pointer, code: Some("missing") });
            }
        }
        if schema["additionalProperties"] == json!(false) {
            let mut more = whole;
            more["nobody knows~this"] = json!(1);
            let pointer = "/nobody knows~0this".to_owned();
            wrong.push(Wrong { value: more, pointer, code: Some("unknown") });
        }
    }
    if schema["items"].is_object() {
        let inner = super::schema::wrong(&schema["items"]).into_iter();
        wrong.extend(inner.map(|inner| Wrong {
            value: json!([inner.value]),
            pointer: format!("/0{}", inner.pointer),
            code: inner.code,
        }));
    }
    wrong
}

impl Wrong {
    /// The same fault in the member `name` of `whole`.
    fn below(self, whole: &Value, name: &str) -> Self {
        let mut value = whole.clone();
        value[name] = self.value;
        Self { value, pointer: format!("/{name}{}", self.pointer), code: self.code }
    }
}

#[test]
fn wrong_values_have_the_fault_that_they_are_for() {
    let schema = json!({
        "type": "object",
        "required": ["a"],
        "additionalProperties": false,
        "properties": {
            "a": {"type": "string", "minLength": 1, "maxLength": 2},
            "b": {"type": ["array", "null"], "items": {"type": "integer", "minimum": 3}},
        },
    });
    let found = wrong(&schema);
    for one in &found {
        let own = faults(&json!({}), &schema, &one.value);
        assert!(!own.is_empty(), "{one:?}");
    }
    let told: Vec<String> =
        found.iter().map(|one| format!("{} {}", one.pointer, one.code.unwrap_or("any"))).collect();
    let wanted = [
        "/a missing",
        "/a length",
        "/a type",
        "/b type",
        "/b/0 range",
        "/nobody knows~0this unknown",
    ];
    for wanted in wanted {
        assert!(told.iter().any(|own| own == wanted), "{wanted} of {told:?}");
    }
    assert_eq!(faults(&json!({}), &schema, &good(&schema)), Vec::<String>::new());
}
