//! What the log tells of what was provoked.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answered, CANARY};

/// Codes whose cause the operator has to know.
const FAILURES: [(&str, &str); 3] =
    [("internal", "ERROR"), ("dependency-unavailable", "WARN"), ("deadline-exceeded", "WARN")];

/// The lines of a log that tell why a request failed, by its id.
pub(super) struct Log {
    text: String,
    causes: BTreeMap<String, Vec<Value>>,
}

impl Log {
    pub(super) fn new(text: &str) -> Self {
        let mut causes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if line["target"] == "gabion::error" {
                let id = line["request_id"].as_str().unwrap_or_default().to_owned();
                causes.entry(id).or_default().push(line);
            }
        }
        Self { text: text.to_owned(), causes }
    }

    /// Failures are told once, with their cause, under the id that the client was given; refusals are
    /// nothing to be warned of.
    #[track_caller]
    pub(super) fn check(&self, answered: &[Answered]) {
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for Answered { row, request_id } in answered {
            let lines = self.causes.get(request_id).map(Vec::as_slice).unwrap_or_default();
            assert!(lines.len() <= 1, "{}: {lines:?}", row.name);
            *told.entry(row.name).or_default() += lines.len();
            let failure = FAILURES.iter().find(|(code, _)| *code == row.code);
            for line in lines {
                assert_eq!(line["code"], row.code, "{line}");
                let level = failure.map_or("DEBUG", |(_, level)| level);
                assert_eq!(line["level"], level, "{line}");
                if failure.is_some() {
                    let given = |name: &str| line[name].as_str().is_some_and(|it| !it.is_empty());
                    assert!(given("route"), "no route in {line}");
                    // A deadline ends whatever is under way.
                    let late = row.code == "deadline-exceeded";
                    assert!(given("operation"), "no operation in {line}");
                    assert!(late || given("cause"), "no cause in {line}");
                }
            }
        }
        // Lines that repeat themselves may be left out, and the first one may not.
        for Answered { row, .. } in answered {
            let failed = FAILURES.iter().any(|(code, _)| *code == row.code);
            assert!(!failed || told[row.name] > 0, "nothing is told of {}", row.name);
        }
        for line in self.text.lines() {
            // The access line says which path was asked for, and by which method.
            let mut line = serde_json::from_str(line).unwrap_or_else(|_| json!({"text": line}));
            if line["target"] == "gabion::access" {
                line["path"].take();
                line["method"].take();
            }
            let told = line.to_string();
            assert!(!told.to_lowercase().contains(CANARY), "{told}");
        }
    }
}
