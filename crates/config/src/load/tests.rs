use std::time::Duration;

use super::*;
use crate::{ByteSize, EnvSource, FlagSource, Rate, TomlSource, settings};

settings! {
    /// How many.
    struct Quota {
        /// How often.
        live quota: Rate = Rate::per_second(100), in Rate::per_hour(1)..=Rate::per_second(10_000_000);
        /// How many at once.
        live burst: u32 = 200, in 1..=1_000_000;
    }
}

settings! {
    /// A server.
    struct Server {
        /// Where to listen.
        restart listen: std::net::SocketAddr = ([127, 0, 0, 1], 8080).into();
        /// Speaks HTTP/2.
        restart http2: bool = true;
        /// Largest body.
        live body: ByteSize = ByteSize::mib(10), in ByteSize::new(1)..=ByteSize::gib(64);
        /// Time for a head.
        live head: Duration = Duration::from_secs(10), in Duration::from_millis(1)..=Duration::from_secs(3600);
        /// Share of the cores.
        live cpu: f64 = 0.6, in 0.01..=1.0;
        /// Words.
        live level: String = String::from("info"), in ["debug", "info", "warn"].as_slice();
        /// Names.
        live hosts: Vec<String> = Vec::new();
        /// Address of the store.
        restart sql: Secret = Secret::default();
        /// Limit.
        section rate: Quota = Quota::default();
    }
}

fn file(text: &str) -> Layers {
    Layers::new().with(TomlSource::new("gabion.toml", text.into()))
}

fn mistakes(layers: Layers) -> Vec<String> {
    load(&Server::default(), layers).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn each_mistake_in_one_file_is_a_finding_with_key_place_and_remedy() {
    let text = r#"listen = "localhost"
http2 = "perhaps"
body = "10MB"
head = "2h"
cpu = 2.5
level = "loud"
hosts = [1]
sql = 17
lsten = "hunter2"
[rate]
quota = "0/s"
burst = 2000-01-01
"#;
    let found = mistakes(file(text));
    let expected = [
        ("gabion.toml:1:10: listen = \"localhost\": ", "an address and port"),
        ("gabion.toml:2:9: http2 = \"perhaps\": ", "true or false"),
        ("gabion.toml:3:8: body = \"10MB\": ", "1B to 64GiB"),
        ("gabion.toml:4:8: head = \"2h\": ", "1ms to 1h"),
        ("gabion.toml:5:7: cpu = 2.5: ", "0.01 to 1.0"),
        ("gabion.toml:6:9: level = \"loud\": ", "debug, info, warn"),
        ("gabion.toml:7:9: hosts = [1]: ", "a list of texts"),
        ("gabion.toml:8:7: sql = ***: ", "text"),
        ("gabion.toml:9:9: lsten: ", "did you mean listen?"),
        ("gabion.toml:11:9: rate.quota = \"0/s\": ", "a rate as"),
        ("gabion.toml:12:9: rate.burst: ", "text needs quotes"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, (start, remedy)) in found.iter().zip(expected) {
        assert!(found.starts_with(start) && found.contains(remedy), "{found}");
    }
}

#[test]
fn mistakes_of_all_layers_come_in_the_order_of_the_layers() {
    let layers = file("level = 'loud'\n[rate]\nburst = 0\n[server]\nb = 1\n")
        .with(FlagSource::new(&["cpu=x".to_owned(), "body".to_owned()]))
        .with(EnvSource::new([("GABION_RATE__QUOTA".to_owned(), "fast".to_owned())]));
    let places: Vec<_> = load(&Server::default(), layers).unwrap_err();
    let places: Vec<_> = places.iter().map(|finding| finding.origin.to_string()).collect();
    assert_eq!(
        places,
        [
            "gabion.toml:1:9",
            "gabion.toml:3:9",
            "gabion.toml:5:5",
            "environment GABION_RATE__QUOTA",
            "--set body",
            "--set cpu",
        ],
    );
}

#[test]
fn every_key_is_listed_with_value_and_origin() {
    let layers = file("body = '2048KiB'\nsql = 'hunter2'")
        .with(EnvSource::new([("GABION_RATE__BURST".to_owned(), "7".to_owned())]));
    let loaded = load(&Server::default(), layers).unwrap();
    assert_eq!(loaded.settings.rate.burst, 7);
    assert_eq!(loaded.settings.sql.expose(), "hunter2");
    let shown: Vec<_> = loaded.entries.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "listen = \"127.0.0.1:8080\"  # default",
            "http2 = true  # default",
            "body = \"2MiB\"  # gabion.toml:1:8",
            "head = \"10s\"  # default",
            "cpu = 0.6  # default",
            "level = \"info\"  # default",
            "hosts = []  # default",
            "sql = \"***\"  # gabion.toml:2:7",
            "rate.quota = \"100/s\"  # default",
            "rate.burst = 7  # environment GABION_RATE__BURST",
        ],
    );
}

#[test]
fn entries_serialize_for_the_admin_interface() {
    let loaded = load(&Server::default(), file("cpu = 0.5")).unwrap();
    let cpu = serde_json::to_value(&loaded.entries[4]).unwrap();
    let expected = serde_json::json!({
        "key": "cpu", "value": 0.5, "origin": "gabion.toml:1:7", "change": "live",
    });
    assert_eq!(cpu, expected);
}

#[test]
fn a_wrong_value_that_a_later_layer_replaces_does_no_harm() {
    let layers = file("cpu = 'x'").with(FlagSource::new(&["cpu=0.5".to_owned()]));
    assert!(load(&Server::default(), layers).is_ok());
}

