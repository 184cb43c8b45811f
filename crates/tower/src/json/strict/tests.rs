use std::cell::Cell;

use proptest::{prelude::*, test_runner::TestRunner};

use super::{super::number::is_whole, *};

/// The faults of a text as `pointer code detail`.
fn faults(text: impl AsRef<[u8]>) -> Vec<String> {
    let rejection = parse(text.as_ref(), 4).expect_err("it is refused");
    let problem = rejection.problem();
    assert_eq!(problem.code(), "invalid-request");
    let faults = problem.field_errors().iter();
    faults.map(|fault| format!("{} {} {}", fault.pointer, fault.code, fault.detail)).collect()
}

fn detail(text: impl AsRef<[u8]>) -> String {
    let rejection = parse(text.as_ref(), 4).expect_err("it is refused");
    rejection.problem().detail_text().to_owned()
}

#[test]
fn each_kind_of_unreadable_body_has_its_own_words() {
    let kinds: [(&[u8], &str); 14] = [
        (
            b"\xEF\xBB\xBF{}",
            " byte-order-mark begins with a byte order mark; send UTF-8 without one",
        ),
        (b"\xFF\xFE{\0}\0", " encoding looks like UTF-16 or UTF-32; send UTF-8"),
        (b"{\0}\0", " encoding looks like UTF-16 or UTF-32; send UTF-8"),
        (b"\0{\0}", " encoding looks like UTF-16 or UTF-32; send UTF-8"),
        (b"{\"a\":\"\xff\"}", " encoding is not UTF-8 at byte 6, counted from 0"),
        (b"", " empty is empty where JSON is expected"),
        (b" \r\n\t", " empty is empty where JSON is expected"),
        (b"{}\n {}", " trailing goes on behind its value, at line 2, column 2"),
        (
            "{\n \"\u{e9}\" 1}".as_bytes(),
            " syntax is not JSON at line 2, column 6: expected a colon",
        ),
        (b"[[[[[1]]]]]", "/0/0/0/0 depth is nested deeper than 4 levels"),
        (b"{\"a\":[1e400]}", "/a/0 number is a number out of range"),
        (b"[9007199254740993.5]", "/0 number has a fraction that is lost in a number as large"),
        (b"{\"a\":\"\\ud800\"}", "/a surrogate has one half of a surrogate pair without the other"),
        (b"{\"a\":1,\"\\u0061\":1}", "/a duplicate stands more than once in its object"),
    ];
    for (body, told) in kinds {
        assert_eq!(faults(body), [told], "{:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn the_detail_says_what_is_wrong_with_the_body() {
    assert_eq!(
        detail("{"),
        "the body is not JSON at line 1, column 2: expected a name in double quotes"
    );
    assert_eq!(
        detail(r#"{"a":1,"a":1}"#),
        "the body has a value that stands more than once in its object"
    );
    assert_eq!(detail(r#"{"a":1e999,"a":1"#), "the body has 3 faults");
    assert_eq!(detail(format!("[{}0]", "1e999,".repeat(64))), "the body has at least 64 faults");
}

#[test]
fn what_was_expected_is_told() {
    for (text, expected) in [
        ("[1,]", "a value"),
        ("{'a':1}", "a name in double quotes"),
        ("{\"a\":1,}", "a name in double quotes"),
        ("{\"a\"}", "a colon"),
        ("{\"a\":1 \"b\":2}", "a comma or a closing brace"),
        ("[1 2]", "a comma or a closing bracket"),
        ("[1", "a comma or a closing bracket"),
        ("nul", "a value"),
        ("NaN", "a value"),
        ("/* */ 1", "a value"),
        ("01", "no digit behind a leading zero"),
        ("1.", "a digit"),
        ("-", "a digit"),
        ("1e+", "a digit"),
        ("+1", "a value"),
        (".5", "a value"),
        ("\"a", "a closing double quote"),
        ("\"a\nb\"", "control characters to be escaped"),
        ("\"\\x\"", "an escape that JSON knows"),
        ("\"\\u12g4\"", "four hexadecimal digits"),
        ("\"\\ud800\\u12\"", "four hexadecimal digits"),
    ] {
        let told = faults(text);
        assert!(
            told.len() == 1 && told[0].ends_with(&format!(": expected {expected}")),
            "{text} {told:?}"
        );
    }
}

#[test]
fn all_names_that_stand_twice_are_told_and_each_once() {
    let text = r#"{"a":1,"a":2,"b":{"c":[{"d":0,"d":0,"d":0}],"c":1},"a":3}"#;
    let told = faults(text);
    let places: Vec<_> = told.iter().filter_map(|fault| fault.split(' ').next()).collect();
    assert_eq!(places, ["/a", "/b/c/0/d", "/b/c"]);
}

#[test]
fn of_a_name_that_stands_twice_only_the_first_value_is_looked_into() {
    let told = faults(r#"{"a":1e999,"a":{"b":1,"b":1},"c":{"a":1e999}}"#);
    let places: Vec<_> = told.iter().filter_map(|fault| fault.split(' ').next()).collect();
    assert_eq!(places, ["/a", "/a", "/c/a"]);
}

#[test]
fn faults_of_values_are_told_together_with_where_reading_ends() {
    let told = faults(r#"{"a":1e999,"b":"\udc00","a":1,"c":[1 2]}"#);
    let codes: Vec<_> = told.iter().filter_map(|fault| fault.split(' ').nth(1)).collect();
    assert_eq!(codes, ["number", "surrogate", "duplicate", "syntax"]);
}

#[test]
fn the_faults_of_a_body_are_bounded_and_the_last_is_where_reading_ends() {
    let names: String = (0..1000).map(|i| format!("\"{i}\":1,\"{i}\":1,")).collect();
    let told = faults(format!("{{{names}"));
    assert_eq!(told.len(), MAX_FAULTS);
    assert!(told[MAX_FAULTS - 1].starts_with(" syntax "), "{told:?}");
}

#[test]
fn no_value_of_the_client_is_repeated() {
    for text in [
        r#"{"password":"hunter2" x"#,
        r#"{"password":hunter2}"#,
        r#""hunter2" hunter2"#,
        r#"{"password":"hunter2\ud800"}"#,
        r#"{"a":"hunter2","a":"hunter2"}"#,
        "{\"password\":\"hunter2\n\"}",
        "hunter2",
    ] {
        let told = format!("{}{:?}", detail(text), faults(text));
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn the_depth_is_the_bound_itself_and_never_beyond_the_stack() {
    assert!(parse(b"[[[[1]]]]", 4).is_ok());
    assert!(parse(b"[]", 0).is_err());
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(parse(deep(128).as_bytes(), usize::MAX).is_ok());
    assert!(parse(deep(129).as_bytes(), usize::MAX).is_err());
    assert!(parse("[".repeat(1_000_000).as_bytes(), usize::MAX).is_err());
}

#[test]
fn pairs_of_surrogates_are_one_character() {
    let read =
        |text: &str| parse(text.as_bytes(), 4).map(|value| value.as_str().map(str::to_owned));
    assert_eq!(read(r#""\ud83d\ude00""#).unwrap().unwrap(), "\u{1f600}");
    for half in
        [r"\ud83d", r"\ude00", r"\ud83d\ud83d\ude00", r"\ud83dx", r"\ud83d\ue000", r"\ude00\ud83d"]
    {
        assert!(read(&format!("\"{half}\"")).is_err(), "{half}");
    }
}

/// JSON, and what is nearly JSON.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"a\":",
        "\"b\":",
        "1",
        "-",
        "0",
        "01",
        "1.5",
        "1e5",
        "1E+2",
        "-0",
        "1e999",
        "1e-999",
        "18446744073709551616",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "\\",
        "\\n",
        "\\u0061",
        "\\ud83d",
        "\\ude00",
        "\u{e9}",
        "\u{0}",
        "/",
        "'",
        "\u{feff}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Any value, written by somebody else.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A change to one byte of a text, wherever it is.
#[derive(Debug, Clone)]
enum Change {
    Put(prop::sample::Index, u8),
    Replace(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Put(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            _ if bytes.is_empty() => {}
            Self::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Remove(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let part = bytes[from.min(to)..=from.max(to)].to_vec();
                bytes.splice(to..to, part);
            }
        }
    }
}

/// Valid texts, with a few bytes of them changed.
fn changed() -> impl Strategy<Value = Vec<u8>> {
    let byte = || {
        prop_oneof![
            3 => prop::sample::select(b"{}[]\",:\\ue+-.0129tn /\n\x01\xef\xbb\xc3\x80".to_vec()),
            1 => any::<u8>(),
        ]
    };
    let change = prop_oneof![
        (any::<prop::sample::Index>(), byte()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (any::<prop::sample::Index>(), byte()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        any::<prop::sample::Index>().prop_map(Change::Remove),
        any::<(prop::sample::Index, prop::sample::Index)>()
            .prop_map(|(from, to)| Change::Repeat(from, to)),
    ];
    (values(), any::<bool>(), prop::collection::vec(change, 0..4)).prop_map(
        |(value, pretty, changes)| {
            let text =
                if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
            let mut bytes = text.unwrap();
            changes.iter().for_each(|change| change.make(&mut bytes));
            bytes
        },
    )
}

/// Whether two readers have read the same: numbers to the last digit that an `f64` has, where one of
/// them is exact and the other is not.
fn near(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs().max(f64::MIN_POSITIVE) * 4.0 * f64::EPSILON
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| near(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let mut both = one.iter().zip(other);
            one.len() == other.len()
                && both.all(|(one, other)| one.0 == other.0 && near(one.1, other.1))
        }
        (one, other) => one == other,
    }
}

/// Compares the verdict on `bytes` with that of `serde_json`: what was read, if they were accepted.
fn compared(bytes: &[u8]) -> Result<Option<Value>, TestCaseError> {
    let text = String::from_utf8_lossy(bytes);
    match (parse(bytes, 64), serde_json::from_slice::<Value>(bytes)) {
        (Ok(value), Ok(other)) => {
            prop_assert!(near(&value, &other), "{text}: {value} {other}");
            Ok(Some(value))
        }
        (Ok(_), Err(error)) => Err(TestCaseError::fail(format!("{error}: {text}"))),
        (Err(rejection), other) => {
            let faults = rejection.problem().field_errors();
            prop_assert!((1..=MAX_FAULTS).contains(&faults.len()));
            // What only we refuse: a name twice, too deep, and a fraction that would be lost.
            let ours = |fault: &FieldError| {
                ["duplicate", "depth"].contains(&fault.code) || fault.detail.contains("fraction")
            };
            prop_assert!(other.is_err() || faults.iter().all(ours), "{text}: {faults:?}");
            Ok(None)
        }
    }
}

#[test]
fn changed_texts_are_read_as_by_serde_json_or_refused() {
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2000));
    let ran = runner.run(&changed(), |bytes| {
        let counted = if compared(&bytes)?.is_some() { &accepted } else { &refused };
        counted.set(counted.get() + 1);
        Ok(())
    });
    ran.unwrap();
    let (accepted, refused) = (accepted.get(), refused.get());
    assert!(accepted > 200 && refused > 200, "{accepted} accepted, {refused} refused");
}

proptest! {
    #[test]
    fn what_is_accepted_is_what_serde_json_reads(text in texts()) {
        compared(text.as_bytes())?;
    }

    #[test]
    fn a_number_is_whole_if_it_is_written_so(
        digits in "[1-9][0-9]{0,24}", point in 0_usize..30, exponent in -30_i64..30, negative: bool,
    ) {
        let (before, behind) = digits.split_at(point.min(digits.len()));
        let before = if before.is_empty() { "0" } else { before };
        let behind = if behind.is_empty() { "0" } else { behind };
        let sign = if negative { "-" } else { "" };
        let text = format!("{sign}{before}.{behind}e{exponent}");
        let trimmed = behind.trim_end_matches('0');
        let zeros = format!("{before}{trimmed}");
        let zeros = zeros.len() - zeros.trim_end_matches('0').len();
        let whole = exponent - trimmed.len() as i64 + zeros as i64 >= 0;
        match exact::read(&text) {
            Ok(number) => prop_assert_eq!(is_whole(&number), whole, "{} {}", text, number),
            Err(fault) => prop_assert!(fault == Fault::Fraction && !whole, "{} {:?}", text, fault),
        }
    }

    #[test]
    fn what_was_written_is_read(value in values(), pretty: bool) {
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        prop_assert!(compared(text.as_bytes())?.is_some(), "{text}");
    }
}
