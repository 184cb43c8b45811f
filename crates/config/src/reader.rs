use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{Change, Finding, Key, Origin, Range, Setting, Value, nearest};

#[cfg(feature = "load")]
mod secret_file;
#[cfg(feature = "load")]
mod strays;

#[cfg(feature = "load")]
pub(crate) use self::strays::{Strays, Variable};

/// The merged layers, while groups of settings take their values from them.
///
/// `Debug` shows keys, never values, since nobody knows yet which of them are secret.
#[derive(Default)]
pub struct Reader {
    values: BTreeMap<String, (Value, Origin)>,
    known: BTreeSet<String>,
    origins: BTreeMap<String, Origin>,
    findings: Vec<Finding>,
    #[cfg(feature = "load")]
    secret_files: bool,
    #[cfg(feature = "load")]
    strays: Strays,
}

impl Reader {
    /// Over values that already know their origin.
    #[must_use]
    pub fn new(values: BTreeMap<String, (Value, Origin)>) -> Self {
        Self { values, ..Self::default() }
    }

    /// Over pairs of text, as flags give them.
    pub fn from_text<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = pairs.into_iter().map(|(key, text)| {
            let origin = Origin::Flag(format!("--set {key}").into());
            (key.to_owned(), (Value::Text(text.to_owned()), origin))
        });
        Self::new(values.collect())
    }

    /// The value of `key`, or its default with a finding when it is not acceptable.
    pub fn setting<T: Setting + Clone>(
        &mut self,
        key: &str,
        default: &T,
        range: Option<&dyn Range<T>>,
    ) -> T {
        self.known.insert(key.to_owned());
        #[cfg(feature = "load")]
        if T::SECRET && self.secret_files {
            self.resolve_secret_file(key);
        }
        let Some((value, origin)) = self.values.get(key) else {
            return default.clone();
        };
        let parsed = T::parse(value);
        if let Some(parsed) = &parsed
            && range.is_none_or(|range| range.admits(parsed))
        {
            self.origins.insert(key.to_owned(), origin.clone());
            return parsed.clone();
        }
        let fault =
            if parsed.is_none() { "is of the wrong type or form" } else { "is out of range" };
        self.findings.push(Finding {
            key: key.to_owned(),
            value: Some(if T::SECRET { HIDDEN.to_owned() } else { value.to_string() }),
            origin: origin.clone(),
            message: format!("{fault}, accepts {}", accepts::<T>(range)),
            nearest: None,
        });
        default.clone()
    }

    /// Notes a mistake that the reader of a group found itself.
    pub fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Where the value of `key` came from.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Every mistake: those found while reading, and every key that nobody asked for. Those of files
    /// come first, by line, then those of the environment, then those of flags.
    #[must_use]
    pub fn finish(mut self) -> Vec<Finding> {
        #[cfg(feature = "load")]
        self.find_strays();
        for (key, (value, origin)) in &self.values {
            if self.known.contains(key) {
                continue;
            }
            // The value of an unknown key may be a misspelled secret.
            let value = matches!(value, Value::List(_)).then(|| "[…]".to_owned());
            let finding = unknown(key, origin, &self.known);
            self.findings.push(Finding { value, ..finding });
        }
        self.findings.sort_by(|a, b| a.origin.place().cmp(&b.origin.place()));
        self.findings
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("keys", &self.values.keys()).finish_non_exhaustive()
    }
}

/// For [`settings!`](crate::settings!).
#[doc(hidden)]
#[must_use]
pub fn declare<T: Setting>(
    path: String,
    default: &T,
    change: Change,
    doc: &'static [&'static str],
    range: Option<&dyn Range<T>>,
) -> Key {
    let default = match default.to_value() {
        value if !T::SECRET || value == Value::Text(String::new()) => value,
        _ => Value::Text(HIDDEN.to_owned()),
    };
    Key {
        path,
        default,
        accepts: accepts::<T>(range),
        form: T::FORM,
        bounds: range.and_then(Range::bounds),
        change,
        secret: T::SECRET,
        doc,
    }
}

/// For [`settings!`](crate::settings!).
#[doc(hidden)]
#[must_use]
pub fn join(path: &str, name: &str) -> String {
    let name = name.strip_prefix("r#").unwrap_or(name);
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

const HIDDEN: &str = "***";

fn accepts<T: Setting>(range: Option<&dyn Range<T>>) -> String {
    let Some(range) = range else {
        return T::ACCEPTS.to_owned();
    };
    format!("{}: {}", T::ACCEPTS, range.describe())
}

fn unknown(key: &str, origin: &Origin, known: &BTreeSet<String>) -> Finding {
    let finding = |message: String| Finding::new(key, origin.clone(), message);
    let below = format!("{key}.");
    let first = known.range(below.clone()..).next().filter(|first| first.starts_with(&below));
    if let Some(first) = first {
        return finding(format!("is a table, with keys as {first}"));
    }
    let above =
        key.match_indices('.').map(|(at, _)| &key[..at]).find(|above| known.contains(*above));
    if let Some(above) = above {
        let message = format!("lies below {above}, which is a value and no table");
        return Finding { nearest: Some(above.into()), ..finding(message) };
    }
    let Some(near) = nearest(key, known.iter().map(String::as_str)) else {
        return finding("is not a known key, accepts those of the reference".to_owned());
    };
    let spelled = spelled(near, key, origin);
    let message = format!("is not a known key, did you mean {near}?{spelled}");
    Finding { nearest: Some(near.into()), ..finding(message) }
}

/// How `near` is written where `key` came from, if that is not as it is.
#[cfg(feature = "load")]
fn spelled(near: &str, key: &str, origin: &Origin) -> String {
    let Origin::Environment(name) = origin else { return String::new() };
    if !strays::is_variable(near) {
        return String::new();
    }
    let own = key.len() + key.matches('.').count();
    let prefix = name.len().checked_sub(own).and_then(|end| name.get(..end));
    prefix.map_or_else(String::new, |prefix| format!(" ({})", strays::variable(prefix, near)))
}

#[cfg(not(feature = "load"))]
fn spelled(_near: &str, _key: &str, _origin: &Origin) -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_an_unknown_key_is_not_shown() {
        let findings = Reader::from_text([("stroe.sql", "postgres://u:hunter2@h/d")]).finish();
        let told = findings[0].value.clone().unwrap_or_default() + &findings[0].message;
        assert!(!told.contains("hunter2"));
    }
}
