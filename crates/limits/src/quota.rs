//! How much in which time.

use std::time::Duration;

use gabion_config::Rate;

/// A rate with a burst: at most `rate × t + burst` units in any time `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Nanoseconds that one unit takes to come back, rounded up so that the rate is never exceeded.
    interval: u64,
    burst: u32,
}

impl Quota {
    /// `burst` units at once, and `rate` from then on; a burst of zero becomes one.
    #[must_use]
    pub fn new(rate: Rate, burst: u32) -> Self {
        let period = u64::try_from(rate.period().as_nanos()).unwrap_or(u64::MAX);
        Self { interval: period.div_ceil(u64::from(rate.count().get())), burst: burst.max(1) }
    }

    /// The time that `units` take to come back.
    #[must_use]
    pub const fn refill(self, units: u32) -> Duration {
        Duration::from_nanos(self.nanos(units))
    }

    /// The units that may be taken at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// The window after which an untouched quota is whole again, in seconds rounded up.
    #[must_use]
    pub const fn window_secs(self) -> u64 {
        self.nanos(self.burst).div_ceil(1_000_000_000)
    }

    pub(crate) const fn interval(self) -> u64 {
        self.interval
    }

    pub(crate) const fn nanos(self, units: u32) -> u64 {
        self.interval.saturating_mul(units as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_never_comes_back_too_early() {
        let third = Quota::new(Rate::per_second(3), 1);
        assert_eq!(third.refill(1), Duration::from_nanos(333_333_334));
    }

    #[test]
    fn the_window_is_the_time_of_a_whole_burst() {
        assert_eq!(Quota::new(Rate::per_second(100), 200).window_secs(), 2);
        assert_eq!(Quota::new(Rate::per_second(10_000_000), 1).window_secs(), 1);
        assert_eq!(Quota::new(Rate::per_hour(1), 3).window_secs(), 10_800);
    }
}
