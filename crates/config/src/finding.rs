use std::fmt;

use crate::Origin;

/// One mistake in a configuration, complete enough to be corrected without the manual.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "load", derive(serde::Serialize))]
pub struct Finding {
    /// The key, dotted; empty where the mistake has none, as bad syntax.
    pub key: String,
    /// The value as it was given, `***` for secrets; `None` where there is none.
    pub value: Option<String>,
    /// Where it was given.
    pub origin: Origin,
    /// What is wrong, and what would be accepted.
    pub message: String,
}

impl fmt::Display for Finding {
    /// `gabion.toml:3:9: limits.size.body = "x": is not a size, accepts …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        match (&self.value, self.key.is_empty()) {
            (_, true) => {}
            (Some(value), _) => write!(f, "{} = {value}: ", self.key)?,
            (None, _) => write!(f, "{}: ", self.key)?,
        }
        f.write_str(&self.message)
    }
}
