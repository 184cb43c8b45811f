use super::Reader;
use crate::{Finding, Origin, Secret, Value};

impl Reader {
    /// From now on a secret may also be given as `KEY_file`, the path of a file that holds it.
    #[must_use]
    pub fn with_secret_files(mut self) -> Self {
        self.secret_files = true;
        self
    }

    /// Puts the content of the file that `KEY_file` names in the place of `key`.
    pub(super) fn resolve_secret_file(&mut self, key: &str) {
        let file_key = format!("{key}_file");
        self.known.insert(file_key.clone());
        let Some((path, origin)) = self.values.remove(&file_key) else {
            return;
        };
        let outcome = match (self.values.get(key), &path) {
            (Some((_, other)), _) => {
                Err(format!("is given beside {key} ({other}), keep one of them"))
            }
            (None, Value::Text(path)) => {
                Secret::read(path.as_ref()).map_err(|error| error.to_string())
            }
            (None, _) => Err("is of the wrong type or form, accepts a path as text".to_owned()),
        };
        match outcome {
            Ok(secret) => {
                let text = secret.expose().to_owned();
                self.values.insert(key.to_owned(), (Value::Text(text), origin));
            }
            Err(message) => {
                self.find(Finding::new(file_key, origin, message).of(path.to_string()));
            }
        }
    }

    /// The accepted text of a secret; `None` when nobody set it.
    pub(crate) fn secret(&self, key: &str) -> Option<Secret> {
        if self.origin(key) == Origin::Default {
            return None;
        }
        let (Value::Text(text), _) = self.values.get(key)? else {
            return None;
        };
        Some(Secret::new(text.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn reader(pairs: &[(&str, &str)]) -> Reader {
        Reader::from_text(pairs.iter().copied()).with_secret_files()
    }

    #[test]
    fn the_content_without_its_last_newline_is_the_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let path_text = path.display().to_string();
        for (content, secret) in [("a b\n", "a b"), ("a\n\n", "a\n"), ("a\r\n", "a"), ("a", "a")] {
            fs::write(&path, content).unwrap();
            let mut reader = reader(&[("store.sql_file", &path_text)]);
            let read: Secret = reader.setting("store.sql", &Secret::default(), None);
            assert_eq!(read.expose(), secret);
            assert_eq!(reader.origin("store.sql").to_string(), "--set store.sql_file");
            assert_eq!(reader.finish(), []);
        }
    }

    #[test]
    fn an_unreadable_file_is_a_finding() {
        let mut reader = reader(&[("store.sql_file", "/nonexistent/secret")]);
        let _: Secret = reader.setting("store.sql", &Secret::default(), None);
        let found = reader.finish();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].key, "store.sql_file");
        assert!(found[0].message.starts_with("cannot be read"), "{}", found[0]);
    }

    #[test]
    fn value_and_file_together_are_a_finding() {
        let mut reader = reader(&[("sql_file", "/dev/null"), ("sql", "hunter2")]);
        let _: Secret = reader.setting("sql", &Secret::default(), None);
        let found = reader.finish();
        assert_eq!(found.len(), 1);
        assert!(!found[0].to_string().contains("hunter2"), "{}", found[0]);
    }

    #[test]
    fn only_secrets_have_files() {
        let mut reader = reader(&[("issuer_file", "/dev/null")]);
        let _: String = reader.setting("issuer", &String::new(), None);
        assert!(reader.finish()[0].message.contains("is not a known key"));
    }

    #[test]
    fn without_leave_no_file_is_read() {
        let mut reader = Reader::from_text([("sql_file", "/dev/null")]);
        let _: Secret = reader.setting("sql", &Secret::default(), None);
        assert_eq!(reader.finish().len(), 1);
    }
}
