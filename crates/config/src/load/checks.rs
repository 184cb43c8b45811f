use crate::{Entry, Finding, Origin, Value};

/// The mistakes known so far, while values are held against each other and against the world.
///
/// See [`load_checked`](crate::load_checked).
#[derive(Debug)]
pub struct Checks<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) findings: Vec<Finding>,
    /// Whether a source may have set what now has its default.
    pub(super) unread: bool,
}

impl Checks<'_> {
    /// Whether the values of `keys` are what was meant. Of a wrong value the default stands in, which
    /// proves nothing; and where a source could not be understood, it may have set what now has its
    /// default.
    #[must_use]
    pub fn are_known(&self, keys: &[&str]) -> bool {
        let unread = self.unread || self.findings.iter().any(|finding| finding.key.is_empty());
        let wrong = |key: &str| self.findings.iter().any(|finding| finding.key == key);
        keys.iter().all(|key| !wrong(key) && (!unread || self.is_set(key)))
    }

    /// Whether somebody set `key`.
    #[must_use]
    pub fn is_set(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| entry.origin != Origin::Default)
    }

    /// Refuses the value of `key`; `message` tells why, and what would be accepted.
    pub fn refuse(&mut self, key: &str, message: impl Into<String>) {
        let value = self.entry(key).map(|entry| entry.value.to_string());
        self.find(key, value, message.into());
    }

    /// Refuses `item` of the list that is the value of `key`.
    pub fn refuse_item(&mut self, key: &str, item: &str, message: impl Into<String>) {
        self.find(key, Some(Value::Text(item.to_owned()).to_string()), message.into());
    }

    fn find(&mut self, key: &str, value: Option<String>, message: String) {
        let origin = self.entry(key).map_or(Origin::Default, |entry| entry.origin.clone());
        let finding = Finding::new(key, origin, message);
        self.findings.push(Finding { value, ..finding });
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}
