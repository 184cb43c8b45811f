use std::fs;

use super::*;

fn layer(text: &str) -> Layer {
    TomlSource::new("t.toml", text.into()).load().unwrap()
}

fn findings(text: &str) -> Vec<String> {
    layer(text).findings.iter().map(ToString::to_string).collect()
}

#[test]
fn nested_tables_become_dotted_keys_with_places() {
    let text = "[limits.size]\nbody = '10MiB'\nnames = [\"ä\", 1, true, 0.5]\n[log]\n\"ö\" = 1\n";
    let layer = layer(text);
    let (value, origin) = layer.get("limits.size.body").unwrap();
    assert_eq!((value.to_string(), origin.to_string()), ("\"10MiB\"".into(), "t.toml:2:8".into()));
    let (value, _) = layer.get("limits.size.names").unwrap();
    assert_eq!(value.to_string(), r#"["ä", 1, true, 0.5]"#);
    let (_, origin) = layer.get("log.\"ö\"").unwrap();
    assert_eq!(origin.to_string(), "t.toml:5:7");
}

#[test]
fn columns_count_characters() {
    let layer = layer("a = { \"ö\" = 1, b = 2 }");
    assert_eq!(layer.get("a.b").unwrap().1.to_string(), "t.toml:1:20");
}

#[test]
fn bad_syntax_names_its_place_and_the_rest_is_still_read() {
    let text = "a = 1\nb = = 2\nc = 3\na = 4\nd = [1, 2\n";
    let source = layer(text);
    let starts = [
        "t.toml:2:5: b: not valid TOML: extra `=`",
        "t.toml:4:1: a: not valid TOML: duplicate key `a`, keep one",
        "t.toml:5:10: d: not valid TOML: unclosed array",
    ];
    let found = findings(text);
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}");
    }
    let read = ["a", "b", "c"].map(|key| source.get(key).is_some());
    assert_eq!(read, [true, false, true]);
}

#[test]
fn bad_syntax_does_not_show_what_may_be_secret() {
    for text in ["sql = hunter2", "sql = 'hunter2", "sql 'hunter2'", "sql = hunter2 hunter2"] {
        let found = findings(text);
        assert!(found.len() == 1 && !found[0].contains("hunter2"), "{found:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text: String) {
        layer(&text);
    }

    #[test]
    fn any_text_like_toml_is_read_or_refused(text in "[a-c=.,\\[\\]{}'\"0-9xe_#+\n é-]{0,60}") {
        layer(&text);
    }
}

#[test]
fn dates_tables_in_lists_and_huge_numbers_are_findings() {
    let text = "a = 2026-01-01\nb = [{ c = 1 }]\nd = 99999999999999999999\n[[e]]\nf = 1\n";
    let found = findings(text);
    let starts = ["t.toml:1:5: a: ", "t.toml:2:6: b: ", "t.toml:3:5: d: ", "t.toml:4:1: e: "];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}");
    }
}

#[test]
fn a_dot_inside_quotes_is_not_a_path() {
    assert!(layer("\"a.b\" = 1").get("a.b").is_none());
}

#[test]
fn a_deep_or_long_key_is_a_finding_and_not_an_overflow() {
    let deep = format!("{}x = 1", "a.".repeat(100_000));
    assert!(!findings(&deep).is_empty());
    let long = format!("[{}]\nx = 1", "a".repeat(500_000));
    let found = findings(&long);
    assert!(found.len() == 1 && found[0].len() < 100, "{found:?}");
}

#[test]
fn keys_without_end_are_cut_off() {
    let tables: String = (0..MAX_KEYS + 500).map(|i| format!("[t{i}]\n")).collect();
    assert_eq!(layer(&tables).strays.tables.len(), MAX_KEYS);
    let many: String = (0..MAX_KEYS + 500).map(|i| format!("k{i}=1\n")).collect();
    assert_eq!(findings(&many).len(), 1);
    assert_eq!(layer(&many).len(), MAX_KEYS);
}

#[cfg(unix)]
#[test]
fn a_folder_a_pipe_and_a_device_are_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in [dir.path(), &pipe, Path::new("/dev/zero")] {
        let told = TomlSource::read(path).unwrap_err().to_string();
        assert!(told.contains("accepts a file, or a link to one"), "{told}");
    }
    // Kubernetes mounts files as links to links.
    fs::write(dir.path().join("real"), "a = 1").unwrap();
    std::os::unix::fs::symlink("real", dir.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data", dir.path().join("link")).unwrap();
    assert_eq!(TomlSource::read(&dir.path().join("link")).unwrap().text(), "a = 1");
}

#[test]
fn a_line_that_is_no_toml_tells_its_key_where_it_can() {
    for (text, key) in [
        ("a = = 1", "a"),
        ("[t.u]\n\nb = = 1", "t.u.b"),
        ("[t]\n[u\na = 1", "u"),
        ("[t]\n\"q\" = = 1", ""),
        ("[\"t\"]\na = = 1", ""),
        ("words", ""),
    ] {
        assert_eq!(layer(text).findings[0].key, key, "{text}");
    }
}

#[test]
fn an_unreadable_a_large_and_a_binary_file_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gabion.toml");
    let message = || TomlSource::read(&path).unwrap_err().to_string();
    // The whole file is meant, no line of it.
    assert!(message().contains("gabion.toml: cannot be read"), "{}", message());
    fs::write(&path, vec![b'#'; MAX_BYTES + 1]).unwrap();
    assert!(message().contains("larger than 1024 KiB"));
    fs::write(&path, b"a = 1\nb = '\xff'").unwrap();
    assert!(message().contains("gabion.toml:2:6: is not UTF-8"), "{}", message());
    fs::write(&path, "a = 1").unwrap();
    assert_eq!(TomlSource::read(&path).unwrap().text(), "a = 1");
}
