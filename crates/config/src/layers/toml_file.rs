use std::{collections::BTreeMap, fmt, num::IntErrorKind, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::places::Places;
use crate::{
    Finding, Layer, Origin, Source, Value,
    file::{self, Unread},
    join,
};

/// A TOML file whose values know their line and column.
///
/// `Debug` shows the name alone, since the text may hold secrets.
#[derive(Clone)]
pub struct TomlSource {
    name: Arc<str>,
    text: String,
}

/// Far above any real configuration, far below what would hurt.
const MAX_BYTES: usize = 1 << 20;
/// Bound on what one file can make of its bytes.
const MAX_KEYS: usize = 10_000;
/// Longest dotted key; without it a long table name would be repeated for each key below it.
const MAX_KEY_BYTES: usize = 200;
const MAX_SYNTAX_FINDINGS: usize = 100;

impl TomlSource {
    /// Over `text`, which the caller read from what is called `name`; more than 1 MiB is refused by
    /// [`load`](Source::load).
    pub fn new(name: impl Into<Arc<str>>, text: String) -> Self {
        Self { name: name.into(), text }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is a pipe or a device, has more than 1 MiB or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Finding> {
        let name: Arc<str> = path.display().to_string().into();
        let mut bytes = file::read(path, MAX_BYTES as u64).map_err(|unread| {
            let message = match unread {
                Unread::Io(error) => {
                    let reason = file::io_reason(&error);
                    format!("cannot be read: {reason}, accepts a file that this user may read")
                }
                Unread::NotAFile(kind) => format!("is {kind}, accepts a file, or a link to one"),
                Unread::TooLarge => too_large(),
            };
            whole(&name, message)
        })?;
        String::from_utf8(std::mem::take(&mut *bytes))
            .map(|text| Self { name: name.clone(), text })
            .map_err(|error| {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(&error.as_bytes()[..valid]);
                let origin = Places::new(name, &text).origin(valid);
                Finding::new("", origin, "is not UTF-8 from here on, save the file as UTF-8")
            })
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for TomlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TomlSource").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Source for TomlSource {
    /// A mistake of syntax does not hide the lines without one: their own mistakes are told as well.
    fn load(&self) -> Result<Layer, Vec<Finding>> {
        if self.text.len() > MAX_BYTES {
            return Err(vec![whole(&self.name, too_large())]);
        }
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        let places = Places::new(self.name.clone(), &self.text);
        let mut flat = Flattening { places, broken: BTreeMap::new(), layer: Layer::new() };
        flat.note_syntax(&self.text, errors);
        flat.table("", table.get_ref());
        Ok(flat.layer)
    }
}

/// A table on its way to dotted keys.
struct Flattening<'a> {
    places: Places<'a>,
    /// The first mistake of syntax on each line, by line. What the parser made of such a line is its
    /// guess and is left out.
    broken: BTreeMap<u32, (usize, String)>,
    layer: Layer,
}

impl Flattening<'_> {
    fn note_syntax(&mut self, text: &str, errors: Vec<toml::de::Error>) {
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let mut message = format!("not valid TOML: {}", error.message());
            // Other messages may stand at a value, which may be secret.
            if let Some(name) = text.get(span.clone())
                && error.message() == "duplicate key"
                && name.len() <= MAX_KEY_BYTES
            {
                message = format!("{message} `{name}`, keep one of them");
            }
            let line = self.places.line(span.start);
            let first = self.broken.entry(line).or_insert_with(|| (span.start, message.clone()));
            if span.start < first.0 {
                *first = (span.start, message);
            }
        }
        self.layer.unread |= !self.broken.is_empty();
        for (at, message) in self.broken.clone().into_values().take(MAX_SYNTAX_FINDINGS) {
            self.find(&key_at(text, at), at, message);
        }
    }

    /// Recursion is bounded by the length of `path`.
    fn table(&mut self, path: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let at = name.span().start;
            let key = join(path, &segment(name.get_ref()));
            if key.len() > MAX_KEY_BYTES {
                let start: String = key.chars().take(20).collect();
                self.find(&start, at, "is longer than any known key".to_owned());
            } else if let DeValue::Table(table) = value.get_ref() {
                if table.is_empty()
                    && !self.is_broken(at)
                    && self.layer.strays.tables.len() < MAX_KEYS
                {
                    let origin = self.places.origin(at);
                    self.layer.strays.tables.push((key.clone(), origin));
                }
                self.table(&key, table);
            } else if self.is_broken(at) || self.is_broken(value.span().start) {
                continue;
            } else if self.layer.len() >= MAX_KEYS {
                self.find(&key, at, format!("is one key more than {MAX_KEYS}"));
                return;
            } else if let Some(plain) = self.value(&key, value) {
                let origin = self.places.origin(value.span().start);
                self.layer.insert(key, plain, origin);
            }
        }
    }

    /// `None` after a finding.
    fn value(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let start = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => Some(Value::Text(text.clone().into_owned())),
            DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Some(Value::Integer(number)),
                    Err(error) => {
                        let message = match error.kind() {
                            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
                                format!("is too large, accepts {} to {}", i64::MIN, i64::MAX)
                            }
                            _ => "is not a whole number".to_owned(),
                        };
                        self.find(key, start, message);
                        None
                    }
                }
            }
            DeValue::Float(number) => {
                let parsed = number.as_str().parse();
                if parsed.is_err() {
                    self.find(key, start, "is not a number".to_owned());
                }
                parsed.ok().map(Value::Float)
            }
            DeValue::Array(items) => self.list(key, items).map(Value::List),
            DeValue::Datetime(_) => {
                let message = "is a date or time, which no key takes; text needs quotes".to_owned();
                self.find(key, start, message);
                None
            }
            DeValue::Table(_) => {
                let message = "is a list with a table inside, which no key takes".to_owned();
                self.find(key, start, message);
                None
            }
        }
    }

    fn list(&mut self, key: &str, items: &DeArray<'_>) -> Option<Vec<Value>> {
        items.iter().map(|item| self.value(key, item)).collect()
    }

    fn is_broken(&self, at: usize) -> bool {
        self.broken.contains_key(&self.places.line(at))
    }

    /// Without the value, since `key` may be a secret.
    fn find(&mut self, key: &str, at: usize, message: String) {
        let origin = self.places.origin(at);
        self.layer.find(Finding::new(key, origin, message));
    }
}

