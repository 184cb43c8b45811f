use serde_json::{Map, Value as Json, json};

use crate::{Bounds, Change, Form, Key, Settings, Value};

mod digits;

/// A JSON schema of the configuration file, for editors that complete and check TOML by one.
///
/// It accepts every file that [`load`](crate::load) accepts, and refuses unknown keys, wrong types,
/// numbers, times, sizes and rates out of range, words that are no choice and texts without their unit.
/// What it cannot tell is for `load` alone: the range of a number with a fraction that is written as
/// text, whether an IPv6 address is one, and values that must fit each other or the world.
#[must_use]
pub fn json_schema(defaults: &impl Settings) -> Json {
    let mut keys = Vec::new();
    defaults.declare("", &mut keys);
    let mut root = Table::default();
    for key in &keys {
        let (tables, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        let tables = tables.split('.').filter(|table| !table.is_empty());
        let table = tables.fold(&mut root, |table, name| table.below(name));
        table.properties.insert(name.to_owned(), property(key));
        if key.secret {
            let file_name = format!("{name}_file");
            let description = format!("The path of a file that holds {name}, in place of it.");
            let file = json!({"type": "string", "description": description});
            table.properties.insert(file_name.clone(), file);
            table.alternatives.push(json!({"not": {"required": [name, file_name]}}));
        }
    }
    let mut schema = root.into_json();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["$id"] = json!("urn:config-schema");
    schema["title"] = json!("Configuration");
    schema
}

/// A table on its way to an object schema.
#[derive(Default)]
struct Table {
    properties: Map<String, Json>,
    tables: Vec<(String, Table)>,
    /// Which keys exclude each other.
    alternatives: Vec<Json>,
}

impl Table {
    fn below(&mut self, name: &str) -> &mut Self {
        let known = self.tables.iter().position(|(other, _)| other == name);
        let index = known.unwrap_or_else(|| {
            self.tables.push((name.to_owned(), Self::default()));
            self.tables.len() - 1
        });
        &mut self.tables[index].1
    }

    fn into_json(mut self) -> Json {
        let tables = self.tables.into_iter().map(|(name, table)| (name, table.into_json()));
        self.properties.extend(tables);
        let mut object =
            json!({"type": "object", "additionalProperties": false, "properties": self.properties});
        if !self.alternatives.is_empty() {
            object["allOf"] = self.alternatives.into();
        }
        object
    }
}

fn property(key: &Key) -> Json {
    let mut property = form(key);
    let doc: Vec<_> = key.doc.iter().map(|line| line.trim()).collect();
    let change = match key.change {
        Change::Live => "live",
        Change::Restart => "needs a restart",
    };
    let description = format!("{}\nAccepts {}; {change}.", doc.join(" "), key.accepts);
    property["description"] = description.into();
    if key.secret {
        property["writeOnly"] = true.into();
    } else {
        property["default"] = json!(key.default);
    }
    property
}

/// Numbers and flags may be given as text too, as the environment gives them. Ranges say nothing of
/// text and patterns nothing of numbers, so both stand side by side.
fn form(key: &Key) -> Json {
    let spelled = |pattern: &str| json!({"type": "string", "pattern": anchored(pattern)});
    match (key.form, &key.bounds) {
        (_, Some(Bounds::OneOf(words))) => json!({"type": "string", "enum": words}),
        (Form::Spelled(pattern), _) => spelled(pattern),
        (Form::Words(words), _) => {
            json!({"anyOf": [{"enum": words}, spelled(&words.join("|"))]})
        }
        (Form::Measured { units, least, most }, bounds) => {
            spelled(&measured(units, least, most, bounds.as_ref()))
        }
        (Form::Integer(most), bounds) => {
            let (from, to) = ends(bounds.as_ref(), whole);
            let (from, to) = (from.unwrap_or(0), to.unwrap_or(most));
            let pattern = anchored(&format!("\\+?{}", digits::numbers(from, to)));
            let number = json!({"type": ["integer", "string"], "minimum": 0, "maximum": most});
            narrowed(number, bounds.as_ref(), &pattern)
        }
        (Form::Number, bounds) => {
            let pattern = anchored("[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?");
            narrowed(json!({"type": ["number", "string"]}), bounds.as_ref(), &pattern)
        }
        (Form::Flag, _) => {
            json!({"type": ["boolean", "string"], "pattern": anchored("true|false")})
        }
        (Form::List, _) => json!({"type": ["array", "string"], "items": {"type": "string"}}),
        (Form::Text, _) => json!({"type": "string"}),
    }
}

/// The numbers that each unit may have, so that they lie within the range.
fn measured(units: &[(&str, u64)], least: u64, most: u64, bounds: Option<&Bounds>) -> String {
    let total = |value: &Value| {
        let Value::Text(text) = value else { return None };
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (_, size) = units.iter().find(|(unit, _)| *unit == &text[digits..])?;
        Some(u128::from(text[..digits].parse::<u64>().ok()?) * u128::from(*size))
    };
    let (from, to) = ends(bounds, total);
    let each = units.iter().filter_map(|(unit, size)| {
        let wide = u128::from(*size);
        // The sum fits into 64 bits, and so do both quotients.
        let from = from.map_or(0, |from| from.div_ceil(wide) as u64).max(least);
        let to = to.map_or(u64::MAX, |to| (to / wide) as u64).min(u64::MAX / size).min(most);
        let unit = unit.replace('/', "\\s*/\\s*");
        (from <= to).then(|| format!("{}\\s*{unit}", digits::numbers(from, to)))
    });
    each.collect::<Vec<_>>().join("|")
}

/// Both ends of a range, as far as it has ends of that kind.
fn ends<T>(bounds: Option<&Bounds>, read: impl Fn(&Value) -> Option<T>) -> (Option<T>, Option<T>) {
    match bounds {
        Some(Bounds::Between(least, most)) => (read(least), read(most)),
        _ => (None, None),
    }
}

/// The largest are text, since TOML ends at 63 bits.
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// `number` within the range, as far as its ends are numbers.
fn narrowed(mut number: Json, bounds: Option<&Bounds>, pattern: &str) -> Json {
    number["pattern"] = pattern.into();
    if let Some(Bounds::Between(least, most)) = bounds {
        for (name, end) in [("minimum", least), ("maximum", most)] {
            if matches!(end, Value::Integer(_) | Value::Float(_)) {
                number[name] = json!(end);
            }
        }
    }
    number
}

/// White space as [`str::trim`] knows it, which is not quite what `\s` is.
fn anchored(pattern: &str) -> String {
    const SPACE: &str = "[\\s\\u0085]*";
    format!("^{SPACE}({}){SPACE}$", pattern.replace("\\s*", SPACE))
}

#[cfg(test)]
mod tests;
