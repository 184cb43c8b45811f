use gabion_config::{Rate, settings};

use crate::{LimitMode, quota::Quota};

settings! {
    /// A rate limit.
    pub struct QuotaConfig {
        /// Requests per time, evenly spaced once the burst is used.
        live quota: Rate = Rate::per_second(100), in Rate::per_hour(1)..=Rate::per_second(10_000_000);
        /// Requests that may come at once.
        live burst: u32 = 200, in 1..=10_000_000;
        /// enforce; shadow: decide and count, never refuse; off.
        live mode: LimitMode = LimitMode::Enforce;
    }
}

impl QuotaConfig {
    /// The quota it describes.
    #[must_use]
    pub fn build(&self) -> Quota {
        Quota::new(self.quota, self.burst)
    }
}
