//! Numbers as they are written. A reader of `f64` cuts them: what has a fraction becomes an integer, and
//! one integer another.

use serde_json::Number;

use super::{number::whole, unreadable::Fault};

/// Reads a number of JSON: the integer that is written, however it is written, and of all others an `f64`
/// as near as `serde_json` takes it that is no integer, or beyond the integers, either.
pub(super) fn read(text: &str) -> Result<Number, Fault> {
    let number: Number = serde_json::from_str(text).map_err(|_| Fault::Number)?;
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return Ok(number) };
    let written = Written::of(text);
    let float = match (written.has_fraction(), written.whole()) {
        // Also where it is zero, which may be negative.
        (false, Some(exact)) if whole(&number) == Some(exact) => float,
        (false, Some(exact)) => match Number::from_i128(exact) {
            Some(integer) => return Ok(integer),
            None => beyond(float),
        },
        (false, None) => float,
        (true, Some(exact)) => beside(float, exact).ok_or(Fault::Fraction)?,
        (true, None) => return Err(Fault::Fraction),
    };
    Number::from_f64(float).ok_or(Fault::Number)
}

/// `float`, which is an integer that types of Rust do not hold, or the nearest that is.
fn beyond(float: f64) -> f64 {
    const LEAST: f64 = i64::MIN as f64;
    // 2^64: the largest is rounded up.
    const ABOVE: f64 = u64::MAX as f64;
    match float {
        float if (LEAST..0.0).contains(&float) => LEAST.next_down(),
        float if (0.0..ABOVE).contains(&float) => ABOVE,
        float => float,
    }
}

/// `float`, or its neighbour between the integer `exact` and the next one away from zero.
fn beside(float: f64, exact: i128) -> Option<f64> {
    let (size, below) = (float.abs(), exact.unsigned_abs() as f64);
    let size = size.max(below.next_up()).min((below + 1.0).next_down());
    (size.fract() != 0.0).then_some(size.copysign(float))
}

/// A number in its digits.
struct Written<'t> {
    negative: bool,
    before: &'t [u8],
    behind: &'t [u8],
    /// Digits that are of the whole part: none where it is negative, and more than there are with zeros
    /// at the end.
    point: i64,
}

impl<'t> Written<'t> {
    fn of(text: &'t str) -> Self {
        let (negative, text) =
            text.strip_prefix('-').map_or((false, text), |unsigned| (true, unsigned));
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
        // One with more digits than this is either of zero or no number that can be read.
        let far = if exponent.starts_with('-') { -FAR } else { FAR };
        let exponent = exponent.parse::<i64>().unwrap_or(far).clamp(-FAR, FAR);
        let point = exponent.saturating_add_unsigned(before.len() as u64);
        Self { negative, before: before.as_bytes(), behind: behind.as_bytes(), point }
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.before.iter().chain(self.behind).map(|digit| digit.wrapping_sub(b'0'))
    }

    fn has_fraction(&self) -> bool {
        let whole = usize::try_from(self.point).unwrap_or_default();
        self.digits().skip(whole).any(|digit| digit != 0)
    }

    /// The whole part; `None` where it is larger than 64 bits.
    fn whole(&self) -> Option<i128> {
        let length = usize::try_from(self.point).unwrap_or_default();
        let mut all: i128 = 0;
        if self.digits().any(|digit| digit != 0) {
            for digit in self.digits().chain(std::iter::repeat(0)).take(length) {
                all = all * 10 + i128::from(digit);
                if all > LARGEST {
                    return None;
                }
            }
        }
        Some(if self.negative { -all } else { all })
    }
}

const FAR: i64 = i64::MAX / 2;
/// More than integers of 64 bits, and such that the next digit fits as well.
const LARGEST: i128 = 1 << 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str) -> String {
        match read(text) {
            Ok(number) => number.to_string(),
            Err(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn an_integer_is_what_was_written() {
        for (text, wanted) in [
            ("1", "1"),
            ("-0", "-0.0"),
            ("1.0", "1.0"),
            ("0e9999999999999999999", "0.0"),
            ("0.000e-9999999999999999999", "0.0"),
            ("100e-2", "1.0"),
            ("9007199254740992.0", "9007199254740992.0"),
            ("9007199254740993.0", "9007199254740993"),
            ("-9007199254740993.000e0", "-9007199254740993"),
            ("90071992547409930e-1", "9007199254740993"),
            ("0.09007199254740993e17", "9007199254740993"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551615.0", "18446744073709551615"),
            ("1.8446744073709551615e19", "18446744073709551615"),
            ("-9223372036854775807.0", "-9223372036854775807"),
            ("1e300", "1e+300"),
        ] {
            assert_eq!(reads(text), wanted, "{text}");
        }
    }

    #[test]
    fn zeros_at_the_end_make_no_fraction() {
        // Readers that keep 64 bits of the digits take it for one.
        for zeros in 1..30 {
            let read = read(&format!("2251799813685249.{}", "0".repeat(zeros))).unwrap();
            assert_eq!(whole(&read), Some(2_251_799_813_685_249), "{zeros}");
        }
    }

    #[test]
    fn what_is_beyond_all_integers_becomes_none_of_them() {
        for text in [
            "-9223372036854775809",
            "-9223372036854775808.5e1",
            "-9223372036854775809.0",
            "18446744073709551616",
            "18446744073709551616.0",
            "18446744073709551617e0",
        ] {
            let read = whole(&read(text).unwrap());
            assert!(read.is_none_or(|read| Number::from_i128(read).is_none()), "{text} {read:?}");
        }
        let least = read("-9223372036854775808.0").unwrap();
        assert_eq!(whole(&least), Some(i64::MIN.into()));
    }

    #[test]
    fn a_fraction_stays_one_or_is_refused() {
        for (text, wanted) in [
            ("0.1", "0.1"),
            ("1.00000000000000001", "1.0000000000000002"),
            ("-1.00000000000000001", "-1.0000000000000002"),
            ("0.99999999999999999999", "0.9999999999999999"),
            ("1e-400", "5e-324"),
            ("-1e-9999999999999999999", "-5e-324"),
            ("4503599627370495.9", "4503599627370495.5"),
            ("4503599627370495.0000001", "4503599627370495.5"),
            ("4503599627370496.5", "Fraction"),
            ("9007199254740993.5", "Fraction"),
            ("123456789012345678901234567890.5", "Fraction"),
            ("1e400", "Number"),
            ("-1.5e999999999999999999999", "Number"),
        ] {
            assert_eq!(reads(text), wanted, "{text}");
        }
    }
}
