use std::{collections::HashMap, ops::Deref};

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

/// The keys in which one configuration differs from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Changes {
    listed: Vec<Changed>,
    #[serde(skip)]
    everything: bool,
}

impl Changes {
    /// Exactly these.
    #[must_use]
    pub fn of(listed: Vec<Changed>) -> Self {
        Self { listed, everything: false }
    }

    /// Nobody knows which: each key may have another value, and none is listed.
    #[must_use]
    pub fn everything() -> Self {
        Self { listed: Vec::new(), everything: true }
    }

    /// Those whose new value holds only after a restart.
    pub fn needs_restart(&self) -> impl Iterator<Item = &str> {
        let waits = self.listed.iter().filter(|changed| changed.change == Change::Restart);
        waits.map(|changed| changed.key.as_str())
    }

    /// Whether the key `path`, or one below it, is among them; of all keys where `path` is empty.
    #[must_use]
    pub fn touches(&self, path: &str) -> bool {
        let below = |key: &str| {
            let rest = key.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || path.is_empty() || rest.starts_with('.'))
        };
        self.everything || self.listed.iter().any(|changed| below(&changed.key))
    }
}

impl Deref for Changes {
    type Target = [Changed];

    fn deref(&self) -> &[Changed] {
        &self.listed
    }
}

/// The keys whose value differs, in the order of `new`; keys that are gone come last.
///
/// A changed secret is seen, a changed origin alone is no change.
#[must_use]
pub fn diff(old: &[Entry], new: &[Entry]) -> Changes {
    let (before, after) = (by_key(old), by_key(new));
    let same = |entry: &&Entry| {
        before
            .get(entry.key.as_str())
            .is_some_and(|old| old.value == entry.value && hidden(old) == hidden(entry))
    };
    let changed = new.iter().filter(|entry| !same(entry));
    let gone = old.iter().filter(|entry| !after.contains_key(entry.key.as_str()));
    let listed = changed.chain(gone);
    let listed = listed.map(|entry| Changed { key: entry.key.clone(), change: entry.change });
    Changes::of(listed.collect())
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
        assert_eq!(*diff(&entries(&[]), &entries(&["level=info", "sql="])), []);
        assert_eq!(*diff(&entries(&["sql=a"]), &entries(&["sql=a"])), []);
    }

    #[test]
    fn a_path_is_touched_by_what_lies_below_it_and_not_by_its_neighbours() {
        let changes = diff(&entries(&[]), &entries(&["level=debug"]));
        assert!(changes.touches("level") && changes.touches(""));
        assert!(!changes.touches("lev") && !changes.touches("level.x") && !changes.touches("sql"));
        assert!(!Changes::default().touches("") && Changes::everything().touches("sql"));
    }

    #[test]
    fn a_key_on_one_side_only_is_a_change() {
        let all = entries(&[]);
        assert_eq!(diff(&all[..1], &all)[0].key, "level");
        assert_eq!(diff(&all, &all[..1])[0].key, "level");
    }
}
