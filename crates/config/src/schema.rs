use serde_json::{Map, Value as Json, json};

use crate::{Change, Key, Settings, Value};

/// A JSON schema of the configuration file, for editors that complete and check TOML by one.
///
/// Ranges are in the descriptions; only [`load`](crate::load) checks them.
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
            let file =
                json!({"type": "string", "description": format!("a file that holds {name}")});
            table.properties.insert(format!("{name}_file"), file);
        }
    }
    let mut schema = root.into_json();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema
}

/// A table on its way to an object schema.
#[derive(Default)]
struct Table {
    properties: Map<String, Json>,
    tables: Vec<(String, Table)>,
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
        json!({"type": "object", "additionalProperties": false, "properties": self.properties})
    }
}

fn property(key: &Key) -> Json {
    let mut property = match &key.default {
        Value::Text(_) => json!({"type": "string"}),
        Value::Integer(_) => json!({"type": "integer"}),
        Value::Float(_) => json!({"type": "number"}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::List(_) => json!({"type": "array", "items": {"type": "string"}}),
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, settings};

    settings! {
        /// Inner.
        struct Inner {
            /// How many.
            live count: u32 = 5, in 1..=9;
            /// Where to.
            restart sql: Secret = Secret::new("hunter2");
        }
    }

    settings! {
        /// Outer.
        struct Outer {
            /// Inner.
            section inner: Inner = Inner::default();
            /// Names.
            live names: Vec<String> = vec!["a".into()];
        }
    }

    #[test]
    fn every_key_has_type_default_and_description() {
        let schema = json_schema(&Outer::default());
        let inner = &schema["properties"]["inner"];
        assert_eq!(inner["additionalProperties"], false);
        assert_eq!(inner["properties"]["count"]["type"], "integer");
        assert_eq!(inner["properties"]["count"]["default"], 5);
        let description = inner["properties"]["count"]["description"].as_str().unwrap();
        assert!(
            description.contains("How many.") && description.contains("1 to 9"),
            "{description}"
        );
        assert_eq!(schema["properties"]["names"]["default"], json!(["a"]));
    }

    #[test]
    fn a_secret_has_a_file_beside_it_and_no_default() {
        let schema = json_schema(&Outer::default());
        assert!(schema["properties"]["inner"]["properties"]["sql_file"].is_object());
        assert!(!schema.to_string().contains("hunter2"));
    }
}
