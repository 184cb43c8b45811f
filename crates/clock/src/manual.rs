use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{Clock, Instant, UnixTime};

/// A clock that moves only when told; clones share its time.
///
/// It starts one day after its origin, so that code which subtracts spans is tested away from zero,
/// and at 2026-01-01T00:00:00Z on the wall.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicU64>);

const START: Duration = Duration::from_secs(86_400);
const START_UNIX: UnixTime = UnixTime::from_secs(1_767_225_600);

impl ManualClock {
    /// A clock at its start.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(0)))
    }

    /// Moves both times forward by `span`; a span of less than a nanosecond does nothing.
    pub fn advance(&self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant::ORIGIN + START + self.elapsed()
    }

    fn unix(&self) -> UnixTime {
        START_UNIX + self.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_time() {
        let clock = ManualClock::new();
        let copy = clock.clone();
        clock.advance(Duration::from_millis(1500));
        assert_eq!(copy.now(), clock.now());
        assert_eq!(copy.unix().to_string(), "2026-01-01T00:00:01.500Z");
    }
}
