//! Redaction: no credentials get through and nothing that drives a terminal, whatever stands around them.

#![no_main]

use gabion_errors::redact;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "hunter2hunter2";
/// What a text may hold of it; in the input's place of `#`.
const PLANTED: [&str; 5] = [
    "",
    "Bearer hunter2hunter2",
    "eyJhbGciOiJIUzI1NiJ9.hunter2hunter2.c2ln",
    "grt.hunter2hunter2.1.mac",
    "postgres://app:hunter2hunter2@db",
];

fuzz_target!(|text: &str| {
    // A text that brings the word along proves nothing about the planted one.
    if text.contains(SECRET) {
        return;
    }
    for planted in PLANTED {
        let text = text.replacen('#', planted, 1);
        let clean = redact(&text);
        // Two halves around nothing make the word, and no secret.
        assert!(planted.is_empty() || !clean.contains(SECRET), "{text:?} became {clean:?}");
        let dangerous = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!clean.contains(dangerous), "{text:?} became {clean:?}");
        assert!(clean.len() <= 12 * text.len());
    }
});
