//! How long to wait after which failures: pure, the caller brings record and time.

use std::time::Duration;

use gabion_clock::Instant;

/// What is known of one account or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Record {
    /// Attempts that are under way.
    pub(super) pending: u32,
    /// Failures since the last success.
    pub(super) consecutive: u32,
    /// Failures of the window that ends at `window_ends`.
    pub(super) recent: u32,
    pub(super) window_ends: Instant,
    /// How many waits were imposed; forgotten once the failures are worked off.
    pub(super) waits: u32,
    /// The end of the present wait.
    pub(super) until: Instant,
    /// When all failures are worked off: each adds an interval of the [`Pace`]. A success leaves it,
    /// or the owner's logins would give an attacker new tries.
    pub(super) paid_by: Instant,
    /// The last failure, or what came after it; the origin when there was none.
    pub(super) changed_at: Instant,
}

impl Record {
    /// Whether there is anything to be remembered.
    pub(super) fn has_changed(&self) -> bool {
        self.changed_at > Instant::ORIGIN
    }
}

/// What failures cost.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// Failures in a window without a wait.
    pub(super) free: u32,
    pub(super) window: Duration,
    /// Failures in a row after which an administrator must help; 0: never.
    pub(super) hard_limit: u32,
    pub(super) pace: Option<Pace>,
}

/// Most failures of a day, as a leaky bucket: `burst` at once, and then one each `interval`. In 24
/// hours, wherever they begin, that makes `burst` and `DAY / interval` together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) burst: u32,
    pub(super) interval: Duration,
}

pub(super) const DAY: Duration = Duration::from_secs(86_400);
/// NIST SP 800-63B-4 §3.2.2.
const PER_DAY: u32 = 100;
/// Those of them that come one by one, spread over the day.
const LATER: u32 = 25;
/// Logins without failures that may be under way together: as many as wait for a hash.
pub(super) const AT_ONCE: u32 = 64;
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(1);
pub(super) const LAST_WAIT: Duration = Duration::from_secs(900);
/// What somebody is told whom only an administrator can help.
const LOCKED_WAIT: Duration = DAY;
pub(super) const NEVER: Instant = Instant::from_nanos(u64::MAX);

impl Pace {
    /// 100 failures a day, or what `free` ones and 25 more make.
    pub(super) fn with_free(free: u32) -> Self {
        // Room for as many as are let in together, and for the waits to grow after them before the day
        // is what counts.
        Self { burst: (PER_DAY - LATER).max(free), interval: DAY / LATER }
    }

    fn span(self, failures: u32) -> Duration {
        self.interval.saturating_mul(failures)
    }
}

impl Policy {
    /// How long the next attempt has to wait, if it has to.
    pub(super) fn wait(&self, record: &Record, now: Instant) -> Option<Duration> {
        if self.is_locked(record) {
            return Some(LOCKED_WAIT);
        }
        let left = record.until.saturating_since(now).max(self.owed(record, 1, now));
        if !left.is_zero() {
            return Some(left);
        }
        // Those under way may yet fail.
        let with_pending = record.pending.saturating_add(1);
        let too_many = record.pending >= self.at_once(record, now)
            || !self.owed(record, with_pending, now).is_zero()
            || (self.hard_limit > 0
                && record.consecutive.saturating_add(record.pending) >= self.hard_limit);
        too_many.then_some(FIRST_WAIT)
    }

    /// One more failure.
    pub(super) fn fail(&self, record: &mut Record, now: Instant) {
        let recent = self.recent(record, now);
        if recent == 0 {
            record.window_ends = now + self.window;
        }
        record.recent = recent.saturating_add(1);
        record.consecutive = record.consecutive.saturating_add(1);
        record.waits = self.waits(record, now);
        // Failures that were under way together cost one wait together.
        let waits_already = record.until > now;
        if !waits_already && (record.waits > 0 || record.recent >= self.free) {
            let doubled = 1_u32.checked_shl(record.waits).unwrap_or(u32::MAX);
            record.until = now + FIRST_WAIT.saturating_mul(doubled).min(LAST_WAIT);
            record.waits = record.waits.saturating_add(1);
        }
        record.paid_by = match self.pace {
            Some(pace) => record.paid_by.max(now) + pace.interval,
            None => record.until.max(now) + self.window,
        };
        record.changed_at = now;
    }

    /// The right password: nothing is left but the bound of the day.
    pub(super) fn succeed(&self, record: &mut Record, now: Instant) {
        let Record { pending, paid_by, .. } = *record;
        *record = Record { pending, paid_by, changed_at: now, ..Record::default() };
    }

    /// Of which nothing is known, when records that owed until `forgotten` had to make room.
    pub(super) fn unknown(&self, forgotten: Instant, now: Instant) -> Record {
        let most = self.pace.map_or(now, |pace| now + pace.span(pace.burst.saturating_sub(1)));
        let paid_by = if forgotten > now { forgotten.min(most) } else { Instant::ORIGIN };
        Record { paid_by, ..Record::default() }
    }

    /// No wait is longer than the policy's longest: a wall clock that went back between a save and
    /// a load would make them so.
    pub(super) fn clamp(&self, record: &mut Record, now: Instant) {
        let (wait, paid) = match self.pace {
            Some(pace) => (LAST_WAIT, pace.span(pace.burst)),
            None => (LAST_WAIT, LAST_WAIT + self.window),
        };
        record.until = record.until.min(now + wait);
        record.paid_by = record.paid_by.min(now + paid);
        record.window_ends = record.window_ends.min(now + self.window);
    }

    /// Whether only an administrator can help.
    pub(super) fn is_locked(&self, record: &Record) -> bool {
        self.hard_limit > 0 && record.consecutive >= self.hard_limit
    }

    /// When the record says no more than none would.
    pub(super) fn kept_until(&self, record: &Record) -> Instant {
        if self.hard_limit > 0 && record.consecutive > 0 {
            return NEVER;
        }
        let window = if record.recent > 0 { record.window_ends } else { Instant::ORIGIN };
        record.until.max(record.paid_by).max(window)
    }

    /// What is least is forgotten first where there is no room: a record with more failures outlives
    /// one with fewer, and one that is locked outlives all.
    pub(super) fn standing(&self, record: &Record) -> Instant {
        if self.is_locked(record) {
            return NEVER;
        }
        let in_row = match self.pace {
            Some(pace) if self.hard_limit > 0 => pace.span(record.consecutive),
            _ => Duration::ZERO,
        };
        record.until.max(record.paid_by) + in_row
    }

    fn recent(&self, record: &Record, now: Instant) -> u32 {
        if now < record.window_ends { record.recent } else { 0 }
    }

    fn waits(&self, record: &Record, now: Instant) -> u32 {
        if now < record.paid_by { record.waits } else { 0 }
    }

    /// How many may be under way together.
    fn at_once(&self, record: &Record, now: Instant) -> u32 {
        if record.paid_by <= now {
            return self.free.max(AT_ONCE);
        }
        // Once there are waits, one by one.
        match record.waits {
            0 => self.free.saturating_sub(self.recent(record, now)).max(1),
            _ => 1,
        }
    }

    /// How long until `more` failures fit into the bound of the day.
    fn owed(&self, record: &Record, more: u32, now: Instant) -> Duration {
        let Some(pace) = self.pace else { return Duration::ZERO };
        let owed = record.paid_by.max(now) + pace.span(more);
        owed.saturating_since(now + pace.span(pace.burst))
    }
}
