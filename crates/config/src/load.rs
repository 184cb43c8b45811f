use std::fmt;

use serde::Serialize;

use crate::{Change, Finding, Layers, Origin, Secret, Settings, Value};

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Loaded<S> {
    /// The settings.
    pub settings: S,
    /// Every declared key with its value and origin, in the order of declaration.
    pub entries: Vec<Entry>,
}

/// One key of the configuration in effect; safe to show.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// The key, dotted.
    pub key: String,
    /// The value; `***` for a secret that is set.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
    /// Whether a change holds at once.
    pub change: Change,
    /// The text behind `***`, so that [`diff`](crate::diff) sees it change.
    #[serde(skip)]
    pub(crate) secret: Option<Secret>,
}

impl fmt::Display for Entry {
    /// `limits.size.body = "10MiB"  # gabion.toml:3:8`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  # {}", self.key, self.value, self.origin)
    }
}

/// Reads every setting from `layers`, the rest from `defaults`.
///
/// # Errors
///
/// Every mistake of every layer at once: first those of files by line, then the environment, then
/// flags. A value that a later layer replaces is not looked at.
pub fn load<S: Settings>(defaults: &S, layers: Layers) -> Result<Loaded<S>, Vec<Finding>> {
    let (mut reader, findings) = layers.merge();
    for finding in findings {
        reader.find(finding);
    }
    let settings = defaults.read("", &mut reader);
    let mut keys = Vec::new();
    settings.declare("", &mut keys);
    let entries = keys.into_iter().map(|key| Entry {
        origin: reader.origin(&key.path),
        secret: key.secret.then(|| reader.secret(&key.path)).flatten(),
        key: key.path,
        value: key.default,
        change: key.change,
    });
    let entries = entries.collect();
    let findings = reader.finish();
    if findings.is_empty() { Ok(Loaded { settings, entries }) } else { Err(findings) }
}

#[cfg(test)]
mod tests;
