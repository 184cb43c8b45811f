use std::fmt;

use serde::Serialize;

mod checks;

pub use self::checks::Checks;
use crate::{Change, Finding, Layers, Origin, Refusal, Refused, Secret, Settings, Value};

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Loaded<S> {
    /// The settings.
    pub settings: S,
    /// Every declared key with its value and origin, in the order of declaration.
    pub entries: Vec<Entry>,
}

impl<S> Loaded<S> {
    /// The refusals of those who were [asked](crate::Live::prepare) about these settings, as mistakes:
    /// each with its value and where that came from.
    #[must_use]
    pub fn findings(&self, refused: &Refused) -> Vec<Finding> {
        let checks = Checks { entries: &self.entries, findings: Vec::new(), unread: false };
        refused
            .0
            .iter()
            .fold(checks, |mut checks, Refusal { key, message }| {
                checks.refuse(key, message.as_str());
                checks
            })
            .findings
    }
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
    load_checked(defaults, layers, |_, _| {})
}

/// As [`load`], and asks `check` for what no key can tell alone: values that must fit each other or
/// the world. It is asked whatever else is wrong, so that all mistakes are told at once.
///
/// ```
/// use gabion_config::{FlagSource, Layers, load_checked, settings};
///
/// settings! {
///     /// A span.
///     struct Span {
///         /// The smallest.
///         live min: u32 = 1;
///         /// The largest.
///         live max: u32 = 10;
///     }
/// }
/// let layers = Layers::new().with(FlagSource::new(&["min=20".into(), "mid=3".into()]));
/// let findings = load_checked(&Span::default(), layers, |span, checks| {
///     if checks.are_known(&["min", "max"]) && span.min > span.max {
///         checks.refuse("min", format!("is more than max, accepts at most {}", span.max));
///     }
/// });
/// let findings: Vec<_> = findings.unwrap_err().iter().map(ToString::to_string).collect();
/// assert_eq!(findings[0], "--set mid: mid: is not a known key, did you mean min?");
/// assert_eq!(findings[1], "--set min: min = 20: is more than max, accepts at most 10");
/// ```
///
/// # Errors
///
/// As [`load`], those of `check` among them.
pub fn load_checked<S: Settings>(
    defaults: &S,
    layers: Layers,
    check: impl FnOnce(&S, &mut Checks<'_>),
) -> Result<Loaded<S>, Vec<Finding>> {
    let unread = layers.unread();
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
    let entries: Vec<Entry> = entries.collect();
    let mut checks = Checks { entries: &entries, findings: reader.finish(), unread };
    check(&settings, &mut checks);
    let mut findings = checks.findings;
    findings.sort_by(|a, b| a.origin.place().cmp(&b.origin.place()));
    if findings.is_empty() { Ok(Loaded { settings, entries }) } else { Err(findings) }
}

#[cfg(test)]
mod tests;
