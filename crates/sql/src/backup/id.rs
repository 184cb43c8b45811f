use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    str::FromStr,
};

use gabion_clock::UnixTime;

use super::BackupError;

/// The name of a backup: its time in UTC and four random hexadecimal digits, as
/// `20260301T120000Z-1a2b`. Names sort by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId(String);

impl BackupId {
    /// A new name for the moment `now`.
    pub(super) fn new(now: UnixTime) -> Self {
        // `2026-03-01T12:00:00`, without the fraction.
        let seconds: String =
            now.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
        // Two backups within a second must differ; nobody must be unable to guess.
        let random = RandomState::new().hash_one(now) & 0xffff;
        Self(format!("{seconds}Z-{random:04x}"))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BackupId {
    type Err = BackupError;

    /// Takes exactly the form that is written, so that a name from outside is never a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &[u8] = b"00000000T000000Z-hhhh";
        let fits = |(byte, form): (u8, &u8)| match form {
            b'0' => byte.is_ascii_digit(),
            b'h' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            fixed => byte == *fixed,
        };
        if text.len() != FORM.len() || !text.bytes().zip(FORM).all(fits) {
            return Err(BackupError::InvalidId);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_has_the_form_and_names_its_second() {
        let id = BackupId::new(UnixTime::from_millis(1_772_366_400_999));
        assert_eq!(id.as_str().parse::<BackupId>().unwrap(), id);
        assert!(id.as_str().starts_with("20260301T120000Z-"), "{id}");
    }

    #[test]
    fn what_could_be_a_path_is_refused() {
        for bad in [
            "",
            ".",
            "..",
            "../20260301T120000Z",
            "../../../etc/passwd01",
            "20260301T120000Z-1a2b/",
            "20260301T120000Z-1a/b",
            "20260301T120000Z-1A2B",
            "20260301T120000Z-1a2\0",
            "２0260301T120000Z-1a",
            ".partial-20260301T120000Z-1a2b",
        ] {
            assert!(bad.parse::<BackupId>().is_err(), "{bad:?}");
        }
    }
}
