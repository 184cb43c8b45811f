use std::cmp::Ordering;

use serde_json::{Number, Value};

/// The number without its fraction, where it has none: `1.0` is `1` (JSON Schema 2020-12 core §6.3.1).
pub(super) fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i64() {
        return Some(number.into());
    }
    if let Some(number) = number.as_u64() {
        return Some(number.into());
    }
    let float = number.as_f64()?;
    // Below it every whole float is exactly an i128.
    (float.fract() == 0.0 && float.abs() < 1e38).then_some(float as i128)
}

/// Whether the number has no fraction, however large it is.
pub(super) fn is_whole(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

/// Which of two numbers is larger, however they are written.
pub(super) fn compare(one: &Number, other: &Number) -> Ordering {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        // One has a fraction, so that it is small enough for the other to be compared with it inexactly;
        // or one is beyond all integers.
        _ => {
            let float = |number: &Number| number.as_f64().unwrap_or_default();
            float(one).total_cmp(&float(other))
        }
    }
}

/// Whether two values are the same for JSON Schema.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare(one, other) == Ordering::Equal,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

/// A text that is the same for values that are the same, so that a whole list can be compared at once.
pub(super) fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Number(number) => match whole(number) {
            Some(whole) => text.push_str(&whole.to_string()),
            // Written out, a few bytes become hundreds.
            None => text.push_str(&format!("{:e}", number.as_f64().unwrap_or_default())),
        },
        Value::Array(items) => {
            text.push('[');
            for item in items {
                canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, member) in members {
                canonical(&Value::String(name.clone()), text);
                text.push(':');
                canonical(member, text);
                text.push(',');
            }
            text.push('}');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(one: &Value, other: &Value) -> Ordering {
        let number = |value: &Value| value.as_number().unwrap().clone();
        compare(&number(one), &number(other))
    }

    #[test]
    fn numbers_are_compared_by_their_worth() {
        for (one, other, wanted) in [
            (json!(1), json!(1.0), Ordering::Equal),
            (json!(0), json!(-0.0), Ordering::Equal),
            (json!(u64::MAX), json!(u64::MAX - 1), Ordering::Greater),
            (json!(u64::MAX), json!(18_446_744_073_709_551_616.0), Ordering::Less),
            (json!(i64::MIN), json!(-9_223_372_036_854_775_808.0), Ordering::Equal),
            (json!(1), json!(1.5), Ordering::Less),
            (json!(i64::MAX), json!(0.5), Ordering::Greater),
            (json!(1e300), json!(u64::MAX), Ordering::Greater),
            (json!(-1e300), json!(1e300), Ordering::Less),
        ] {
            assert_eq!(order(&one, &other), wanted, "{one} {other}");
        }
    }

    #[test]
    fn values_that_are_the_same_have_the_same_text() {
        let text = |value: &Value| {
            let mut text = String::new();
            canonical(value, &mut text);
            text
        };
        let values = [
            json!([1, [2.0], {"a": 1, "b": null}]),
            json!([1.0, [2], {"b": null, "a": 1.0}]),
            json!([1, 2]),
            json!([[1], 2]),
            json!("1"),
            json!(1),
            json!("[1,]"),
            json!([1]),
            json!({"a,": 1}),
            json!({"a": 1}),
            json!(1.5),
        ];
        for one in &values {
            for other in &values {
                assert_eq!(same(one, other), text(one) == text(other), "{one} {other}");
            }
        }
        assert!(same(&values[0], &values[1]));
    }
}
