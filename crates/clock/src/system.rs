use std::time::SystemTime;

use crate::{Clock, Instant, UnixTime};

/// The operating system's clocks.
///
/// Copies share one origin, so their instants compare. One reading of either costs about 25 ns:
/// read once per request and pass the value down.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// A clock whose origin is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    fn unix(&self) -> UnixTime {
        SystemTime::now().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_an_origin_and_never_go_back() {
        let clock = SystemClock::new();
        let copy = clock;
        let first = clock.now();
        assert!(copy.now() >= first);
    }
}
