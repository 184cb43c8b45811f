//! The same mistakes in a file, in the environment and in flags.

use serde_json::{Value, json};

use crate::server::{Finished, Home, finish};

/// What `gabion config check --json` says of mistakes.
#[track_caller]
fn findings(home: &Home, arguments: &[&str], variables: &[(&str, &str)]) -> Vec<Value> {
    let mut command = home.bare(&[&["config", "check", "--json"], arguments].concat());
    command.envs(variables.iter().copied());
    let Finished { code, stdout, stderr } = finish(command, "");
    assert_eq!((code, stderr.as_str()), (Some(2), ""), "{stdout}");
    let told: Value = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}"));
    let findings = told["findings"].as_array().expect("findings").clone();
    assert_eq!(told["mistakes"], findings.len());
    findings
}

/// Exactly these mistakes: key, origin, and a part of the message that says what to do.
#[track_caller]
fn expect(findings: &[Value], expected: &[(&str, Value, &str)]) {
    let mut left: Vec<&Value> = findings.iter().collect();
    for (key, origin, remedy) in expected {
        let at = left.iter().position(|it| it["key"] == *key && it["origin"] == *origin);
        let at = at.unwrap_or_else(|| panic!("{key} at {origin} is not in {findings:#?}"));
        let found = left.remove(at);
        let message = found["message"].as_str().expect("a message");
        assert!(message.contains(remedy), "{remedy} is not in {found:#}");
    }
    assert!(left.is_empty(), "{left:#?}");
}

const FILE: &str = r#"[server]
listn = "127.0.0.1:80"
http2 = 5
admin_listen = "nowhere"
[limits.size]
body = "10MB"
[limits.rate]
address = 5
[log]
level = "loud"
[cache]
entries = 5
entries = 6
[cache.ttl]
x = 1
[store]
sql_file = "/nonexistent/secret"
[auth.password]
min_strength = 9
min_length = 300
max_length = 200
memory = = "19MiB"
"#;

#[test]
fn twelve_mistakes_in_a_file_are_told_with_line_and_column() {
    let home = Home::new();
    let file = home.write("gabion.toml", FILE);
    let at = |line: u32, column: u32| -> Value {
        json!({"kind": "file", "file": file, "line": line, "column": column})
    };
    let found = findings(&home, &["--config", &file], &[]);
    expect(
        &found,
        &[
            ("server.listn", at(2, 9), "did you mean server.listen?"),
            ("server.http2", at(3, 9), "accepts true or false"),
            ("server.admin_listen", at(4, 16), "accepts an address and port"),
            ("limits.size.body", at(6, 8), "accepts a size as 512B"),
            ("limits.rate.address", at(8, 11), "is a table, with keys as"),
            ("log.level", at(10, 9), "error, warn, info"),
            ("cache.entries", at(13, 1), "keep one of them"),
            ("cache.ttl.x", at(15, 5), "lies below cache.ttl, which is a value"),
            ("store.sql_file", at(17, 12), "accepts a file that this user may read"),
            ("auth.password.min_strength", at(19, 16), "0 to 4"),
            ("auth.password.min_length", at(20, 14), "accepts at most"),
            ("auth.password.memory", at(22, 10), "expected nothing"),
        ],
    );
    let unknown = found.iter().find(|it| it["key"] == "server.listn").expect("it is there");
    assert_eq!(unknown["nearest"], "server.listen");
    assert!(unknown.get("value").is_none(), "{unknown}");
}

