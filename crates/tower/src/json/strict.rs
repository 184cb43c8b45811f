use std::fmt;

use gabion_errors::{Problem, Rejection, types};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses JSON (RFC 8259) that means one thing only: UTF-8 without a byte order mark, no name twice
/// in an object, no deeper than `depth`, nothing behind it.
///
/// # Errors
///
/// 400 with the fault and its place.
pub fn parse(bytes: &[u8], depth: usize) -> Result<Value, Rejection> {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(refuse("the body begins with a byte order mark".into()));
    }
    if std::str::from_utf8(bytes).is_err() {
        return Err(refuse("the body is not UTF-8".into()));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(refuse("the body is empty".into()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth }.deserialize(&mut deserializer);
    value
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| refuse(format!("the body is not valid JSON: {error}")))
}

fn refuse(detail: String) -> Rejection {
    Problem::new(&types::INVALID_REQUEST).detail(detail).into()
}

/// Builds a value, `depth` levels of arrays and objects at most.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        depth.map(|depth| Self { depth }).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom("a name stands twice in one object"));
            }
            let value = map.next_value_seed(inner)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_ambiguous_or_malformed_is_refused() {
        let deep = "[".repeat(100_000);
        for bad in [
            "",
            " ",
            "{",
            "nul",
            "{} {}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,\"\\u0061\":1}",
            "[1,]",
            "\u{feff}{}",
            "1e999",
            "[[[[[1]]]]]",
            "\"\\ud800\"",
            "{'a':1}",
            "NaN",
            deep.as_str(),
        ] {
            let rejection = parse(bad.as_bytes(), 4).expect_err(bad);
            assert_eq!(rejection.problem().code(), "invalid-request", "{bad}");
        }
        assert!(parse(b"\"\xff\"", 4).is_err());
    }

    #[test]
    fn the_depth_is_the_bound_itself() {
        assert!(parse(b"[[[[1]]]]", 4).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, 8);
        }

        #[test]
        fn what_is_accepted_is_what_serde_json_reads(text in r#"[\[\]{}",:0-9a-c \\u]{0,40}"#) {
            if let Ok(value) = parse(text.as_bytes(), 64) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            }
        }
    }
}
