use std::{collections::BTreeMap, fmt};

use crate::{Finding, Origin, Reader, Value, reader::Strays};

mod environment;
mod flags;
mod places;
mod toml_file;

pub use self::{environment::EnvSource, flags::FlagSource, toml_file::TomlSource};

/// Somewhere that values come from: a file, the environment, flags, or one of your own.
pub trait Source {
    /// The values, each with its place.
    ///
    /// # Errors
    ///
    /// What keeps the source from being understood at all. A mistake that concerns one value goes
    /// into the layer by [`Layer::find`], so that the other values are still looked at.
    fn load(&self) -> Result<Layer, Vec<Finding>>;
}

/// What cannot be read is a mistake like any other.
impl<S: Source> Source for Result<S, Finding> {
    fn load(&self) -> Result<Layer, Vec<Finding>> {
        self.as_ref().map_err(|finding| vec![finding.clone()])?.load()
    }
}

/// A source that is not there has no values.
impl<S: Source> Source for Option<S> {
    fn load(&self) -> Result<Layer, Vec<Finding>> {
        self.as_ref().map_or_else(|| Ok(Layer::new()), Source::load)
    }
}

/// The values of one source, by dotted key.
///
/// `Debug` shows keys and places, never values, since nobody knows yet which of them are secret.
#[derive(Clone, Default)]
pub struct Layer {
    values: BTreeMap<String, (Value, Origin)>,
    findings: Vec<Finding>,
    strays: Strays,
    /// Whether it may have had values that could not be understood.
    unread: bool,
}

impl Layer {
    /// No values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key`, and returns what it was before.
    pub fn insert(
        &mut self,
        key: impl Into<String>,
        value: Value,
        origin: Origin,
    ) -> Option<(Value, Origin)> {
        self.values.insert(key.into(), (value, origin))
    }

    /// Notes a mistake.
    pub fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The value of `key` and its place.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&(Value, Origin)> {
        self.values.get(key)
    }

    /// How many keys have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no key has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.values.iter().map(|(key, (_, origin))| (key, origin.to_string()));
        f.debug_map().entries(places).finish()
    }
}

/// Layers of values on top of each other: of two values for one key, the later layer's counts.
#[derive(Debug, Default)]
pub struct Layers(Layer);

impl Layers {
    /// No layers: every key has its default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the values of `source` on top.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a chain of `with` reads as a list")]
    pub fn with(mut self, source: impl Source) -> Self {
        match source.load() {
            Ok(layer) => {
                self.0.values.extend(layer.values);
                self.0.findings.extend(layer.findings);
                self.0.strays.extend(layer.strays);
                self.0.unread |= layer.unread;
            }
            Err(findings) => {
                self.0.findings.extend(findings);
                self.0.unread = true;
            }
        }
        self
    }

    /// A reader over the outcome, which also takes a secret from the file that `KEY_file` names,
    /// and the mistakes of the sources themselves.
    #[must_use]
    pub fn merge(self) -> (Reader, Vec<Finding>) {
        let Layer { values, findings, strays, .. } = self.0;
        (Reader::new(values).with_secret_files().with_strays(strays), findings)
    }

    /// Whether a source may have set what now has its default.
    pub(crate) fn unread(&self) -> bool {
        self.0.unread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_layer_wins() {
        let flags = ["a.b=flag".to_owned()];
        let environment = [("GABION_A__B".to_owned(), "environment".to_owned())];
        let (mut reader, findings) = Layers::new()
            .with(TomlSource::new("t", "a.b = 'file'\na.c = 'file'".into()))
            .with(EnvSource::new(environment))
            .with(FlagSource::new(&flags))
            .merge();
        assert_eq!(findings, []);
        assert_eq!(reader.setting("a.b", &String::new(), None), "flag");
        assert_eq!(reader.setting("a.c", &String::new(), None), "file");
        assert_eq!(reader.origin("a.b").to_string(), "--set a.b");
    }

    #[test]
    fn a_source_that_cannot_be_read_leaves_the_others_in_place() {
        let missing = TomlSource::read("/nonexistent/gabion.toml".as_ref());
        let flags = FlagSource::new(&["a=1".to_owned()]);
        let (mut reader, findings) = Layers::new().with(missing).with(Some(flags)).merge();
        assert_eq!(findings.len(), 1);
        assert_eq!(reader.setting("a", &0_u32, None), 1);
    }

    #[test]
    fn values_are_not_shown_by_debug() {
        let layers = Layers::new().with(FlagSource::new(&["store.sql=hunter2".to_owned()]));
        let shown = format!("{layers:?} {:?}", layers.0.clone());
        assert!(shown.contains("store.sql") && !shown.contains("hunter2"), "{shown}");
        let reader = layers.merge().0;
        assert!(!format!("{reader:?}").contains("hunter2"));
    }
}
