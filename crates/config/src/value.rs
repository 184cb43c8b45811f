use std::{fmt, sync::Arc};

/// A value as a source gave it, not yet understood.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "load", derive(serde::Serialize), serde(untagged))]
pub enum Value {
    /// Text; from the environment and from flags everything is text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A list.
    List(Vec<Value>),
}

impl fmt::Display for Value {
    /// As TOML would write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write_toml_string(f, text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_str("]")
            }
        }
    }
}

fn write_toml_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A file; line and column count from one.
    File {
        /// As the file was named on the command line.
        file: Arc<str>,
        /// Line; 0 where the whole file is meant.
        line: u32,
        /// Column; 0 where the whole file is meant.
        column: u32,
    },
    /// The environment variable of this name.
    Environment(Arc<str>),
    /// The flag without its value, as `--set a.b`.
    Flag(Arc<str>),
}

impl Origin {
    /// Sorts as layers lie: defaults, files by line, environment, flags.
    pub(crate) fn place(&self) -> (u8, &str, u32, u32) {
        match self {
            Self::Default => (0, "", 0, 0),
            Self::File { file, line, column } => (1, file, *line, *column),
            Self::Environment(name) => (2, name, 0, 0),
            Self::Flag(flag) => (3, flag, 0, 0),
        }
    }
}

#[cfg(feature = "load")]
impl Origin {
    /// Kind and parts as an object; see [`Finding`](crate::Finding).
    pub(crate) fn serialize_parts<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;

        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Default => map.serialize_entry("kind", "default")?,
            Self::File { file, line, column } => {
                map.serialize_entry("kind", "file")?;
                map.serialize_entry("file", &**file)?;
                if *line > 0 {
                    map.serialize_entry("line", line)?;
                    map.serialize_entry("column", column)?;
                }
            }
            Self::Environment(variable) => {
                map.serialize_entry("kind", "environment")?;
                map.serialize_entry("variable", &**variable)?;
            }
            Self::Flag(flag) => {
                map.serialize_entry("kind", "flag")?;
                map.serialize_entry("flag", &**flag)?;
            }
        }
        map.end()
    }
}

#[cfg(feature = "load")]
impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line: 0, .. } => f.write_str(file),
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}
