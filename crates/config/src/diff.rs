use std::collections::HashMap;

use serde::Serialize;

use crate::{Change, Entry, Secret};

/// A key whose value is another than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The key, dotted.
    pub key: String,
    /// Whether the new value holds at once.
    pub change: Change,
}

/// The keys whose value differs, in the order of `new`; keys that are gone come last.
///
/// A changed secret is seen, a changed origin alone is no change.
#[must_use]
pub fn diff(old: &[Entry], new: &[Entry]) -> Vec<Changed> {
    let (before, after) = (by_key(old), by_key(new));
    let same = |entry: &&Entry| {
        before
            .get(entry.key.as_str())
            .is_some_and(|old| old.value == entry.value && hidden(old) == hidden(entry))
    };
    let changed = new.iter().filter(|entry| !same(entry));
    let gone = old.iter().filter(|entry| !after.contains_key(entry.key.as_str()));
    changed
        .chain(gone)
        .map(|entry| Changed { key: entry.key.clone(), change: entry.change })
        .collect()
}

fn by_key(entries: &[Entry]) -> HashMap<&str, &Entry> {
    entries.iter().map(|entry| (entry.key.as_str(), entry)).collect()
}

/// An empty secret is the same as none.
fn hidden(entry: &Entry) -> Option<&Secret> {
    entry.secret.as_ref().filter(|secret| !secret.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FlagSource, Layers, load, settings};

    settings! {
        /// A store.
        struct Store {
            /// Address.
            restart sql: Secret = Secret::default();
            /// Words.
            live level: String = String::from("info");
        }
    }

    fn entries(sets: &[&str]) -> Vec<Entry> {
        let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
        load(&Store::default(), Layers::new().with(FlagSource::new(&sets))).unwrap().entries
    }

    #[test]
    fn changed_values_are_named_with_what_they_need() {
        let changed = diff(&entries(&[]), &entries(&["sql=a", "level=debug"]));
        let told: Vec<_> = changed.iter().map(|c| (c.key.as_str(), c.change)).collect();
        assert_eq!(told, [("sql", Change::Restart), ("level", Change::Live)]);
    }

    #[test]
    fn a_changed_secret_is_seen_and_never_shown() {
        let (old, new) = (entries(&["sql=hunter1"]), entries(&["sql=hunter2"]));
        assert_eq!(old[0].value, new[0].value);
        assert_eq!(diff(&old, &new).len(), 1);
        let json = serde_json::to_string(&new).unwrap();
        assert!(!format!("{new:?} {} {json}", new[0]).contains("hunter"));
    }

    #[test]
    fn the_same_value_from_elsewhere_is_no_change() {
        assert_eq!(diff(&entries(&[]), &entries(&["level=info", "sql="])), []);
        assert_eq!(diff(&entries(&["sql=a"]), &entries(&["sql=a"])), []);
    }

    #[test]
    fn a_key_on_one_side_only_is_a_change() {
        let all = entries(&[]);
        assert_eq!(diff(&all[..1], &all)[0].key, "level");
        assert_eq!(diff(&all, &all[..1])[0].key, "level");
    }
}
