use super::Reader;
use crate::{Finding, Origin, nearest};

/// What sets no key, and may have been meant to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strays {
    /// Tables without a key.
    pub(crate) tables: Vec<(String, Origin)>,
    /// Environment variables that are nearly settings.
    pub(crate) variables: Vec<Variable>,
}

/// An environment variable that is no setting as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// What a setting's name begins with.
    pub(crate) prefix: String,
}

impl Strays {
    pub(crate) fn extend(&mut self, other: Self) {
        self.tables.extend(other.tables);
        self.variables.extend(other.variables);
    }
}

impl Reader {
    pub(crate) fn with_strays(mut self, strays: Strays) -> Self {
        self.strays = strays;
        self
    }

    /// Once every key is known.
    pub(super) fn find_strays(&mut self) {
        let Strays { tables, variables } = std::mem::take(&mut self.strays);
        let known_tables = self.tables_of_known();
        for (path, origin) in tables {
            let below = format!("{path}.");
            let message = if self.known.contains(&path) {
                format!("is a value and no table, write it as {path} = …")
            } else if self
                .known
                .range(below.clone()..)
                .next()
                .is_some_and(|k| k.starts_with(&below))
            {
                continue;
            } else {
                "is not a known table".to_owned()
            };
            let near = nearest(&path, known_tables.iter().map(String::as_str)).map(str::to_owned);
            let mut finding = Finding::new(path, origin, message);
            if let Some(near) = near.filter(|near| *near != finding.key) {
                finding.message.push_str(&format!(", did you mean [{near}]?"));
                finding.nearest = Some(near.into());
            }
            self.find(finding);
        }
        for Variable { name, prefix } in variables {
            let Some(rest) = name.get(prefix.len()..) else { continue };
            let spelled = plain(rest);
            // Only what can be nothing else: others have variables that begin alike.
            let Some(key) =
                self.known.iter().find(|key| is_variable(key) && plain(key) == spelled).cloned()
            else {
                continue;
            };
            let meant = variable(&prefix, &key);
            let message = format!("sets nothing as it is spelled, did you mean {meant}?");
            let mut finding = Finding::new(&*key, Origin::Environment(name.into()), message);
            finding.nearest = Some(key.into());
            self.find(finding);
        }
    }

    fn tables_of_known(&self) -> std::collections::BTreeSet<String> {
        let dots = |key: &String| -> Vec<String> {
            key.match_indices('.').map(|(at, _)| key[..at].to_owned()).collect()
        };
        self.known.iter().flat_map(dots).collect()
    }
}

/// How the variable of `key` is spelled.
pub(super) fn variable(prefix: &str, key: &str) -> String {
    format!("{prefix}{}", key.replace('.', "__").to_uppercase())
}

/// Whether a variable can set `key`: one of no table would have no double underscore.
pub(super) fn is_variable(key: &str) -> bool {
    key.contains('.')
}

/// The words of a key or variable, however they are put together.
fn plain(name: &str) -> String {
    let words = name.split(['.', '_', '-']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_lowercase()
}
