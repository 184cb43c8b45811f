use gabion_config::{Setting, Value, settings};

settings! {
    /// Refusing the least important work first when there is too much of it.
    pub struct AdmissionConfig {
        /// enforce; shadow: decide and count, never refuse; off.
        live mode: AdmissionMode = AdmissionMode::Enforce;
    }
}

/// What comes of a decision to shed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdmissionMode {
    /// The request is refused.
    Enforce,
    /// The request is admitted, and counted as one that would have been refused.
    Shadow,
    /// Nothing is decided; requests in flight are still counted.
    Off,
}

impl AdmissionMode {
    const ALL: [Self; 3] = [Self::Enforce, Self::Shadow, Self::Off];

    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }

    /// The inverse of `as u8`.
    pub(super) const fn from_u8(mode: u8) -> Self {
        match mode {
            1 => Self::Shadow,
            2 => Self::Off,
            _ => Self::Enforce,
        }
    }
}

impl Setting for AdmissionMode {
    const ACCEPTS: &'static str = "enforce, shadow or off";

    fn parse(value: &Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        Self::ALL.into_iter().find(|mode| mode.as_str() == text.trim())
    }

    fn to_value(&self) -> Value {
        Value::Text(self.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_reads_back_from_its_word_and_its_number() {
        for mode in AdmissionMode::ALL {
            assert_eq!(AdmissionMode::parse(&mode.to_value()), Some(mode));
            assert_eq!(AdmissionMode::from_u8(mode as u8), mode);
        }
        assert_eq!(AdmissionMode::parse(&Value::Text("on".into())), None);
    }
}
