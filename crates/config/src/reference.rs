use std::fmt::Write as _;

use crate::{Change, Key, Settings, Value};

/// A TOML file with every key at its default, each below a comment that tells what it is, what it
/// accepts and whether a change needs a restart.
///
/// Loaded, it gives exactly `defaults`. A secret with a default is commented out, since it is not
/// shown.
#[must_use]
pub fn reference(defaults: &impl Settings) -> String {
    let mut keys = Vec::new();
    defaults.declare("", &mut keys);
    let mut text = String::new();
    for (table, keys) in &tables(&keys) {
        if !table.is_empty() {
            line(&mut text, format_args!("[{table}]"));
        }
        for (name, key) in keys {
            for doc in key.doc.iter().flat_map(|doc| doc.lines()) {
                line(&mut text, format_args!("#{}", doc.trim_end()));
            }
            line(&mut text, format_args!("# {}", note(name, key)));
            let hidden = key.secret && key.default != Value::Text(String::new());
            let mark = if hidden { "# " } else { "" };
            line(&mut text, format_args!("{mark}{name} = {}", key.default));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The keys by table, both in the order of declaration; keys of no table must come first in TOML.
fn tables(keys: &[Key]) -> Vec<(&str, Vec<(&str, &Key)>)> {
    let mut tables: Vec<(&str, Vec<_>)> = Vec::new();
    for key in keys {
        let (table, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        match tables.iter_mut().find(|(other, _)| *other == table) {
            Some((_, keys)) => keys.push((name, key)),
            None => tables.push((table, vec![(name, key)])),
        }
    }
    tables.sort_by_key(|(table, _)| !table.is_empty());
    tables
}

fn note(name: &str, key: &Key) -> String {
    let file = if key.secret {
        format!(", or {name}_file with the path of a file that holds it")
    } else {
        String::new()
    };
    let change = match key.change {
        Change::Live => "A reload applies a change.",
        Change::Restart => "A change needs a restart.",
    };
    format!("Accepts {}{file}. {change}", key.accepts)
}

#[expect(clippy::unwrap_used, reason = "writing to a String cannot fail")]
fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").unwrap();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{ByteSize, Layers, Rate, Secret, TomlSource, load, settings};

    settings! {
        /// Inner.
        struct Inner {
            /// How long.
            live wait: Duration = Duration::from_secs(60), in Duration::from_millis(1)..=Duration::from_secs(3600);
            /// Where to.
            restart sql: Secret = Secret::default();
        }
    }

    settings! {
        /// Every type.
        struct Outer {
            /// A group before its siblings.
            section inner: Inner = Inner::default();
            /// Free words,
            /// in two lines.
            live words: String = String::from("a"), in ["a", "b"].as_slice();
            /// Same again.
            section again: Inner = Inner { wait: Duration::from_millis(1500), sql: Secret::default() };
        }
    }

    #[test]
    fn each_key_stands_in_its_table_below_its_comment() {
        let text = reference(&Outer::default());
        let expected = r#"# Free words,
# in two lines.
# Accepts text: a, b. A reload applies a change.
words = "a"

[inner]
# How long.
# Accepts a time as 500ms, 30s, 15m, 24h or 30d: 1ms to 1h. A reload applies a change.
wait = "1m"
# Where to.
# Accepts text, or sql_file with the path of a file that holds it. A change needs a restart.
sql = ""

[again]
"#;
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("\nsql = \"\"\n"), "{text}");
    }

    #[test]
    fn a_secret_default_is_neither_shown_nor_replaced() {
        let inner = Inner { sql: Secret::new("hunter2"), ..Inner::default() };
        let text = reference(&inner);
        assert!(!text.contains("hunter2"));
        assert_eq!(through(&text, &inner), inner);
    }

    settings! {
        /// One of each type.
        struct Each {
            /// .
            live text: String = String::new();
            /// .
            live list: Vec<String> = Vec::new();
            /// .
            live count: u64 = 0;
            /// .
            live ratio: f64 = 0.0;
            /// .
            live flag: bool = false;
            /// .
            live span: Duration = Duration::ZERO;
            /// .
            live size: ByteSize = ByteSize::new(0);
            /// .
            live rate: Rate = Rate::per_second(1);
            /// .
            live address: std::net::SocketAddr = ([127, 0, 0, 1], 80).into();
        }
    }

    fn through<S: Settings>(text: &str, defaults: &S) -> S {
        load(defaults, Layers::new().with(TomlSource::new("reference", text.into())))
            .unwrap()
            .settings
    }

    proptest! {
        #[test]
        fn the_reference_of_any_defaults_reads_back_as_these(
            text: String,
            list: Vec<String>,
            count: u64,
            ratio in any::<f64>().prop_filter("finite", |ratio| ratio.is_finite()),
            flag: bool,
            millis in 0..u64::MAX / 2,
            bytes: u64,
            per_minute in 1_u32..,
            address: std::net::SocketAddrV4,
        ) {
            let each = Each {
                text,
                list,
                count,
                ratio,
                flag,
                span: Duration::from_millis(millis),
                size: ByteSize::new(bytes),
                rate: Rate::per_minute(per_minute),
                address: address.into(),
            };
            prop_assert_eq!(through(&reference(&each), &Each::default()), each);
        }
    }
}
