use std::ffi::{OsStr, OsString};

use crate::{Finding, Layer, Origin, Source, Value, reader::Variable};

/// The environment: `GABION_LIMITS__SIZE__BODY` sets `limits.size.body`.
///
/// Names that do not begin with `GABION_`, or have no double underscore, are not settings and are
/// left alone; but one that is a key in all but its spelling, as `GABION_LIMITS_SIZE_BODY`, is a
/// mistake. Every value is text, and a setting reads its type from it; what is not UTF-8 is a mistake.
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
        let vars = vars.into_iter().map(|(name, text)| (name.into(), text.into()));
        Self::from_os(prefix, vars)
    }

    /// The same over an environment that may hold what is no text, as `std::env::vars_os` gives it: one
    /// that would be a setting is a mistake then, and others are left alone.
    pub fn from_os(prefix: &str, vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut layer = Layer::new();
        for (name, text) in vars {
            let name = match name.into_string() {
                Ok(name) => name,
                Err(name) => {
                    if let Some(finding) = unreadable_name(prefix, &name) {
                        layer.find(finding);
                    }
                    continue;
                }
            };
            let path = name.strip_prefix(prefix).filter(|path| path.contains(SEPARATOR));
            let Some(path) = path else {
                if name.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix)) {
                    layer.strays.variables.push(Variable { name, prefix: prefix.to_owned() });
                }
                continue;
            };
            let key = path.replace(SEPARATOR, ".").to_lowercase();
            let origin = Origin::Environment(name.into());
            let Ok(text) = text.into_string() else {
                // Without the value, which may be a secret.
                layer.find(Finding::new(key, origin, "is not UTF-8, accepts text in UTF-8"));
                continue;
            };
            let before = layer.insert(key.clone(), Value::Text(text), origin.clone());
            if let Some((_, other)) = before {
                let message = format!("is also given by {other}, keep one of them");
                layer.find(Finding::new(key, origin, message));
            }
        }
        Self(layer)
    }
}

/// What is wrong with a name that is no text, if a setting may be meant by it.
fn unreadable_name(prefix: &str, name: &OsStr) -> Option<Finding> {
    let shown = name.to_string_lossy();
    let setting = shown.strip_prefix(prefix)?.contains(SEPARATOR);
    let message = "has a name that is not UTF-8, accepts those of the reference";
    setting.then(|| Finding::new("", Origin::Environment(shown.into()), message))
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

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf8_is_a_finding_where_it_would_be_a_setting() {
        use std::os::unix::ffi::OsStringExt;

        let os = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let vars = [
            ("GABION_LOG__LEVEL".into(), os(b"hunter2\xff")),
            (os(b"GABION_A__\xff"), "x".into()),
            // A path may be anything, and others have names of their own.
            ("GABION_CONFIG".into(), os(b"/etc/\xff.toml")),
            (os(b"GABION_\xff"), "x".into()),
            (os(b"OTHER__\xff"), os(b"\xff")),
            ("GABION_B__C".into(), "good".into()),
        ];
        let layer = EnvSource::from_os(PREFIX, vars).0;
        let found: Vec<_> = layer.findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "environment GABION_LOG__LEVEL: log.level: is not UTF-8, accepts text in UTF-8",
                "environment GABION_A__\u{fffd}: has a name that is not UTF-8, accepts those of the \
                 reference",
            ]
        );
        assert_eq!(layer.len(), 1);
    }

    #[test]
    fn two_spellings_of_one_key_are_a_finding() {
        assert_eq!(layer(&["GABION_A__B", "GABION_a__B"]).findings.len(), 1);
    }
}
