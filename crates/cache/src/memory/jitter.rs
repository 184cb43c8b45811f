use std::time::Duration;

/// Spreads lifetimes, so that entries made together do not expire together.
///
/// A lifetime becomes evenly distributed between `1 - fraction` and `1 + fraction` of itself. The
/// default is a tenth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter(f64);

impl Jitter {
    /// Lifetimes as given.
    pub const NONE: Self = Self(0.0);

    /// A fraction of the lifetime, in 0..=1; what is outside becomes the nearer end, NaN none.
    #[must_use]
    pub fn new(fraction: f64) -> Self {
        Self(if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) })
    }

    /// The lifetime for a `draw` that is even over all of `u64`; saturates at 584 years.
    #[must_use]
    pub fn apply(self, ttl: Duration, draw: u64) -> Duration {
        if self == Self::NONE {
            return ttl;
        }
        // 53 bits are all that an f64 keeps.
        let unit = (draw >> 11) as f64 / (1_u64 << 53) as f64;
        let factor = 1.0 + self.0 * (2.0 * unit - 1.0);
        Duration::from_nanos((ttl.as_nanos() as f64 * factor) as u64)
    }
}

impl Default for Jitter {
    fn default() -> Self {
        Self(0.1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_lifetime_stays_within_the_fraction(millis in 1_u64..100_000_000, draw: u64) {
            let ttl = Duration::from_millis(millis);
            let spread = Jitter::default().apply(ttl, draw);
            prop_assert!(spread >= ttl.mul_f64(0.9 - 1e-9));
            prop_assert!(spread <= ttl.mul_f64(1.1 + 1e-9));
        }
    }

    #[test]
    fn the_ends_of_the_draw_reach_the_ends_of_the_spread() {
        let ttl = Duration::from_secs(100);
        assert_eq!(Jitter::default().apply(ttl, 0), Duration::from_secs(90));
        assert_eq!(Jitter::default().apply(ttl, u64::MAX).as_secs_f64().round(), 110.0);
    }

    #[test]
    fn an_endless_lifetime_stays_long() {
        assert!(Jitter::default().apply(Duration::MAX, 0) > Duration::from_secs(1 << 33));
    }

    #[test]
    fn a_wild_fraction_is_tamed() {
        assert_eq!(Jitter::new(f64::NAN), Jitter::NONE);
        assert_eq!(Jitter::new(7.0), Jitter::new(1.0));
    }
}
