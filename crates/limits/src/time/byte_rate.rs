use std::{fmt, str::FromStr, time::Duration};

use gabion_config::{ByteSize, Form, Setting, Value};

/// Bytes per second, written as `1KiB/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(u64);

impl ByteRate {
    /// This many bytes per second.
    #[must_use]
    pub const fn per_second(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The bytes of `span`, rounded down.
    #[must_use]
    pub const fn bytes_in(self, span: Duration) -> u64 {
        let bytes = (self.0 as u128).saturating_mul(span.as_millis()) / 1000;
        if bytes > u64::MAX as u128 { u64::MAX } else { bytes as u64 }
    }
}

/// Not a rate of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a rate as 512B/s or 1KiB/s")]
pub struct ParseByteRateError;

impl FromStr for ByteRate {
    type Err = ParseByteRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let size = text.strip_suffix("/s").ok_or(ParseByteRateError)?;
        let size: ByteSize = size.trim_end().parse().map_err(|_| ParseByteRateError)?;
        Ok(Self(size.bytes()))
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", ByteSize::new(self.0))
    }
}

impl Setting for ByteRate {
    const ACCEPTS: &'static str = "a rate as 512B/s or 1KiB/s";
    const FORM: Form = Form::Measured {
        units: &[("GiB/s", 1 << 30), ("MiB/s", 1 << 20), ("KiB/s", 1 << 10), ("B/s", 1)],
        least: 0,
        most: u64::MAX,
    };

    fn parse(value: &Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        text.trim().parse().ok()
    }

    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_unit_of_size_and_time_is_required() {
        for bad in ["", "1KiB", "/s", "1024/s", "1KB/s", "1KiB/min", "-1B/s"] {
            assert!(bad.parse::<ByteRate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn fractions_of_a_byte_are_not_asked_for() {
        let rate = ByteRate::per_second(3);
        assert_eq!(rate.bytes_in(Duration::from_millis(1999)), 5);
        assert_eq!(ByteRate::per_second(u64::MAX).bytes_in(Duration::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: u64) {
            let rate = ByteRate::per_second(bytes);
            prop_assert_eq!(ByteRate::parse(&rate.to_value()), Some(rate));
        }
    }
}
