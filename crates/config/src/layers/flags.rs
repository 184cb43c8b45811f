use crate::{Finding, Layer, Origin, Source, Value};

/// Flags: `--set limits.size.body=20MiB`. Every value is text; of two for one key the later counts.
#[derive(Debug, Clone)]
pub struct FlagSource(Layer);

impl FlagSource {
    /// Over the arguments of `--set`, each as `key=value`.
    #[must_use]
    pub fn new(sets: &[String]) -> Self {
        let mut layer = Layer::new();
        for (position, set) in sets.iter().enumerate() {
            match set.split_once('=').map(|(key, text)| (key.trim(), text)) {
                Some((key, text)) if !key.is_empty() => {
                    layer.insert(key, Value::Text(text.to_owned()), flag(key));
                }
                _ => layer.find(malformed(position + 1, set)),
            }
        }
        Self(layer)
    }
}

impl Source for FlagSource {
    fn load(&self) -> Result<Layer, Vec<Finding>> {
        Ok(self.0.clone())
    }
}

fn flag(key: &str) -> Origin {
    Origin::Flag(format!("--set {key}").trim_end().into())
}

fn malformed(position: usize, set: &str) -> Finding {
    // What follows the key may be a secret.
    let end = set.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c)));
    let key = &set[..end.unwrap_or(set.len())];
    Finding::new(key, flag(key), format!("argument {position} of --set is not key=value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(sets: &[&str]) -> Layer {
        FlagSource::new(&sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>()).0
    }

    #[test]
    fn only_the_first_equals_sign_divides() {
        let layer = layer(&["store.sql=postgres://h/d?a=b"]);
        assert_eq!(layer.get("store.sql").unwrap().0, Value::Text("postgres://h/d?a=b".into()));
    }

    #[test]
    fn a_flag_without_key_or_equals_sign_is_a_finding_without_its_value() {
        let layer = layer(&["auth.issuer:hunter2", "=hunter2", "server.http2"]);
        let findings: Vec<_> = layer.findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            findings,
            [
                "--set auth.issuer: auth.issuer: argument 1 of --set is not key=value",
                "--set: argument 2 of --set is not key=value",
                "--set server.http2: server.http2: argument 3 of --set is not key=value",
            ],
        );
    }
}
