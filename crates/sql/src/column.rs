//! Values as columns hold them, and back.

use gabion_auth::{Roles, StoreError};
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

/// A list of names, as a JSON array.
pub(crate) fn names_column(names: &Roles, what: &'static str) -> Result<String, StoreError> {
    let names: Vec<&str> = names.iter().collect();
    let json = serde_json::to_string(&names).map_err(|error| StoreError(error.into()))?;
    whole(&json, what, NAMES_MAX)?;
    Ok(json)
}

pub(crate) fn names(json: &str, what: &'static str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(json).map_err(|_| unreadable(what))
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

/// Some hundreds of names.
const NAMES_MAX: usize = 16 * 1024;

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
