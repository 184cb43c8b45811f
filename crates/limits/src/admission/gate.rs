use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// 2³² divided by the golden ratio: its multiples fall evenly (Weyl), so that a fraction is kept over
/// any few requests and not only in the long run.
const STEP: u32 = 0x9E37_79B9;

/// Lets a fraction of requests through, without randomness from outside.
#[derive(Debug)]
pub(super) struct Gate {
    /// The fraction in units of 2⁻³²; the largest value is all of them.
    threshold: AtomicU32,
    drawn: AtomicU32,
}

impl Default for Gate {
    fn default() -> Self {
        Self { threshold: AtomicU32::new(u32::MAX), drawn: AtomicU32::new(0) }
    }
}

impl Gate {
    pub(super) fn set(&self, fraction: f64) {
        // The cast saturates.
        self.threshold.store((fraction * 2_f64.powi(32)) as u32, Relaxed);
    }

    pub(super) fn fraction(&self) -> f64 {
        f64::from(self.threshold.load(Relaxed)) / f64::from(u32::MAX)
    }

    pub(super) fn admits(&self) -> bool {
        let threshold = self.threshold.load(Relaxed);
        threshold == u32::MAX || self.ticket() < threshold
    }

    /// A number from 0 to less than 1.
    pub(super) fn draw(&self) -> f64 {
        f64::from(self.ticket()) / 2_f64.powi(32)
    }

    fn ticket(&self) -> u32 {
        self.drawn.fetch_add(STEP, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn none_and_all_are_exact() {
        let gate = Gate::default();
        assert!((0..1000).all(|_| gate.admits()));
        gate.set(0.0);
        assert!((0..1000).all(|_| !gate.admits()));
        gate.set(1.0);
        assert!((0..1000).all(|_| gate.admits()));
    }

    proptest! {
        #[test]
        fn a_fraction_is_kept_over_any_hundred_requests(fraction in 0.0..1.0, skipped in 0..10_000_u32) {
            let gate = Gate::default();
            gate.set(fraction);
            for _ in 0..skipped {
                gate.ticket();
            }
            let admitted = (0..100).filter(|_| gate.admits()).count() as f64;
            prop_assert!((admitted - fraction * 100.0).abs() <= 4.0, "{} of {}", admitted, fraction);
        }
    }
}
