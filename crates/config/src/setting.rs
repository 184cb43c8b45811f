use std::{fmt::Display, net::SocketAddr, ops::RangeInclusive, time::Duration};

use crate::{ByteSize, Rate, Secret, Value, format_duration, parse_duration};

/// What a value looks like in a file, for a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// Any text.
    Text,
    /// Text that this regular expression matches from one end to the other, white space around it
    /// left out.
    Spelled(&'static str),
    /// A whole number from `least` to `most`, and behind it a unit. White space may lie before the unit
    /// and around a slash in it.
    Measured {
        /// Each unit, and how many of the smallest it is.
        units: &'static [(&'static str, u64)],
        /// The smallest number, whatever its unit.
        least: u64,
        /// The largest; in the smallest unit it has at most 64 bits besides.
        most: u64,
    },
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number from 0 to this, or the same as text.
    Integer(u64),
    /// A number, or the same as text.
    Number,
    /// True or false, or the same as text.
    Flag,
    /// A list of texts, or one text with commas.
    List,
}

/// The range of a setting, as values of a file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Bounds {
    /// From one to the other, both admitted.
    Between(Value, Value),
    /// One of these words.
    OneOf(Vec<String>),
}

/// A type that a setting can have.
pub trait Setting: Sized {
    /// What is accepted, in words: `a size as 64KiB`.
    const ACCEPTS: &'static str;
    /// What it looks like: whatever [`parse`](Self::parse) understands must have this form.
    const FORM: Form = Form::Text;
    /// Whether the value must not be shown.
    const SECRET: bool = false;

    /// Understands `value`; `None` when it is not of this type.
    fn parse(value: &Value) -> Option<Self>;

    /// The value as a file would hold it.
    fn to_value(&self) -> Value;
}

/// What a declaration may write behind `in`.
pub trait Range<T> {
    /// Whether `value` lies inside.
    fn admits(&self, value: &T) -> bool;

    /// Both ends, in words.
    fn describe(&self) -> String;

    /// The same for a schema, where it can tell.
    fn bounds(&self) -> Option<Bounds> {
        None
    }
}

impl<T: Setting + PartialOrd> Range<T> for RangeInclusive<T> {
    fn admits(&self, value: &T) -> bool {
        self.contains(value)
    }

    fn describe(&self) -> String {
        let plain = |value: &T| value.to_value().to_string().replace('"', "");
        format!("{} to {}", plain(self.start()), plain(self.end()))
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(Bounds::Between(self.start().to_value(), self.end().to_value()))
    }
}

/// A fixed choice of words.
impl Range<String> for &[&str] {
    fn admits(&self, value: &String) -> bool {
        self.contains(&value.as_str())
    }

    fn describe(&self) -> String {
        self.join(", ")
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(Bounds::OneOf(self.iter().map(|word| (*word).to_owned()).collect()))
    }
}

fn parse_text<T>(value: &Value, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let Value::Text(text) = value else {
        return None;
    };
    parse(text.trim())
}

fn text(value: impl Display) -> Value {
    Value::Text(value.to_string())
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            const ACCEPTS: &'static str = "a whole number";
            const FORM: Form = Form::Integer(Self::MAX as u64);

            fn parse(value: &Value) -> Option<Self> {
                match value {
                    Value::Integer(number) => Self::try_from(*number).ok(),
                    Value::Float(number) => Self::try_from(whole(*number)?).ok(),
                    other => parse_text(other, |text| text.parse().ok()),
                }
            }

            fn to_value(&self) -> Value {
                // TOML ends at 63 bits; beyond, the number is text.
                i64::try_from(*self).map_or_else(|_| text(self), Value::Integer)
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, usize);

/// Whether a fraction is written makes no difference where it is none, as in JSON: `5.0` is 5.
fn whole(number: f64) -> Option<u64> {
    // Both ends are exact, and so is every such number in between.
    (number.fract() == 0.0 && (0.0..18_446_744_073_709_551_616.0).contains(&number))
        .then_some(number as u64)
}

impl Setting for f64 {
    const ACCEPTS: &'static str = "a number";
    const FORM: Form = Form::Number;

    fn parse(value: &Value) -> Option<Self> {
        let number = match value {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as Self),
            other => parse_text(other, |text| text.parse().ok()),
        };
        number.filter(|number| number.is_finite())
    }

    fn to_value(&self) -> Value {
        Value::Float(*self)
    }
}

impl Setting for bool {
    const ACCEPTS: &'static str = "true or false";
    const FORM: Form = Form::Flag;

    fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(*flag),
            other => parse_text(other, |text| text.parse().ok()),
        }
    }

    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Setting for String {
    const ACCEPTS: &'static str = "text";

    fn parse(value: &Value) -> Option<Self> {
        let Value::Text(text) = value else {
            return None;
        };
        Some(text.clone())
    }

    fn to_value(&self) -> Value {
        text(self)
    }
}

impl Setting for Vec<String> {
    const ACCEPTS: &'static str = "a list of texts, or one text with commas";
    const FORM: Form = Form::List;

    fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::List(items) => items.iter().map(String::parse).collect(),
            other => parse_text(other, |text| {
                Some(
                    text.split(',')
                        .map(str::trim)
                        .filter(|t| !t.is_empty())
                        .map(Into::into)
                        .collect(),
                )
            }),
        }
    }

    fn to_value(&self) -> Value {
        Value::List(self.iter().map(text).collect())
    }
}

impl Setting for Secret {
    const ACCEPTS: &'static str = "text";
    const SECRET: bool = true;

    fn parse(value: &Value) -> Option<Self> {
        String::parse(value).map(Self::new)
    }

    fn to_value(&self) -> Value {
        text(if self.is_empty() { "" } else { "***" })
    }
}

impl Setting for SocketAddr {
    const ACCEPTS: &'static str = "an address and port as 127.0.0.1:8080 or [::1]:8080";
    const FORM: Form = Form::Spelled(concat!(
        "(((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\\.){3}",
        "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
        "|\\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(%[0-9]+)?\\])",
        ":0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})"
    ));

    fn parse(value: &Value) -> Option<Self> {
        parse_text(value, |text| text.parse().ok())
    }

    fn to_value(&self) -> Value {
        text(self)
    }
}

impl Setting for Duration {
    const ACCEPTS: &'static str = "a time as 500ms, 30s, 15m, 24h or 30d";
    const FORM: Form = Form::Measured { units: &crate::duration::UNITS, least: 0, most: u64::MAX };

    fn parse(value: &Value) -> Option<Self> {
        parse_text(value, parse_duration)
    }

    fn to_value(&self) -> Value {
        text(format_duration(*self))
    }
}

impl Setting for ByteSize {
    const ACCEPTS: &'static str = "a size as 512B, 64KiB, 10MiB or 2GiB";
    const FORM: Form = Form::Measured { units: &crate::byte_size::UNITS, least: 0, most: u64::MAX };

    fn parse(value: &Value) -> Option<Self> {
        parse_text(value, |text| text.parse().ok())
    }

    fn to_value(&self) -> Value {
        text(self)
    }
}

impl Setting for Rate {
    const ACCEPTS: &'static str = "a rate as 100/s, 20/min or 5/h";
    const FORM: Form = Form::Measured {
        units: &[("/s", 3600), ("/min", 60), ("/h", 1)],
        least: 1,
        most: u32::MAX as u64,
    };

    fn parse(value: &Value) -> Option<Self> {
        parse_text(value, |text| text.parse().ok())
    }

    fn to_value(&self) -> Value {
        text(self)
    }
}
