use std::net::{Ipv4Addr, Ipv6Addr};

use gabion_clock::UnixTime;

/// What the server tells of its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// When it is over.
    pub expires: UnixTime,
    /// The names and addresses it is good for.
    pub names: Vec<String>,
}

/// `id-ce-subjectAltName`, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

impl Facts {
    /// Reads the certificate `der` (RFC 5280 §4.1), whose signature is not this server's to check;
    /// `None` when it is none.
    #[must_use]
    pub fn of(der: &[u8]) -> Option<Self> {
        let certificate = Der(der).take(SEQUENCE)?;
        let mut fields = Der(Der(certificate).take(SEQUENCE)?);
        if fields.peek() == Some(VERSION) {
            fields.next()?;
        }
        // The serial number, the algorithm, the issuer.
        for _ in 0..3 {
            fields.next()?;
        }
        let mut validity = Der(fields.take(SEQUENCE)?);
        validity.next()?;
        let expires = time(validity.next()?)?;
        let mut names = Vec::new();
        while let Some((tag, value)) = fields.next() {
            if tag == EXTENSIONS {
                names = self::names(value)?;
            }
        }
        Some(Self { expires, names })
    }
}

/// The names among `extensions`.
fn names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Der(Der(extensions).take(SEQUENCE)?);
    while let Some((_, extension)) = extensions.next() {
        let mut extension = Der(extension);
        if extension.take(OBJECT_ID)? != SUBJECT_ALT_NAME {
            continue;
        }
        if extension.peek() == Some(BOOLEAN) {
            extension.next()?;
        }
        let mut listed = Der(Der(extension.take(OCTETS)?).take(SEQUENCE)?);
        let mut names = Vec::new();
        while let Some((tag, value)) = listed.next() {
            names.extend(match tag {
                DNS_NAME => str::from_utf8(value).ok().map(str::to_owned),
                IP_ADDRESS => address(value),
                _ => None,
            });
        }
        return Some(names);
    }
    Some(Vec::new())
}

fn address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).to_string());
    let v6 = || <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).to_string());
    v4.or_else(|_| v6()).ok()
}

/// `YYMMDDHHMMSSZ` of the years 1950 to 2049, or with all four digits (RFC 5280 §4.1.2.5).
fn time((tag, text): (u8, &[u8])) -> Option<UnixTime> {
    let text = str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: u64 = text[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let pair = |at: usize| rest[at..at + 2].parse::<u64>().ok();
    let (month, day) = (pair(0)?, pair(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let secs = (pair(4)? * 60 + pair(6)?) * 60 + pair(8)?;
    // What expired before 1970 has expired.
    Some(UnixTime::from_secs(days(year, month, day).saturating_mul(86_400).saturating_add(secs)))
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar; earlier ones are none. The year
/// is taken to begin in March, so that the leap day is its last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let month = (month + 9) % 12;
    let in_year = (153 * month + 2) / 5 + day - 1;
    let since_zero = year * 365 + year / 4 - year / 100 + year / 400 + in_year;
    since_zero.saturating_sub(719_468)
}

/// What is left of a value in DER (X.690).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if digits.is_empty() || digits.len() > 4 {
                return None;
            }
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(own, _)| *own == tag).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_from_1970() {
        for (text, wanted) in [
            ((UTC_TIME, "700101000000Z"), "1970-01-01T00:00:00.000Z"),
            ((UTC_TIME, "000229235959Z"), "2000-02-29T23:59:59.000Z"),
            ((UTC_TIME, "491231000000Z"), "2049-12-31T00:00:00.000Z"),
            ((UTC_TIME, "500101000000Z"), "1970-01-01T00:00:00.000Z"),
            ((GENERALIZED_TIME, "21000301000000Z"), "2100-03-01T00:00:00.000Z"),
            ((GENERALIZED_TIME, "99991231235959Z"), "9999-12-31T23:59:59.000Z"),
        ] {
            let told = time((text.0, text.1.as_bytes())).unwrap();
            assert_eq!(told.to_string(), wanted, "{text:?}");
        }
        for text in ["700101000000", "701301000000Z", "70010100000Z", "7001010000é0Z"] {
            assert_eq!(time((UTC_TIME, text.as_bytes())), None, "{text}");
        }
    }

    #[test]
    fn a_certificate_tells_its_end_and_its_names() {
        let names = ["a.example".to_owned(), "192.0.2.7".to_owned(), "2001:db8::7".to_owned()];
        let mut asked = rcgen::CertificateParams::new(names.clone()).unwrap();
        asked.not_after = rcgen::date_time_ymd(2061, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = asked.self_signed(&key).unwrap();
        let facts = Facts::of(made.der()).unwrap();
        assert_eq!(facts.names, names);
        assert_eq!(facts.expires.to_string(), "2061-02-03T00:00:00.000Z");
        // Cut anywhere, it is no certificate and no panic.
        for end in 0..made.der().len() {
            assert_eq!(Facts::of(&made.der()[..end]), None);
        }
    }
}
