use std::time::Duration;

use gabion_config::settings;

settings! {
    /// A small group of places for expensive work.
    pub struct BulkheadConfig {
        /// Requests at the same time.
        live places: u32 = 4, in 1..=1_000_000;
        /// Longest wait for a place; as many may wait as there are places.
        live wait: Duration = Duration::from_secs(2), in Duration::from_millis(1)..=Duration::from_secs(3600);
    }
}
