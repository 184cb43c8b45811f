use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gabion_clock::UnixTime;
use gabion_monitor::AuditEvent;

/// Lets so many events a second through, for those that anybody can cause in any number; the next one
/// tells how many were left out.
#[derive(Default)]
pub(crate) struct Pace(Mutex<Counts>);

/// How many events were kept since when, and how many not.
#[derive(Default)]
struct Counts {
    since: UnixTime,
    kept: u32,
    left_out: u64,
}

const WITHIN: Duration = Duration::from_secs(1);
const MOST: u32 = 10;

impl Counts {
    /// Whether one more may be kept at `now`; then with how many were left out before it.
    fn take(&mut self, now: UnixTime) -> Option<u64> {
        // A clock that went back begins anew.
        if now < self.since || now.saturating_since(self.since) >= WITHIN {
            (self.since, self.kept) = (now, 0);
        }
        if self.kept == MOST {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.kept += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Pace {
    /// The event, if it may be kept.
    pub(crate) fn limit(&self, event: AuditEvent) -> Option<AuditEvent> {
        // Counters are right after a panic as well.
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take(event.at);
        match taken? {
            0 => Some(event),
            left_out => {
                let detail = event.detail.as_deref().unwrap_or_default();
                let detail = format!("{detail} ({left_out} more were not recorded)");
                Some(event.detail(detail.trim_start().to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(second: u64) -> AuditEvent {
        AuditEvent::new(UnixTime::from_secs(second), "access", "forbidden").detail("why")
    }

    #[test]
    fn so_many_a_second_are_kept_and_the_next_one_tells_of_the_rest() {
        let pace = Pace::default();
        let kept: Vec<_> = (0..1000).filter_map(|_| pace.limit(event(100))).collect();
        assert_eq!(kept.len(), MOST as usize);
        let next = pace.limit(event(101)).unwrap();
        assert_eq!(next.detail.as_deref(), Some("why (990 more were not recorded)"));
        let after = pace.limit(event(101)).unwrap();
        assert_eq!(after.detail.as_deref(), Some("why"));
    }

    #[test]
    fn a_clock_that_goes_back_silences_nothing() {
        let pace = Pace::default();
        assert_eq!((0..20).filter_map(|_| pace.limit(event(100))).count(), MOST as usize);
        assert!(pace.limit(event(50)).is_some());
    }
}
