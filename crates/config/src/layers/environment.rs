use crate::{Finding, Layer, Origin, Source, Value, reader::Variable};

/// The environment: `GABION_LIMITS__SIZE__BODY` sets `limits.size.body`.
///
/// Names that do not begin with `GABION_`, or have no double underscore, are not settings and are
/// left alone; but one that is a key in all but its spelling, as `GABION_LIMITS_SIZE_BODY`, is a
/// mistake. Every value is text, and a setting reads its type from it.
#[derive(Debug, Clone)]
pub struct EnvSource(Layer);

const PREFIX: &str = "GABION_";
const SEPARATOR: &str = "__";

impl EnvSource {
    /// Over the environment as the caller read it.
    pub fn new(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::with_prefix(PREFIX, vars)
    }

    /// The same for a program whose settings begin with `prefix`, as `SHOP_`.
    pub fn with_prefix(prefix: &str, vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut layer = Layer::new();
        for (name, text) in vars {
            let path = name.strip_prefix(prefix).filter(|path| path.contains(SEPARATOR));
            let Some(path) = path else {
                if name.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix)) {
                    layer.strays.variables.push(Variable { name, prefix: prefix.to_owned() });
                }
                continue;
            };
            let key = path.replace(SEPARATOR, ".").to_lowercase();
            let origin = Origin::Environment(name.into());
            let before = layer.insert(key.clone(), Value::Text(text), origin.clone());
            if let Some((_, other)) = before {
                let message = format!("is also given by {other}, keep one of them");
                layer.find(Finding::new(key, origin, message));
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
    fn other_prefixes_have_other_settings() {
        let vars = [("SHOP_A__B", "1"), ("GABION_A__B", "2")];
        let vars = vars.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let layer = EnvSource::with_prefix("SHOP_", vars).0;
        assert_eq!(layer.get("a.b").unwrap().0, Value::Text("1".into()));
        assert_eq!(layer.len(), 1);
    }

    #[test]
    fn two_spellings_of_one_key_are_a_finding() {
        assert_eq!(layer(&["GABION_A__B", "GABION_a__B"]).findings.len(), 1);
    }
}