#[test]
fn a_value_where_a_table_belongs_names_a_key_of_the_table() {
    let found = mistakes(file("rate = 5"));
    assert!(found[0].contains("is a table, with keys as rate.burst"), "{found:?}");
}

#[test]
fn a_secret_from_a_file_is_as_hidden_as_any() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sql");
    std::fs::write(&path, "postgres://u:hunter2@h/d\n").unwrap();
    let flags = FlagSource::new(&[format!("sql_file={}", path.display())]);
    let loaded = load(&Server::default(), Layers::new().with(flags)).unwrap();
    assert_eq!(loaded.settings.sql.expose(), "postgres://u:hunter2@h/d");
    assert!(!format!("{loaded:?}").contains("hunter2"));
    assert_eq!(loaded.entries[7].to_string(), "sql = \"***\"  # --set sql_file");
}

#[test]
fn a_check_is_asked_beside_other_mistakes_and_its_findings_take_their_place() {
    let layers = file("hosts = ['a', 'b']\nlevel = 'loud'\n");
    let found = load_checked(&Server::default(), layers, |settings, checks| {
        assert!(checks.are_known(&["hosts"]) && !checks.are_known(&["hosts", "level"]));
        assert!(checks.is_set("hosts") && !checks.is_set("cpu"));
        checks.refuse("cpu", "is too much, accepts less");
        checks.refuse_item("hosts", &settings.hosts[1], "is not ours, accepts a");
    });
    let found: Vec<_> = found.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(found[0], "default: cpu = 0.6: is too much, accepts less");
    assert_eq!(found[1], "gabion.toml:1:9: hosts = \"b\": is not ours, accepts a");
    assert!(found[2].starts_with("gabion.toml:2:9: level"), "{found:?}");
}

#[test]
fn what_a_source_could_not_say_is_not_known() {
    let found =
        load_checked(&Server::default(), file("level = 'warn'\nhosts = [\n"), |_, checks| {
            assert!(checks.are_known(&["level"]));
            assert!(!checks.are_known(&["level", "cpu"]));
        });
    assert_eq!(found.unwrap_err().len(), 1);
}

#[test]
fn a_variable_that_is_a_key_in_all_but_its_spelling_is_a_mistake() {
    let names = ["GABION_RATE_QUOTA", "gabion_rate__burst", "GABION_RATE__BRST"];
    let others = [
        "GABION_RATE",
        "GABION_SERVICE_HOST",
        "GABION_CONFIG",
        "GABION_CPU",
        "RATE_QUOTA",
        "GABION_",
    ];
    let vars = names.iter().chain(&others).map(|name| ((*name).to_owned(), "1".to_owned()));
    let layers = Layers::new().with(EnvSource::new(vars));
    let found = load(&Server::default(), layers).unwrap_err();
    let told: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "environment GABION_RATE_QUOTA: rate.quota: sets nothing as it is spelled, did you mean \
             GABION_RATE__QUOTA?",
            "environment GABION_RATE__BRST: rate.brst: is not a known key, did you mean rate.burst? \
             (GABION_RATE__BURST)",
            "environment gabion_rate__burst: rate.burst: sets nothing as it is spelled, did you mean \
             GABION_RATE__BURST?",
        ],
    );
}

#[test]
fn a_table_where_there_is_none_is_a_mistake_even_without_a_key() {
    let found = mistakes(file("[rat]\n[cpu]\n[rate]\n[level.x]\ny = 1\n"));
    assert_eq!(
        found,
        [
            "gabion.toml:1:2: rat: is not a known table, did you mean [rate]?",
            "gabion.toml:2:2: cpu: is a value and no table, write it as cpu = …",
            "gabion.toml:5:5: level.x.y: lies below level, which is a value and no table",
        ],
    );
}

#[test]
fn a_finding_serializes_with_the_parts_of_its_place() {
    let vars = [("GABION_RATE__QUOTA".to_owned(), "fast".to_owned())];
    let layers = file("\n leve = 1\n")
        .with(EnvSource::new(vars))
        .with(FlagSource::new(&["cpu=x".to_owned()]))
        .with(TomlSource::read("/nonexistent/a.toml".as_ref()));
    let found = serde_json::to_value(load(&Server::default(), layers).unwrap_err()).unwrap();
    let origins: Vec<_> = found.as_array().unwrap().iter().map(|it| it["origin"].clone()).collect();
    assert_eq!(
        origins,
        [
            serde_json::json!({"kind": "file", "file": "/nonexistent/a.toml"}),
            serde_json::json!({"kind": "file", "file": "gabion.toml", "line": 2, "column": 9}),
            serde_json::json!({"kind": "environment", "variable": "GABION_RATE__QUOTA"}),
            serde_json::json!({"kind": "flag", "flag": "--set cpu"}),
        ],
    );
    assert_eq!(found[1]["nearest"], "level");
    assert_eq!((&found[2]["value"], &found[2]["nearest"]), (&"\"fast\"".into(), &().into()));
}

#[test]
fn a_refusal_of_a_running_part_is_told_with_value_and_place() {
    let loaded = load(&Server::default(), file("\nhead = '7s'")).unwrap();
    let refused = Refused(vec![Refusal::new("head", "is too short for now, accepts 8s")]);
    let told = loaded.findings(&refused)[0].to_string();
    assert_eq!(told, "gabion.toml:2:8: head = \"7s\": is too short for now, accepts 8s");
}
