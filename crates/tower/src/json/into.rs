use gabion_errors::{FieldError, Problem, Rejection};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Schema, parse};

/// Makes a body of JSON a `T`: parsed [strictly](parse), held against `schema` with every fault noted, and
/// only then deserialised. For the body's bytes of any framework; `depth` bounds its nesting
/// (`limits.size.json_depth`, 64 by default).
///
/// ```
/// use gabion_tower::json;
/// use serde_json::json;
///
/// #[derive(serde::Deserialize)]
/// struct Login { username: String, attempts: u32 }
///
/// // Once, at the start.
/// let schema = json::Schema::compile(&json!({
///     "type": "object",
///     "required": ["username", "attempts"],
///     "additionalProperties": false,
///     "properties": {
///         "username": {"type": "string", "minLength": 1, "maxLength": 64},
///         "attempts": {"type": "integer", "minimum": 0, "maximum": 10},
///     },
/// }))?;
///
/// // For each request.
/// let login: Login = json::from_slice(br#"{"username": "ann", "attempts": 2.0}"#, &schema, 64).unwrap();
/// assert_eq!((login.username.as_str(), login.attempts), ("ann", 2));
///
/// let refused = json::from_slice::<Login>(br#"{"usrname": "", "attempts": 11}"#, &schema, 64);
/// let problem = refused.err().expect("it has three faults").problem().clone();
/// assert_eq!((problem.status().as_u16(), problem.field_errors().len()), (422, 3));
/// # Ok::<_, json::SchemaError>(())
/// ```
///
/// # Errors
///
/// 400 for what is not JSON that means one thing, 422 with every fault for what does not fit.
pub fn from_slice<T: DeserializeOwned>(
    bytes: &[u8],
    schema: &Schema,
    depth: usize,
) -> Result<T, Rejection> {
    let mut value = parse(bytes, depth)?;
    let faults = schema.fit(&mut value);
    if !faults.is_empty() {
        return Err(Problem::faulty(faults).into());
    }
    into(value)
}

/// As [`from_slice`], and what `T` itself has to say of its values.
///
/// # Errors
///
/// As [`from_slice`], and 422 with the faults that [`Check::check`] found.
pub fn from_slice_checked<T: DeserializeOwned + Check>(
    bytes: &[u8],
    schema: &Schema,
    depth: usize,
) -> Result<T, Rejection> {
    let value: T = from_slice(bytes, schema, depth)?;
    let mut faults = Vec::new();
    value.check(&mut faults);
    if faults.is_empty() { Ok(value) } else { Err(Problem::faulty(faults).into()) }
}

/// What a schema cannot say of a type: a rule between two fields, a word that is taken.
///
/// It is also where the report of a library for validation goes, as garde's:
///
/// ```
/// use gabion_errors::FieldError;
/// use gabion_tower::json::{Check, pointer};
/// use garde::Validate;
///
/// #[derive(serde::Deserialize, Validate)]
/// struct Plan {
///     #[garde(dive)]
///     spans: Vec<Span>,
/// }
///
/// #[derive(serde::Deserialize, Validate)]
/// struct Span {
///     #[garde(range(min = 1))]
///     from: u32,
///     #[garde(custom(|to: &u32, _: &()| after(self.from, *to)))]
///     to: u32,
/// }
///
/// fn after(from: u32, to: u32) -> garde::Result {
///     if to > from { Ok(()) } else { Err(garde::Error::new("must be after the beginning")) }
/// }
///
/// impl Check for Plan {
///     fn check(&self, faults: &mut Vec<FieldError>) {
///         let Err(report) = self.validate() else { return };
///         for (path, error) in report.iter() {
///             // `items[0].a` is `/items/0/a`; the names are those of Rust, not of `serde(rename)`.
///             let place = pointer(&path.to_string());
///             faults.push(FieldError::new(place, "rule", error.message().to_owned()));
///         }
///     }
/// }
///
/// let mut faults = Vec::new();
/// Plan { spans: vec![Span { from: 0, to: 0 }] }.check(&mut faults);
/// let places: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
/// assert_eq!(places, ["/spans/0/from", "/spans/0/to"]);
/// ```
pub trait Check {
    /// Adds what is wrong with the value; pointers count from the whole body. The details go to the
    /// client, so that they repeat none of its values.
    fn check(&self, faults: &mut Vec<FieldError>);
}

/// Makes a value that fits its schema a `T`.
///
/// # Errors
///
/// 422 when `T` does not take all that the schema lets pass. What it does not take is not told: the
/// reasons of deserialisers repeat values.
pub fn into<T: DeserializeOwned>(value: Value) -> Result<T, Rejection> {
    serde_json::from_value(value).map_err(|_| {
        let detail = "has a value that is not of its type";
        Problem::faulty(vec![FieldError::new("", "type", detail)]).into()
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Range {
        from: u64,
        to: Option<u8>,
    }

    impl Check for Range {
        fn check(&self, faults: &mut Vec<FieldError>) {
            if self.to.is_some_and(|to| u64::from(to) < self.from) {
                faults.push(FieldError::new("/to", "order", "must not be below from"));
            }
        }
    }

    fn read(text: &str) -> Result<Range, (u16, Vec<String>)> {
        let schema = json!({
            "type": "object",
            "required": ["from"],
            "properties": {
                "from": {"type": "integer", "minimum": 0},
                "to": {"oneOf": [{"type": "null"}, {"type": "integer", "minimum": 0}]},
            },
        });
        let schema = Schema::compile(&schema).unwrap();
        from_slice_checked(text.as_bytes(), &schema, 8).map_err(|rejection| {
            let problem = rejection.problem();
            let told = problem.field_errors().iter();
            let told = told.map(|fault| format!("{} {}", fault.pointer, fault.code)).collect();
            (problem.status().as_u16(), told)
        })
    }

    #[test]
    fn bytes_become_a_type_or_every_fault_of_them() {
        assert_eq!(read(r#"{"from": 1.0, "to": 2e0}"#), Ok(Range { from: 1, to: Some(2) }));
        assert_eq!(read(r#"{"from": 1, "to": null}"#), Ok(Range { from: 1, to: None }));
        let refused = |text, status, faults: &[&str]| {
            let faults = faults.iter().map(|fault| (*fault).to_owned()).collect();
            assert_eq!(read(text), Err((status, faults)), "{text}");
        };
        refused("{", 400, &[" syntax"]);
        refused(r#"{"to": "x"}"#, 422, &["/from missing", "/to type"]);
        refused(r#"{"from": 3, "to": 2}"#, 422, &["/to order"]);
        refused(r#"{"from": 1, "to": 256}"#, 422, &[" type"]);
        refused(r#"{"from": 1e300}"#, 422, &["/from range"]);
        refused(r#"{"from": 1.00000000000000001}"#, 422, &["/from type"]);
        refused(r#"{"from": 18446744073709551616}"#, 422, &["/from range"]);
    }

    #[test]
    fn integers_are_what_was_written_however_it_was() {
        let exact =
            [("9007199254740993.0", 9_007_199_254_740_993), ("1.8446744073709551615e19", u64::MAX)];
        for (text, from) in exact {
            let read = read(&format!("{{\"from\": {text}}}"));
            assert_eq!(read, Ok(Range { from, to: None }), "{text}");
        }
    }

    #[test]
    fn what_a_type_does_not_take_is_not_repeated() {
        let refused = into::<u8>(json!("hunter2")).unwrap_err();
        assert!(!format!("{refused:?} {:?}", refused.problem()).contains("hunter2"));
    }
}