/// A quoted name that is not a bare key keeps its quotes, so that no two keys share one path.
fn segment(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        Value::Text(name.to_owned()).to_string()
    }
}

fn whole(name: &Arc<str>, message: String) -> Finding {
    let origin = Origin::File { file: name.clone(), line: 0, column: 0 };
    Finding::new("", origin, message)
}

/// The key that the line of `at` begins with, below the last table before it, as far as a look at the
/// text can tell: that line is no TOML.
fn key_at(text: &str, at: usize) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = |text: &str| -> Option<String> {
        let text = text.trim();
        let fits = !text.is_empty() && text.len() <= MAX_KEY_BYTES && text.chars().all(bare);
        fits.then(|| text.to_owned())
    };
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let (before, line) = text.split_at_checked(start).unwrap_or((text, ""));
    let line = line.lines().next().unwrap_or_default();
    if let Some(header) = line.trim_start().strip_prefix('[') {
        return name(header.split(']').next().unwrap_or_default()).unwrap_or_default();
    }
    let Some(key) = line.split_once('=').and_then(|(key, _)| name(key)) else {
        return String::new();
    };
    let header = before.lines().rev().find_map(|line| line.trim_start().strip_prefix('['));
    match header.map(|header| name(header.split(']').next().unwrap_or_default())) {
        None => key,
        Some(Some(table)) => join(&table, &key),
        Some(None) => String::new(),
    }
}

fn too_large() -> String {
    format!("the file is larger than {} KiB, accepts less", MAX_BYTES >> 10)
}

#[cfg(test)]
mod tests;
