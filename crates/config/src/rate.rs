use std::{cmp::Ordering, fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// So many per second, minute or hour; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    period: Duration,
}

const PERIODS: [(&str, Duration); 3] = [
    ("s", Duration::from_secs(1)),
    ("min", Duration::from_secs(60)),
    ("h", Duration::from_secs(3600)),
];

impl Rate {
    /// So many per second; zero becomes one.
    #[must_use]
    pub const fn per_second(count: u32) -> Self {
        Self::new(count, PERIODS[0].1)
    }

    /// So many per minute; zero becomes one.
    #[must_use]
    pub const fn per_minute(count: u32) -> Self {
        Self::new(count, PERIODS[1].1)
    }

    /// So many per hour; zero becomes one.
    #[must_use]
    pub const fn per_hour(count: u32) -> Self {
        Self::new(count, PERIODS[2].1)
    }

    const fn new(count: u32, period: Duration) -> Self {
        let count = match NonZeroU32::new(count) {
            Some(count) => count,
            None => NonZeroU32::MIN,
        };
        Self { count, period }
    }

    /// How many in one [`period`](Self::period).
    #[must_use]
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// A second, a minute or an hour.
    #[must_use]
    pub const fn period(self) -> Duration {
        self.period
    }

    /// How many each second.
    #[must_use]
    pub fn as_per_second(self) -> f64 {
        f64::from(self.count.get()) / self.period.as_secs_f64()
    }
}

impl PartialOrd for Rate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.as_per_second().partial_cmp(&other.as_per_second())
    }
}

/// Not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a rate as 100/s, 20/min or 5/h")]
pub struct ParseRateError;

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (count, unit) = text.split_once('/').ok_or(ParseRateError)?;
        let period = PERIODS.iter().find(|(name, _)| *name == unit.trim());
        let (_, period) = period.ok_or(ParseRateError)?;
        let count = count.trim();
        // `parse` alone would take a leading plus.
        if !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseRateError);
        }
        let count = count.parse().map_err(|_| ParseRateError)?;
        Ok(Self { count, period: *period })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = PERIODS.iter().find(|(_, period)| *period == self.period);
        write!(f, "{}/{}", self.count, unit.map_or("s", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nonsense_and_zero_are_refused() {
        for bad in ["", "5", "/s", "0/s", "+5/s", "-1/s", "5/day", "5/s/s", "4294967296/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_of_different_periods_compare_by_speed() {
        assert!(Rate::per_minute(61) > Rate::per_second(1));
        assert!(Rate::per_hour(3600) <= Rate::per_second(1));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(count in 1..u32::MAX, unit in 0..3_usize) {
            let rate = Rate::new(count, PERIODS[unit].1);
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }
    }
}
