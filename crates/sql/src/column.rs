//! Values as columns hold them, and back.

use gabion_auth::StoreError;
use gabion_clock::UnixTime;

/// A row that this program cannot have written.
#[derive(Debug, thiserror::Error)]
#[error("the database holds {0} that cannot be read")]
struct Unreadable(&'static str);

/// A value that a column does not take.
#[derive(Debug, thiserror::Error)]
#[error("{name} of {bytes} bytes is longer than {max}")]
struct TooLong {
    name: &'static str,
    bytes: usize,
    max: usize,
}

pub(crate) fn unreadable(what: &'static str) -> StoreError {
    StoreError(Box::new(Unreadable(what)))
}

pub(crate) fn from_time(time: UnixTime) -> i64 {
    // A `UnixTime` ends with the year 9999, far inside 63 bits.
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn to_time(millis: i64) -> Result<UnixTime, StoreError> {
    u64::try_from(millis).map(UnixTime::from_millis).map_err(|_| unreadable("a time"))
}

/// For text that is only good whole.
pub(crate) fn whole<'a>(
    text: &'a str,
    name: &'static str,
    max: usize,
) -> Result<&'a str, StoreError> {
    if text.len() > max {
        return Err(StoreError(Box::new(TooLong { name, bytes: text.len(), max })));
    }
    Ok(text)
}

/// For text that is read by people: its beginning says enough.
pub(crate) fn beginning(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(beginning("aéé", 4), "aé");
        assert_eq!(beginning("aéé", 99), "aéé");
    }

    #[test]
    fn the_end_of_time_survives_a_column() {
        let end = UnixTime::from_millis(u64::MAX);
        assert_eq!(to_time(from_time(end)).unwrap(), end);
    }
}