#[test]
fn the_same_mistakes_in_the_environment_name_the_variables() {
    let variables = [
        ("GABION_SERVER__LISTN", "127.0.0.1:80"),
        ("GABION_SERVER__HTTP2", "5"),
        ("GABION_SERVER__ADMIN_LISTEN", "nowhere"),
        ("GABION_LIMITS__SIZE__BODY", "10MB"),
        ("GABION_LIMITS__RATE__ADDRESS", "5"),
        ("GABION_LOG__LEVEL", "loud"),
        ("GABION_CACHE__ENTRIES", "5"),
        ("GABION_CACHE__entries", "6"),
        ("GABION_CACHE__TTL__X", "1"),
        ("GABION_STORE__SQL_FILE", "/nonexistent/secret"),
        ("GABION_AUTH__PASSWORD__MIN_STRENGTH", "9"),
        ("GABION_AUTH__PASSWORD__MIN_LENGTH", "300"),
        ("GABION_LIMITS_SIZE_HEAD", "1KiB"),
        // Not ours.
        ("GABION_SERVICE_HOST", "10.0.0.1"),
        ("GABION_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("GABION_LOG", "x"),
    ];
    let at = |variable: &str| json!({"kind": "environment", "variable": variable});
    let found = findings(&Home::new(), &[], &variables);
    expect(
        &found,
        &[
            (
                "server.listn",
                at("GABION_SERVER__LISTN"),
                "did you mean server.listen? (GABION_SERVER__LISTEN)",
            ),
            ("server.http2", at("GABION_SERVER__HTTP2"), "accepts true or false"),
            (
                "server.admin_listen",
                at("GABION_SERVER__ADMIN_LISTEN"),
                "accepts an address and port",
            ),
            ("limits.size.body", at("GABION_LIMITS__SIZE__BODY"), "accepts a size as 512B"),
            ("limits.rate.address", at("GABION_LIMITS__RATE__ADDRESS"), "is a table, with keys as"),
            ("log.level", at("GABION_LOG__LEVEL"), "error, warn, info"),
            ("cache.entries", at("GABION_CACHE__entries"), "keep one of them"),
            ("cache.ttl.x", at("GABION_CACHE__TTL__X"), "lies below cache.ttl"),
            (
                "store.sql_file",
                at("GABION_STORE__SQL_FILE"),
                "accepts a file that this user may read",
            ),
            ("auth.password.min_strength", at("GABION_AUTH__PASSWORD__MIN_STRENGTH"), "0 to 4"),
            (
                "auth.password.min_length",
                at("GABION_AUTH__PASSWORD__MIN_LENGTH"),
                "accepts at most",
            ),
            (
                "limits.size.head",
                at("GABION_LIMITS_SIZE_HEAD"),
                "did you mean GABION_LIMITS__SIZE__HEAD?",
            ),
        ],
    );
}

#[test]
fn the_same_mistakes_in_flags_name_the_flags() {
    let sets = [
        "server.listn=127.0.0.1:80",
        "server.http2=5",
        "server.admin_listen=nowhere",
        "limits.size.body=10MB",
        "limits.rate.address=5",
        "log.level=loud",
        "cache.ttl.x=1",
        "store.sql_file=/nonexistent/secret",
        "auth.password.min_strength=9",
        "auth.password.min_length=300",
        "limits.size.head:1KiB",
    ];
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let at = |key: &str| json!({"kind": "flag", "flag": format!("--set {key}")});
    let found = findings(&Home::new(), &arguments, &[]);
    expect(
        &found,
        &[
            ("server.listn", at("server.listn"), "did you mean server.listen?"),
            ("server.http2", at("server.http2"), "accepts true or false"),
            ("server.admin_listen", at("server.admin_listen"), "accepts an address and port"),
            ("limits.size.body", at("limits.size.body"), "accepts a size as 512B"),
            ("limits.rate.address", at("limits.rate.address"), "is a table, with keys as"),
            ("log.level", at("log.level"), "error, warn, info"),
            ("cache.ttl.x", at("cache.ttl.x"), "lies below cache.ttl"),
            ("store.sql_file", at("store.sql_file"), "accepts a file that this user may read"),
            ("auth.password.min_strength", at("auth.password.min_strength"), "0 to 4"),
            ("auth.password.min_length", at("auth.password.min_length"), "accepts at most"),
            ("limits.size.head", at("limits.size.head"), "is not key=value"),
        ],
    );
}

#[test]
fn without_a_mistake_there_are_no_findings() {
    let told = finish(Home::new().bare(&["config", "check", "--json"]), "").json();
    assert_eq!((&told["mistakes"], &told["findings"]), (&json!(0), &json!([])));
}

#[test]
fn every_value_is_shown_with_its_place() {
    let home = Home::new();
    let file = home.write("gabion.toml", "\n[limits.size]\n  body = '1MiB'\n");
    let mut command = home.bare(&["config", "show", "--config", &file, "--set", "log.level=warn"]);
    command.env("GABION_CACHE__ENTRIES", "7");
    let told = finish(command, "").good();
    for line in [
        format!("limits.size.body = \"1MiB\"  # {file}:3:10"),
        "cache.entries = 7  # environment GABION_CACHE__ENTRIES".to_owned(),
        "log.level = \"warn\"  # --set log.level".to_owned(),
        "server.http2 = true  # default".to_owned(),
    ] {
        assert!(told.lines().any(|told| told == line), "{line} is not in\n{told}");
    }
}

#[test]
fn the_reference_is_good_and_says_what_holds_without_a_file() {
    let home = Home::new();
    let reference = finish(home.bare(&["config", "reference"]), "").good();
    let file = home.write("reference.toml", &reference);
    finish(home.bare(&["config", "check", "--config", &file]), "").good();
    let values = |arguments: &[&str]| -> Vec<(Value, Value)> {
        let shown = finish(home.bare(arguments), "").json();
        let entries = shown.as_array().expect("entries").iter();
        entries.map(|entry| (entry["key"].clone(), entry["value"].clone())).collect()
    };
    let defaults = values(&["config", "show", "--json"]);
    assert!(defaults.len() > 60, "{}", defaults.len());
    assert_eq!(values(&["config", "show", "--json", "--config", &file]), defaults);
    // Each key is told with what it accepts, and whether a change holds at once.
    let told = reference.lines().filter(|line| {
        line.starts_with("# Accepts ")
            && (line.ends_with("A reload applies a change.")
                || line.ends_with("A change needs a restart."))
    });
    assert_eq!(told.count(), defaults.len());
}

#[test]
fn the_schema_knows_every_key_with_its_range() {
    let schema = finish(Home::new().bare(&["config", "schema"]), "").json();
    let shown = finish(Home::new().bare(&["config", "show", "--json"]), "").json();
    for entry in shown.as_array().expect("entries") {
        let key = entry["key"].as_str().expect("a key");
        let path = key.replace('.', "/properties/");
        let property = schema.pointer(&format!("/properties/{path}"));
        let property = property.unwrap_or_else(|| panic!("{key} is not in the schema"));
        assert!(property["description"].as_str().is_some_and(|it| it.contains("Accepts")), "{key}");
    }
    let strength =
        &schema["properties"]["auth"]["properties"]["password"]["properties"]["min_strength"];
    assert_eq!((&strength["minimum"], &strength["maximum"]), (&json!(0), &json!(4)));
    let level = &schema["properties"]["log"]["properties"]["level"]["enum"];
    assert_eq!(level, &json!(["error", "warn", "info", "debug", "trace"]));
    assert!(schema["$id"].is_string() && schema["title"].is_string());
}
