use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Answer, Parameter, RouteContract};

const fn parameter(name: &'static str, required: bool, schema: fn() -> Value) -> Parameter {
    Parameter { name, required, schema, summary: "" }
}

static SEARCH: RouteContract = {
    let mut contract = RouteContract::open("/search/{room}/{*rest}", "search");
    contract.parameters = &[
        parameter("room", true, || json!({"type": "integer", "minimum": 1})),
        parameter("word", true, || json!({"type": "string", "minLength": 1, "maxLength": 8})),
        parameter("limit", false, || json!({"type": ["integer", "null"], "maximum": 500})),
        parameter("ratio", false, || json!({"type": "number", "exclusiveMinimum": 0})),
        parameter("exact", false, || json!({"type": "boolean"})),
        parameter("order", false, || json!({"enum": ["up", "down"]})),
        parameter("any", false, || json!({})),
    ];
    contract
};

fn ask(query: &str, room: &str) -> Result<Params, Vec<String>> {
    let path = [("room", room.to_owned()), ("rest", "x".to_owned())];
    let read = Declared::compile(&SEARCH).unwrap().read(query, &path);
    read.map_err(|rejection| {
        let problem = rejection.problem();
        assert_eq!(problem.code(), "invalid-request");
        let faults = problem.field_errors().iter();
        faults.map(|fault| format!("{} {} {}", fault.pointer, fault.code, fault.detail)).collect()
    })
}

#[test]
fn values_have_the_types_of_their_schemas() {
    let query = "word=a+b%26&limit=5.0&ratio=1e-1&exact=true&order=up&any=1&";
    let read = ask(query, "7").unwrap();
    assert_eq!(read.integer("room"), Some(7));
    assert_eq!(read.text("word"), Some("a b&"));
    assert_eq!(read.unsigned("limit"), Some(5));
    assert_eq!(read.number("ratio"), Some(0.1));
    assert_eq!(read.flag("exact"), Some(true));
    assert_eq!(read.text("order"), Some("up"));
    assert_eq!(read.text("any"), Some("1"));
    assert_eq!(read.get("rest"), None);
    assert_eq!(ask("word=1", "7").unwrap().get("limit"), None);
}

#[test]
fn every_fault_of_path_and_query_is_told_at_once() {
    let query = "limit=501&limit=2&ratio=0&exact=yes&order=sideways&wrod=x&%66oo=1&any=%zz&%ff=1";
    assert_eq!(
        ask(query, "x").unwrap_err(),
        [
            "/path/room type must be integer",
            "/query/limit range must be at most 500",
            "/query/limit duplicate stands more than once",
            "/query/ratio range must be more than 0",
            "/query/exact type must be true or false",
            "/query/order choice must be one of \"up\", \"down\"",
            "/query/wrod unknown is not known, did you mean word?",
            "/query/foo unknown is not known; known are word, limit, ratio, exact, order, any",
            "/query/any encoding is not percent-encoded UTF-8",
            "/query encoding has a name that is not percent-encoded UTF-8",
            "/query/word missing is required",
        ]
    );
}

#[test]
fn a_number_is_written_as_in_json() {
    for good in ["0", "-1", "500", "5e1", "499.0", "-0"] {
        assert!(ask(&format!("word=a&limit={good}"), "1").is_ok(), "{good}");
    }
    for bad in ["", "+1", "01", "0x1", "1_0", "%201", "1%20", "1e400", "one", "1.5", "NaN", "true"]
    {
        let told = ask(&format!("word=a&limit={bad}"), "1").unwrap_err();
        assert!(told.len() == 1 && told[0].starts_with("/query/limit type"), "{bad} {told:?}");
    }
}

#[test]
fn a_flood_of_names_is_answered_with_few() {
    let query: String = (0..20_000).map(|i| format!("{i}&")).collect();
    assert_eq!(ask(&query, "1").unwrap_err().len(), 64);
    let query = "limit=1&".repeat(20_000);
    assert_eq!(ask(&query, "1").unwrap_err().len(), 2);
}

#[test]
fn a_name_that_is_repeated_is_written_down_once() {
    use crate::json::written::during;

    let unknown = "word=a&".to_owned() + &"limitt&".repeat(1150);
    for query in [&unknown, &"word=a&".repeat(1150), &format!("word=a&{}", "%ff&".repeat(1150))] {
        let (told, written) = during(|| ask(query, "1").unwrap_err());
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(written <= 2, "{written}: {told:?}");
    }
    let strangers: String = (0..1000).map(|i| format!("{}{i}&", "x".repeat(64))).collect();
    let (told, written) = during(|| ask(&strangers, "1").unwrap_err());
    assert_eq!(told.len(), 64);
    assert!(written <= 128, "{written}");
}

#[test]
fn an_integer_is_exact_or_refused() {
    let limit = |text: &str| ask(&format!("word=a&limit={text}"), "1");
    assert_eq!(
        limit("-9007199254740993.0").unwrap().integer("limit"),
        Some(-9_007_199_254_740_993)
    );
    for bad in ["1.00000000000000001", "-9007199254740993.5", "1e-400"] {
        assert_eq!(limit(bad).unwrap_err()[0].split(' ').nth(1), Some("type"), "{bad}");
    }
    let beyond = limit("-9223372036854775809").unwrap_err();
    assert_eq!(beyond, ["/query/limit range must be -9223372036854775808 to 500"]);
}

#[test]
fn what_answers_text_takes_any_query_and_nothing_else_does() {
    static PAGE: RouteContract = {
        let mut contract = RouteContract::open("/", "page");
        contract.answer = Answer { media: "text/html; charset=utf-8", ..contract.answer };
        contract
    };
    static PLAIN: RouteContract = RouteContract::open("/plain", "plain");
    let takes = |contract| Declared::compile(contract).unwrap().read("utm_source=x", &[]).is_ok();
    assert!(takes(&PAGE) && !takes(&PLAIN));
    assert!(Declared::compile(&PLAIN).unwrap().read("", &[]).is_ok());
}

#[test]
fn a_parameter_that_nothing_can_check_is_refused_at_the_start() {
    static LISTS: RouteContract = {
        let mut contract = RouteContract::open("/", "lists");
        contract.parameters = &[parameter("ids", false, || json!({"type": "array"}))];
        contract
    };
    static STRANGE: RouteContract = {
        let mut contract = RouteContract::open("/", "strange");
        contract.parameters = &[parameter("id", false, || json!({"multipleOf": 3}))];
        contract
    };
    let told = |contract| {
        let error = Declared::compile(contract).unwrap_err();
        format!("{error}: {}", error.source)
    };
    assert!(told(&LISTS).contains("the parameter ids") && told(&LISTS).contains("\"type\""));
    assert!(told(&STRANGE).contains("\"multipleOf\""), "{}", told(&STRANGE));
}

proptest! {
    #[test]
    fn any_query_is_read_or_refused_within_bounds(query in "[a-z0-9%&=+;é\\x00-\\x1f]{0,200}") {
        if let Err(told) = ask(&query, "1") {
            prop_assert!(!told.is_empty() && told.len() <= 64);
            prop_assert!(told.iter().all(|fault| fault.len() < 2048));
        }
    }

    #[test]
    fn an_encoded_text_is_the_text(text in "\\PC{1,8}") {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let read = ask(&format!("word={encoded}"), "1").unwrap();
        prop_assert_eq!(read.text("word"), Some(text.as_str()));
    }
}
