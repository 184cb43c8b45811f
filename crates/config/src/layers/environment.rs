use crate::{Finding, Layer, Origin, Source, Value};

/// The environment: `GABION_LIMITS__SIZE__BODY` sets `limits.size.body`.
///
/// Names that do not begin with `GABION_`, or have no double underscore, are not settings and are
/// left alone. Every value is text, and a setting reads its type from it.
#[derive(Debug, Clone)]
pub struct EnvSource(Layer);

const PREFIX: &str = "GABION_";
const SEPARATOR: &str = "__";

impl EnvSource {
    /// Over the environment as the caller read it.
    pub fn new(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut layer = Layer::new();
        for (name, text) in vars {
            let Some(path) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if !path.contains(SEPARATOR) {
                continue;
            }
            let key = path.replace(SEPARATOR, ".").to_lowercase();
            let origin = Origin::Environment(name.into());
            let before = layer.insert(key.clone(), Value::Text(text), origin.clone());
            if let Some((_, other)) = before {
                let message = format!("is also given by {other}, keep one of them");
                layer.find(Finding { key, value: None, origin, message });
            }
        }
        Self(layer)
    }
}

impl Source for EnvSource {
    fn load(&self) -> Result<Layer, Vec<Finding>> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(names: &[&str]) -> Layer {
        EnvSource::new(names.iter().map(|name| ((*name).to_owned(), "x".to_owned()))).0
    }

    #[test]
    fn double_underscores_become_dots() {
        let layer = layer(&["GABION_LIMITS__RATE__ADDRESS__QUOTA", "GABION_SERVER__DATA_DIR"]);
        assert!(layer.get("limits.rate.address.quota").is_some());
        let (value, origin) = layer.get("server.data_dir").unwrap();
        assert_eq!(*value, Value::Text("x".into()));
        assert_eq!(origin.to_string(), "environment GABION_SERVER__DATA_DIR");
    }

    #[test]
    fn other_names_are_left_alone() {
        assert!(layer(&["PATH", "GABION_CONFIG", "GABION_LOG", "MY_GABION_A__B"]).is_empty());
    }

    #[test]
    fn two_spellings_of_one_key_are_a_finding() {
        assert_eq!(layer(&["GABION_A__B", "GABION_a__B"]).findings.len(), 1);
    }
}
