use gabion_config::{Form, Setting, Value};

/// What comes of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitMode {
    /// The request is refused.
    Enforce,
    /// The request passes, and is counted as one that would have been refused.
    Shadow,
    /// Nothing is decided.
    Off,
}

impl LimitMode {
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
    pub(crate) const fn from_u8(mode: u8) -> Self {
        match mode {
            1 => Self::Shadow,
            2 => Self::Off,
            _ => Self::Enforce,
        }
    }
}

impl Setting for LimitMode {
    const ACCEPTS: &'static str = "enforce, shadow or off";
    const FORM: Form = Form::Words(&["enforce", "shadow", "off"]);

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
        for mode in LimitMode::ALL {
            assert_eq!(LimitMode::parse(&mode.to_value()), Some(mode));
            assert_eq!(LimitMode::from_u8(mode as u8), mode);
        }
        assert_eq!(LimitMode::parse(&Value::Text("on".into())), None);
    }
}
