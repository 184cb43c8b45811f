use std::{io, time::Duration};

use gabion_clock::Instant;
use rustix::io::Errno;

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(100);
/// At the limit every other accept fails: only this long without a failure is an end.
const QUIET: Duration = Duration::from_secs(5);

/// Why a connection could not be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// That connection failed before it was accepted; the next may not.
    Aborted,
    /// No file descriptor or no memory is left.
    Exhausted,
    /// Not foreseen.
    Other,
}

impl Cause {
    /// accept(2): pending network errors of the new connection come out of `accept`.
    pub(super) fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Self::Exhausted,
            Some(
                Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::INTR
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::OPNOTSUPP
                | Errno::TIMEDOUT
                | Errno::PERM,
            ) => Self::Aborted,
            _ => Self::Other,
        }
    }
}

/// A time in which accepting fails.
#[derive(Debug, Default)]
pub(super) struct Outage(Option<Open>);

#[derive(Debug)]
struct Open {
    began: Instant,
    /// The latest failure.
    last: Instant,
    failures: u64,
    /// Before the next try.
    wait: Duration,
}

/// What to do about a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) wait: Duration,
    /// Whether the outage begins with it.
    pub(super) first: bool,
}

/// An outage that is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) lasted: Duration,
    pub(super) failures: u64,
}

impl Outage {
    pub(super) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn failed(&mut self, now: Instant) -> Failed {
        let Some(open) = &mut self.0 else {
            self.0 = Some(Open { began: now, last: now, failures: 1, wait: SHORTEST });
            return Failed { wait: SHORTEST, first: true };
        };
        open.last = now;
        open.failures += 1;
        open.wait = (open.wait * 2).min(LONGEST);
        Failed { wait: open.wait, first: false }
    }

    pub(super) fn accepted(&mut self, now: Instant) -> Option<Report> {
        let open = self.0.as_mut()?;
        open.wait = SHORTEST / 2;
        if now.saturating_since(open.last) < QUIET {
            return None;
        }
        let report =
            Report { lasted: open.last.saturating_since(open.began), failures: open.failures };
        self.0 = None;
        Some(report)
    }
}

#[cfg(test)]
mod tests {
    use gabion_clock::{Clock, ManualClock};

    use super::*;

    #[test]
    fn a_lack_of_descriptors_is_waited_out_and_a_lost_connection_is_not() {
        for (errno, cause) in [
            (Errno::MFILE, Cause::Exhausted),
            (Errno::NFILE, Cause::Exhausted),
            (Errno::CONNABORTED, Cause::Aborted),
            (Errno::INVAL, Cause::Other),
        ] {
            assert_eq!(Cause::of(&errno.into()), cause, "{errno:?}");
        }
    }

    #[test]
    fn waits_grow_from_ten_to_a_hundred_milliseconds() {
        let mut outage = Outage::default();
        let waits = [(); 6].map(|()| outage.failed(Instant::ORIGIN).wait.as_millis());
        assert_eq!(waits, [10, 20, 40, 80, 100, 100]);
    }

    #[test]
    fn failures_between_accepted_connections_are_one_outage() {
        let (clock, mut outage) = (ManualClock::new(), Outage::default());
        assert!(outage.failed(clock.now()).first);
        for _ in 0..3 {
            clock.advance(Duration::from_secs(1));
            assert_eq!(outage.accepted(clock.now()), None);
            assert_eq!(outage.failed(clock.now()), Failed { wait: SHORTEST, first: false });
        }
        clock.advance(QUIET);
        let report = Report { lasted: Duration::from_secs(3), failures: 4 };
        assert_eq!(outage.accepted(clock.now()), Some(report));
        assert!(!outage.is_open());
    }
}
