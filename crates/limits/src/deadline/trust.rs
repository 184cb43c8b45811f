use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, HeaderName};

use super::Deadline;
use crate::TrustedProxies;

/// What gRPC clients send (PROTOCOL-HTTP2 of the gRPC specification).
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Longest time in `X-Deadline-Ms`, in milliseconds: ten minutes. No request takes longer by its
/// caller's wish alone, so more says nothing.
pub(super) const LONGEST_MS: u64 = 600_000;

/// Whose word counts about how long an answer is of use.
///
/// A deadline lets a caller have work thrown away that was begun, so it is taken only from callers
/// that belong to the house. It can only shorten what a route allows.
///
/// ```
/// use std::time::Duration;
/// use gabion_limits::{DeadlineTrust, TrustedProxies};
///
/// let trust = DeadlineTrust::Proxies(TrustedProxies::new(&["10.0.0.0/8".into()]).unwrap());
/// let mut headers = http::HeaderMap::new();
/// headers.insert("x-deadline-ms", 250.into());
/// let asked = |peer: &str| trust.asked(peer.parse().unwrap(), &headers);
/// assert_eq!(asked("10.0.0.1"), Some(Duration::from_millis(250)));
/// assert_eq!(asked("192.0.2.1"), None);
/// ```
#[derive(Debug, Clone, Default)]
pub enum DeadlineTrust {
    /// Nobody's.
    #[default]
    Nobody,
    /// Of these peers.
    Proxies(TrustedProxies),
    /// Everybody's, as of a socket that only the owner can open.
    Everybody,
}

impl DeadlineTrust {
    /// The time that `peer` leaves for an answer: `X-Deadline-Ms`, a whole number of milliseconds up
    /// to 600 000, or `grpc-timeout`; of both the shorter. What is malformed or there twice is as
    /// if it were not there. Zero means that it is too late already.
    #[must_use]
    pub fn asked(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Duration> {
        let trusted = match self {
            Self::Nobody => false,
            Self::Proxies(proxies) => proxies.contains(peer),
            Self::Everybody => true,
        };
        if !trusted {
            return None;
        }
        let millis = only(headers, &Deadline::HEADER).and_then(millis);
        let grpc = only(headers, &GRPC_TIMEOUT).and_then(grpc_timeout);
        match (millis, grpc) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first.as_bytes())
}

fn millis(text: &[u8]) -> Option<Duration> {
    let millis = digits(text, 6).filter(|millis| *millis <= LONGEST_MS)?;
    Some(Duration::from_millis(millis))
}

/// One to eight digits and a unit.
fn grpc_timeout(text: &[u8]) -> Option<Duration> {
    let (unit, number) = text.split_last()?;
    let number = digits(number, 8)?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The number that `text` is, in at most so many digits.
fn digits(text: &[u8], most: usize) -> Option<u64> {
    let fits = (1..=most).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let add = |sum: u64, digit: &u8| sum * 10 + u64::from(digit - b'0');
    fits.then(|| text.iter().fold(0, add))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn asked(fields: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        DeadlineTrust::Everybody.asked([192, 0, 2, 1].into(), &headers)
    }

    #[test]
    fn each_unit_of_grpc_is_read() {
        for (text, wanted) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("4m", Duration::from_millis(4)),
            ("5u", Duration::from_micros(5)),
            ("99999999n", Duration::from_nanos(99_999_999)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
            ("0m", Duration::ZERO),
        ] {
            assert_eq!(asked(&[("grpc-timeout", text)]), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_malformed_is_as_if_it_were_not_there() {
        for text in ["", "S", "1", "1s", "1 S", "-1S", "+1S", "1.5S", "123456789S", "1SS", "١S"] {
            assert_eq!(asked(&[("grpc-timeout", text)]), None, "{text}");
        }
        for text in ["", "1s", "-1", "+1", "1.0", "1e3", " 1", "600001", "0000001", "0x10"] {
            assert_eq!(asked(&[("x-deadline-ms", text)]), None, "{text}");
        }
        assert_eq!(asked(&[("x-deadline-ms", "5"), ("x-deadline-ms", "5")]), None);
    }

    #[test]
    fn of_two_the_shorter_counts() {
        let both = |ms, grpc| asked(&[("x-deadline-ms", ms), ("grpc-timeout", grpc)]);
        assert_eq!(both("5", "1S"), Some(Duration::from_millis(5)));
        assert_eq!(both("5000", "1S"), Some(Duration::from_secs(1)));
        assert_eq!(both("soon", "1S"), Some(Duration::from_secs(1)));
    }

    #[test]
    fn nobody_elses_word_counts() {
        let mut headers = HeaderMap::new();
        headers.insert(Deadline::HEADER, 5.into());
        let proxies = TrustedProxies::new(&["10.0.0.0/8".into()]).unwrap();
        let trust = DeadlineTrust::Proxies(proxies);
        assert_eq!(trust.asked([10, 1, 2, 3].into(), &headers), Some(Duration::from_millis(5)));
        let mapped = "::ffff:10.1.2.3".parse().unwrap();
        assert_eq!(trust.asked(mapped, &headers), Some(Duration::from_millis(5)));
        assert_eq!(trust.asked([11, 1, 2, 3].into(), &headers), None);
        assert_eq!(DeadlineTrust::Nobody.asked([10, 1, 2, 3].into(), &headers), None);
        let none = DeadlineTrust::Proxies(TrustedProxies::default());
        assert_eq!(none.asked([10, 1, 2, 3].into(), &headers), None);
    }

    proptest! {
        #[test]
        fn a_number_of_milliseconds_is_read_as_it_is_written(millis in 0_u64..2_000_000) {
            let wanted = (millis <= LONGEST_MS).then(|| Duration::from_millis(millis));
            prop_assert_eq!(asked(&[("x-deadline-ms", &millis.to_string())]), wanted);
        }

        #[test]
        fn whatever_stands_there_is_read_or_ignored(text in "[ -~]{0,12}") {
            let shape = |units: &str, most: usize| {
                let number = text.trim_end_matches(|c| units.contains(c));
                let ends = units.is_empty() || text.len() == number.len() + 1;
                ends && (1..=most).contains(&number.len())
                    && number.bytes().all(|byte| byte.is_ascii_digit())
            };
            let grpc = asked(&[("grpc-timeout", &text)]);
            prop_assert_eq!(grpc.is_some(), shape("HMSmun", 8));
            let millis = asked(&[("x-deadline-ms", &text)]);
            prop_assert!(millis.is_none() || shape("", 6));
        }

        #[test]
        fn what_is_passed_on_is_never_more_than_what_is_left(at in 0_u64..10_u64.pow(15), now in 0_u64..10_u64.pow(15)) {
            let instant = gabion_clock::Instant::from_nanos;
            let deadline = Deadline { at: instant(at) };
            let mut headers = HeaderMap::new();
            headers.insert(Deadline::HEADER, deadline.header_value(instant(now)));
            let read = DeadlineTrust::Everybody.asked([192, 0, 2, 1].into(), &headers).unwrap();
            prop_assert!(read <= deadline.remaining(instant(now)));
        }
    }
}
