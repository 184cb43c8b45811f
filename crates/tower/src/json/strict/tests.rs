use proptest::prelude::*;

use super::*;

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
    let kinds: [(&[u8], &str); 13] = [
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

/// Whether `text` has what only we refuse: a name twice, or too deep.
fn only_ours(text: &str) -> bool {
    let Err(rejection) = parse(text.as_bytes(), 64) else { return false };
    let ours = ["duplicate", "depth"];
    rejection.problem().field_errors().iter().all(|fault| ours.contains(&fault.code))
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let read = parse(&bytes, 8);
        prop_assert_eq!(read.is_ok(), read.is_ok_and(|value| {
            serde_json::from_slice::<Value>(&bytes).is_ok_and(|other| other == value)
        }));
    }

    #[test]
    fn what_is_accepted_is_what_serde_json_reads(text in texts()) {
        match (parse(text.as_bytes(), 64), serde_json::from_str::<Value>(&text)) {
            (Ok(value), Ok(other)) => prop_assert_eq!(value, other),
            (Ok(_), Err(error)) => prop_assert!(false, "{error}: {text}"),
            (Err(_), Ok(_)) => prop_assert!(only_ours(&text), "{text}"),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn what_was_written_is_read(value in values(), pretty: bool) {
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        prop_assert_eq!(parse(text.as_bytes(), 64).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
    }
}
