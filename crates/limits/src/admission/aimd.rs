use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use gabion_clock::Instant;

use super::{Controller, Outcome};

/// Bounds and steps of an [`Aimd`]; the defaults are those of Netflix concurrency-limits
/// (`AIMDLimit`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AimdConfig {
    /// The limit at the start; default 20, kept inside the two bounds.
    pub initial: u32,
    /// Lowest limit; default 20, at least 1.
    pub min: u32,
    /// Highest limit; default 200, at least `min`.
    pub max: u32,
    /// What an overload leaves of the limit, 0 to 1; default 0.9.
    pub backoff: f64,
    /// A request that took longer counts as an overload; default 5 s.
    pub timeout: Duration,
}

impl Default for AimdConfig {
    fn default() -> Self {
        Self { initial: 20, min: 20, max: 200, backoff: 0.9, timeout: Duration::from_secs(5) }
    }
}

impl AimdConfig {
    /// A controller with these bounds; those out of range are moved to the nearest inside.
    #[must_use]
    pub fn build(self) -> Aimd {
        let min = self.min.max(1);
        let max = self.max.max(min);
        let config = Self { min, max, backoff: self.backoff.clamp(0.0, 1.0), ..self };
        let limit = AtomicU32::new(config.initial.clamp(min, max));
        Aimd { config, limit, in_flight: AtomicU32::new(0) }
    }
}

/// Additive increase, multiplicative decrease, as TCP does (RFC 5681): one more with each success
/// while at least half of the limit is in use, a tenth less with each overload.
#[derive(Debug)]
pub struct Aimd {
    config: AimdConfig,
    limit: AtomicU32,
    in_flight: AtomicU32,
}

impl Default for Aimd {
    fn default() -> Self {
        AimdConfig::default().build()
    }
}

impl Controller for Aimd {
    fn on_start(&self, _now: Instant) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    fn on_end(&self, _now: Instant, rtt: Duration, outcome: Outcome) {
        let in_flight = self.in_flight.fetch_sub(1, Relaxed);
        let AimdConfig { min, max, backoff, timeout, .. } = self.config;
        let overloaded = match outcome {
            Outcome::Ignore => return,
            Outcome::Overload => true,
            Outcome::Success => rtt > timeout,
        };
        let _ = self.limit.fetch_update(Relaxed, Relaxed, |limit| {
            if overloaded {
                Some(((f64::from(limit) * backoff) as u32).max(min))
            } else {
                // A limit that is not used says nothing about what more would do.
                (limit < max && in_flight >= limit.div_ceil(2)).then_some(limit + 1)
            }
        });
    }

    fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ORIGIN;

    fn end(aimd: &Aimd, outcome: Outcome) {
        aimd.on_end(NOW, Duration::from_millis(1), outcome);
    }

    fn busy(count: u32) -> Aimd {
        let aimd = Aimd::default();
        (0..count).for_each(|_| aimd.on_start(NOW));
        aimd
    }

    #[test]
    fn a_limit_in_use_grows_by_one_up_to_its_bound() {
        let aimd = busy(1000);
        end(&aimd, Outcome::Success);
        assert_eq!(aimd.limit(), 21);
        (0..500).for_each(|_| end(&aimd, Outcome::Success));
        assert_eq!(aimd.limit(), 200);
    }

    #[test]
    fn a_limit_not_half_used_stays() {
        let aimd = busy(9);
        end(&aimd, Outcome::Success);
        assert_eq!(aimd.limit(), 20);
    }

    #[test]
    fn overloads_and_slow_answers_take_a_tenth_each() {
        let aimd = busy(1000);
        (0..80).for_each(|_| end(&aimd, Outcome::Success));
        assert_eq!(aimd.limit(), 100);
        end(&aimd, Outcome::Overload);
        aimd.on_end(NOW, Duration::from_millis(5001), Outcome::Success);
        assert_eq!(aimd.limit(), 81);
        (0..100).for_each(|_| end(&aimd, Outcome::Overload));
        assert_eq!(aimd.limit(), 20);
    }

    #[test]
    fn an_ignored_end_moves_nothing() {
        let aimd = busy(1000);
        aimd.on_end(NOW, Duration::from_secs(60), Outcome::Ignore);
        assert_eq!(aimd.limit(), 20);
    }

    #[test]
    fn bounds_that_contradict_each_other_are_moved() {
        let config = AimdConfig { initial: 50, min: 0, max: 0, ..AimdConfig::default() };
        assert_eq!(config.build().limit(), 1);
    }
}
