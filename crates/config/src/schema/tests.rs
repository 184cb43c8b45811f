use std::{net::SocketAddr, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{ByteSize, Layers, Rate, Secret, TomlSource, load, reference, settings};

settings! {
    /// Inner.
    struct Inner {
        /// How many.
        live count: u32 = 5, in 1..=9;
        /// Where to.
        restart sql: Secret = Secret::new("hunter2");
    }
}

settings! {
    /// One of each.
    struct Each {
        /// Words.
        live text: String = String::new();
        /// Choice.
        live level: String = String::from("info"), in ["info", "warn"].as_slice();
        /// Names.
        live names: Vec<String> = vec!["a".into()];
        /// A number without a range.
        live port: u16 = 80;
        /// A share.
        live share: f64 = 0.5, in 0.0..=1.0;
        /// On or off.
        live flag: bool = false;
        /// How long.
        live span: Duration = Duration::from_secs(5), in Duration::from_secs(1)..=Duration::from_secs(60);
        /// How big.
        live size: ByteSize = ByteSize::kib(1), in ByteSize::new(100)..=ByteSize::gib(3);
        /// How often.
        live rate: Rate = Rate::per_second(1), in Rate::per_hour(2)..=Rate::per_second(1000);
        /// Where.
        live address: SocketAddr = ([127, 0, 0, 1], 80).into();
        /// Inner.
        section inner: Inner = Inner::default();
    }
}

/// What JSON Schema says of the few words that these schemas use.
fn accepts(schema: &Json, value: &Json) -> bool {
    let is = |wanted: &str| match wanted {
        "string" => value.is_string(),
        // JSON knows no difference between 5 and 5.0.
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    };
    schema.as_object().unwrap().iter().all(|(word, says)| match word.as_str() {
        "type" => match says {
            Json::Array(all) => all.iter().any(|one| is(one.as_str().unwrap())),
            one => is(one.as_str().unwrap()),
        },
        "enum" => says.as_array().unwrap().contains(value),
        "anyOf" => says.as_array().unwrap().iter().any(|one| accepts(one, value)),
        "allOf" => says.as_array().unwrap().iter().all(|one| accepts(one, value)),
        "not" => !accepts(says, value),
        "minimum" => value.as_f64().is_none_or(|value| value >= says.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|value| value <= says.as_f64().unwrap()),
        "pattern" => value
            .as_str()
            .is_none_or(|text| regex::Regex::new(says.as_str().unwrap()).unwrap().is_match(text)),
        "items" => value.as_array().is_none_or(|all| all.iter().all(|one| accepts(says, one))),
        "required" => value.as_object().is_none_or(|object| {
            says.as_array().unwrap().iter().all(|name| object.contains_key(name.as_str().unwrap()))
        }),
        "properties" => value.as_object().is_none_or(|object| {
            object
                .iter()
                .all(|(name, value)| says.get(name).is_none_or(|schema| accepts(schema, value)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|object| {
            assert_eq!(says, false);
            object.keys().all(|name| schema["properties"].get(name).is_some())
        }),
        "description" | "default" | "writeOnly" | "title" | "$schema" | "$id" => true,
        other => panic!("unknown word {other}"),
    })
}

fn schema() -> Json {
    json_schema(&Each::default())
}

/// Whether the schema, and whether `load` accepts a file.
fn judge(text: &str) -> (bool, bool) {
    let loads = load(&Each::default(), Layers::new().with(TomlSource::new("t", text.into())));
    let table: Option<toml::Table> = toml::from_str(text).ok();
    let fits = table.is_some_and(|table| accepts(&schema(), &serde_json::to_value(table).unwrap()));
    (fits, loads.is_ok())
}

#[test]
fn every_key_has_type_range_default_and_description() {
    let schema = schema();
    let inner = &schema["properties"]["inner"];
    assert_eq!(inner["additionalProperties"], false);
    let count = &inner["properties"]["count"];
    assert_eq!(count["type"], json!(["integer", "string"]));
    let told = ["minimum", "maximum", "default"].map(|word| &count[word]);
    assert_eq!(told, [&json!(1), &json!(9), &json!(5)]);
    let description = count["description"].as_str().unwrap();
    assert!(description.contains("How many.") && description.contains("1 to 9"), "{description}");
    let properties = &schema["properties"];
    assert_eq!(properties["level"]["enum"], json!(["info", "warn"]));
    assert_eq!(properties["port"]["maximum"], 65535);
    assert_eq!(properties["share"]["maximum"], 1.0);
    assert_eq!(properties["names"]["default"], json!(["a"]));
    for key in ["$id", "title", "$schema"] {
        assert!(schema[key].is_string(), "{key}");
    }
}

#[test]
fn a_secret_has_a_file_beside_it_and_no_default() {
    assert!(schema()["properties"]["inner"]["properties"]["sql_file"].is_object());
    assert!(!schema().to_string().contains("hunter2"));
    assert_eq!(judge("[inner]\nsql = 'a'\nsql_file = 'b'\n"), (false, false));
}

#[test]
fn the_reference_fits_the_schema() {
    assert_eq!(judge(&reference(&Each::default())), (true, true));
    assert_eq!(judge(""), (true, true));
}

#[test]
fn what_an_editor_can_see_is_refused() {
    for wrong in [
        "txet = 'a'",
        "text = 5",
        "text = { a = 1 }",
        "level = 'loud'",
        "level = ' info'",
        "names = [1]",
        "names = 1",
        "port = 65536",
        "port = -1",
        "port = 1.5",
        "port = 'x'",
        "share = 1.5",
        "share = -0.1",
        "share = 'half'",
        "flag = 'yes'",
        "flag = 1",
        "span = 5",
        "span = '0s'",
        "span = '999ms'",
        "span = '61s'",
        "span = '2m'",
        "span = '1h'",
        "span = '99999999999999999999s'",
        "span = '5 parsecs'",
        "span = '5'",
        "size = '5MB'",
        "size = '1.5MiB'",
        "size = '99B'",
        "size = '0GiB'",
        "size = '4GiB'",
        "rate = '0/s'",
        "rate = '1/h'",
        "rate = '1001/s'",
        "rate = '99999999999/h'",
        "rate = '5/day'",
        "address = 'localhost'",
        "address = '127.0.0.1:99999'",
        "address = '127.0.0.1:65536'",
        "address = '127.0.0.256:80'",
        "address = '127.0.1:80'",
        "address = '[1]:80'",
        "inner = 5",
        "inner.count = 10",
        "inner.count = '10'",
        "inner.count = 2.5",
        "port = '65536'",
        "inner.count = 0",
        "inner.cuont = 1",
        "innre.count = 1",
        "[innre]",
        "[inner.count]",
        "[[inner]]",
    ] {
        assert_eq!(judge(wrong), (false, false), "{wrong}");
    }
}

#[test]
fn what_is_written_unusually_is_accepted_by_both() {
    for good in [
        "port = '+80'",
        "port = ' 80\u{85}'",
        "port = 80.0",
        "port = 1e3",
        "port = '0065535'",
        "inner.count = 9.0",
        "span = '1000ms'",
        "span = '60s'",
        "span = '1m'",
        "size = '100B'",
        "size = '3221225472B'",
        "rate = '2/h'",
        "rate = '60000/min'",
        "address = '255.0.0.1:065535'",
        "share = 1",
        "share = '.5e0'",
        "flag = ' true '",
        "names = 'a, b'",
        "span = ' 005 s '",
        "size = '5 \u{a0}KiB'",
        "rate = ' 5 / min '",
        "address = '[::1]:80'",
        "address = '[fe80::1%7]:80'",
        "[inner]",
        "inner = {}",
    ] {
        assert_eq!(judge(good), (true, true), "{good}");
    }
}

/// Values that are often good, in all the ways a file may spell them.
fn value() -> impl Strategy<Value = String> {
    let space = "[ \u{a0}]{0,1}";
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (-2_i64..12).prop_map(|number| number.to_string()),
        (-10_i32..20).prop_map(|tenths| format!("{:?}", f64::from(tenths) / 10.0)),
        any::<bool>().prop_map(|flag| flag.to_string()),
        (space, 0_u32..70_000, space, "(ms|s|m|h|d|B|KiB|MiB|GiB|/s|/min|/h|)", space)
            .prop_map(|(a, number, b, unit, c)| format!("'{a}{number}{b}{unit}{c}'")),
        "'(info|warn|debug|true|false|[0-9.+:]{0,9}|[a-z ,]{0,6})'".prop_map(|text| text),
        "\\[('[a-z]{0,3}',){0,3}\\]".prop_map(|list| list),
        any::<SocketAddr>().prop_map(|address| format!("'{address}'")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_loads_fits_the_schema(
        key in "(text|level|names|port|share|flag|span|size|rate|address|inner\\.count|inner\\.sql|inner)",
        value in value(),
    ) {
        let text = format!("{key} = {value}\n");
        let (fits, loads) = judge(&text);
        prop_assert!(fits || !loads, "{}", text);
    }

    #[test]
    fn of_what_is_measured_the_schema_takes_what_loads(
        key in "(port|inner\\.count|span|size|rate)",
        number in prop_oneof![0_u64..130, 0_u64..70_000, any::<u64>()],
        rest in "[ \u{a0}]?(ms|s|m|h|d|B|KiB|MiB|GiB|/s|/ min|/h|)",
    ) {
        let text = format!("{key} = '{number}{rest}'\n");
        let (fits, loads) = judge(&text);
        prop_assert_eq!(fits, loads, "{}", text);
    }
}
