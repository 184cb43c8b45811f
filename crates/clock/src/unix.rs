use std::{
    fmt,
    ops::Add,
    time::{Duration, SystemTime},
};

/// Wall time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Displays as RFC 3339 in UTC with milliseconds, e.g. `2026-03-01T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(u64);

/// The last millisecond of the year 9999, the end of RFC 3339.
const LAST_MILLI: u64 = 253_402_300_799_999;

impl UnixTime {
    /// From milliseconds since the epoch; later than the year 9999 becomes its last millisecond.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis > LAST_MILLI { LAST_MILLI } else { millis })
    }

    /// From seconds since the epoch; later than the year 9999 becomes its last millisecond.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The span since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for UnixTime {
    type Output = Self;

    /// Saturates at the end of the year 9999.
    fn add(self, span: Duration) -> Self {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }
}

impl From<SystemTime> for UnixTime {
    /// A time before the epoch becomes the epoch.
    fn from(time: SystemTime) -> Self {
        let span = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(0) + span
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(self.0);
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_as_rfc_3339() {
        assert_eq!(UnixTime::from_secs(951_782_400).to_string(), "2000-02-29T00:00:00.000Z");
    }

    #[test]
    fn the_end_of_time_still_displays() {
        let end = UnixTime::from_secs(u64::MAX);
        assert_eq!(end.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(end + Duration::MAX, end);
    }
}
