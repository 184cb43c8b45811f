//! Configuration files: any text is loaded or refused with findings, and what was loaded reads the same
//! when it is written down.

#![no_main]

use gabion_config::{Layers, TomlSource, load};
use gabion_server::settings::ServerSettings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // A secret may be given as a file's path; no path of a fuzzer's is opened.
    if text.contains("_file") {
        return;
    }
    let loaded = match read(text) {
        Ok(loaded) => loaded,
        Err(findings) => {
            assert!(!findings.is_empty());
            // About one for each key or line, and none of them endless.
            assert!(findings.len() <= text.len() + 200);
            assert!(findings.iter().all(|finding| finding.to_string().len() < 4096 + text.len()));
            return;
        }
    };
    // Secrets are shown as `***` and so cannot be read again.
    let shown = loaded.entries.iter().filter(|entry| !entry.to_string().contains("***"));
    let lines: Vec<String> =
        shown.map(|entry| format!("{} = {}", entry.key, entry.value)).collect();
    let again = read(&lines.join("\n")).unwrap_or_else(|findings| panic!("{findings:?}"));
    for (one, other) in loaded.entries.iter().zip(&again.entries) {
        assert!(one.value == other.value || one.to_string().contains("***"), "{one}\n{other}");
    }
});

type Read = Result<gabion_config::Loaded<ServerSettings>, Vec<gabion_config::Finding>>;

fn read(text: &str) -> Read {
    let file = TomlSource::new("fuzz.toml", text.to_owned());
    load(&ServerSettings::default(), Layers::new().with(file))
}
