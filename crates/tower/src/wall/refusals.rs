//! Which refusals have a line in the log.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use gabion_clock::Instant;

use super::access::Reason;

/// Lets the first few refusals of each reason in a second through and counts the others.
///
/// What is let in is bounded by the limits; what they refuse is bounded by nobody, and would fill a disk.
/// Nothing here waits.
#[derive(Default)]
pub(super) struct Refusals([Kind; KINDS]);

#[derive(Default)]
struct Kind {
    reason: OnceLock<Reason>,
    /// The second, and in the lowest bits how many passed in it.
    second: AtomicU64,
    held_back: AtomicU64,
}

/// Of one reason in one second.
const MOST: u64 = 10;
const COUNT_BITS: u32 = 8;
/// Limits that a wall may have; what comes later shares the last place.
const KINDS: usize = 32;

impl Refusals {
    /// Whether a refusal has a line; then how many before it had none.
    pub(super) fn pass(&self, reason: Reason, now: Instant) -> Option<u64> {
        self.kind(reason).pass(now.as_nanos() / 1_000_000_000)
    }

    fn kind(&self, reason: Reason) -> &Kind {
        let own = |kind: &&Kind| *kind.reason.get_or_init(|| reason) == reason;
        self.0.iter().find(own).unwrap_or(&self.0[KINDS - 1])
    }
}

impl Kind {
    fn pass(&self, second: u64) -> Option<u64> {
        let counted = self.second.fetch_update(Relaxed, Relaxed, |before| {
            if before >> COUNT_BITS < second {
                return Some(second << COUNT_BITS | 1);
            }
            // Another thread may have seen the next second already.
            (before % (1 << COUNT_BITS) < MOST).then_some(before + 1)
        });
        match counted {
            Ok(_) if self.held_back.load(Relaxed) == 0 => Some(0),
            Ok(_) => Some(self.held_back.swap(0, Relaxed)),
            Err(_) => {
                self.held_back.fetch_add(1, Relaxed);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    const CALLER: Reason = Reason { code: "rate-limited", limit: Some("caller") };

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    #[test]
    fn the_first_line_of_the_next_second_tells_of_those_that_had_none() {
        let refusals = Refusals::default();
        let passed: Vec<_> = (0..50).map(|_| refusals.pass(CALLER, at(7_000))).collect();
        assert_eq!(passed[..10], [Some(0); 10]);
        assert_eq!(passed[10..], [None; 40]);
        assert_eq!(refusals.pass(CALLER, at(7_999)), None);
        assert_eq!(refusals.pass(CALLER, at(8_000)), Some(41));
        assert_eq!(refusals.pass(CALLER, at(8_000)), Some(0));
    }

    #[test]
    fn a_loud_limit_hides_no_other() {
        let refusals = Refusals::default();
        for _ in 0..1000 {
            refusals.pass(CALLER, at(0));
        }
        let address = Reason { limit: Some("address"), ..CALLER };
        assert_eq!(refusals.pass(address, at(0)), Some(0));
    }

    #[test]
    fn reasons_without_number_have_as_many_lines_as_the_table_has_places() {
        let refusals = Refusals::default();
        let names = (0..100).map(|i| &*format!("limit-{i}").leak());
        let reasons = names.map(|name| Reason { code: "rate-limited", limit: Some(name) });
        let all = reasons.flat_map(|reason| [reason; 20]);
        let passed = all.filter(|reason| refusals.pass(*reason, at(0)).is_some()).count();
        assert_eq!(passed as u64, KINDS as u64 * MOST);
    }

    #[test]
    fn side_by_side_none_is_forgotten() {
        let refusals = Refusals::default();
        let (told, held): (u64, u64) = thread::scope(|scope| {
            let walk = || {
                let (mut told, mut held) = (0, 0);
                for i in 0..20_000 {
                    if let Some(before) = refusals.pass(CALLER, at(i / 4)) {
                        (told, held) = (told + 1, held + before);
                    }
                }
                (told, held)
            };
            let threads = [(); 4].map(|()| scope.spawn(walk));
            let each = threads.map(|thread| thread.join().unwrap());
            each.iter().fold((0, 0), |(told, held), own| (told + own.0, held + own.1))
        });
        let left = refusals.kind(CALLER).held_back.load(Relaxed);
        assert_eq!(told + held + left, 80_000);
        assert!((MOST..=5 * MOST).contains(&told), "{told}");
    }
}
