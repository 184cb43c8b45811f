use std::{
    collections::{BTreeSet, HashMap},
    hash::BuildHasher,
    time::Duration,
};

use foldhash::quality::RandomState;
use gabion_clock::Instant;
use gabion_errors::{Problem, ToProblem, types};
use parking_lot::Mutex;

use crate::LoginConfig;

/// Too many logins of this name failed; this one is not evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed logins")]
pub struct TooManyAttempts {
    /// When the next one is evaluated.
    pub retry_after: Duration,
}

impl ToProblem for TooManyAttempts {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::TOO_MANY_ATTEMPTS).retry_after(self.retry_after)
    }
}

/// Makes guessing the password of one account slow, from however many addresses.
///
/// Differs from a rate limit in that only failures count and a success forgets them. Some failures
/// are free; after `failures` of them within `window`, or twice as many in a day, each further one
/// doubles the wait, from a second to 15 minutes and beyond that to whatever keeps a day below 100
/// evaluated failures (NIST SP 800-63B-4 §3.2.2). The right password works as soon as the wait is
/// over. Names without an account are treated exactly alike.
///
/// In memory and bounded: 100 000 names under a keyed hash, each of the same size; beyond that the
/// one that failed longest ago is forgotten.
pub struct LoginThrottle {
    config: LoginConfig,
    hasher: RandomState,
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    records: HashMap<u64, Record, RandomState>,
    /// Every record by its `touched`, so that the quietest is found at once.
    quiet: BTreeSet<(Instant, u64)>,
}

#[derive(Clone, Copy)]
struct Record {
    touched: Instant,
    /// Attempts that are under way.
    pending: u32,
    /// Failures since the last success.
    consecutive: u32,
    window: Count,
    day: Count,
    /// How many waits were imposed; see [`Record::waits`].
    waits: u32,
    /// The end of the present wait.
    until: Instant,
}

/// Failures since a time.
#[derive(Clone, Copy)]
struct Count {
    since: Instant,
    failures: u32,
}

impl Count {
    fn within(&self, span: Duration, now: Instant) -> u32 {
        if now.saturating_since(self.since) < span { self.failures } else { 0 }
    }

    fn add(&mut self, span: Duration, now: Instant) {
        let failures = self.within(span, now);
        if failures == 0 {
            self.since = now;
        }
        self.failures = failures.saturating_add(1);
    }
}

const MAX_NAMES: usize = 100_000;
const DAY: Duration = Duration::from_secs(86_400);
const PER_DAY: u32 = 100;
/// Logins of a name without failures that may be under way together.
const AT_ONCE: u32 = 32;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(900);
/// What somebody is told whom only an administrator can help.
const LOCKED_WAIT: Duration = DAY;

impl LoginThrottle {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(config: LoginConfig) -> Self {
        Self { config, hasher: RandomState::default(), names: Mutex::default() }
    }

    /// Whether a login of `name` may be evaluated now. One that may must be followed by
    /// [`failed`](Self::failed), [`succeeded`](Self::succeeded) or
    /// [`abandoned`](Self::abandoned): how many may be under way together is limited, to one for a
    /// name that has to wait between them.
    ///
    /// # Errors
    ///
    /// When it must wait.
    pub fn check(&self, name: &str, now: Instant) -> Result<(), TooManyAttempts> {
        let key = self.hasher.hash_one(name);
        let mut names = self.names.lock();
        let mut record = names.records.get(&key).copied().unwrap_or(Record::new(now));
        if let Some(retry_after) = self.wait(&record, now) {
            return Err(TooManyAttempts { retry_after });
        }
        record.pending += 1;
        names.put(key, record, now);
        Ok(())
    }

    /// A login of `name` that was let through had the wrong password, or there is no such name.
    pub fn failed(&self, name: &str, now: Instant) {
        let key = self.hasher.hash_one(name);
        let mut names = self.names.lock();
        let mut record = names.records.get(&key).copied().unwrap_or(Record::new(now));
        record.waits = record.waits(now);
        record.pending = record.pending.saturating_sub(1);
        record.consecutive = record.consecutive.saturating_add(1);
        record.window.add(self.config.window, now);
        record.day.add(DAY, now);
        // Failures that were under way together cost one wait together.
        let waits_already = record.until > now;
        if !waits_already && (record.waits > 0 || self.free(&record, now) == 0) {
            record.until = now + self.next_wait(&record, now);
            record.waits = record.waits.saturating_add(1);
        }
        names.put(key, record, now);
    }

    /// A login of `name` had the right password: its failures are forgotten.
    pub fn succeeded(&self, name: &str) {
        self.reset(name);
    }

    /// A login of `name` was let through and then not evaluated.
    pub fn abandoned(&self, name: &str) {
        let key = self.hasher.hash_one(name);
        let mut names = self.names.lock();
        let Some(record) = names.records.get_mut(&key) else { return };
        record.pending = record.pending.saturating_sub(1);
        if record.pending == 0 && record.consecutive == 0 {
            names.remove(key);
        }
    }

    /// An administrator forgives `name` its failures.
    pub fn reset(&self, name: &str) {
        self.names.lock().remove(self.hasher.hash_one(name));
    }

    /// How many names are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.lock().records.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long the next attempt has to wait, if it has to.
    fn wait(&self, record: &Record, now: Instant) -> Option<Duration> {
        if self.config.hard_limit > 0
            && record.consecutive.saturating_add(record.pending) >= self.config.hard_limit
        {
            // Those under way may yet succeed.
            let locked = record.consecutive >= self.config.hard_limit;
            return Some(if locked { LOCKED_WAIT } else { FIRST_WAIT });
        }
        let left = record.until.saturating_since(now);
        if !left.is_zero() {
            return Some(left);
        }
        let at_once = match record.day.within(DAY, now) {
            0 => self.config.failures.max(AT_ONCE),
            _ if record.waits > 0 => 1,
            _ => self.free(record, now),
        };
        (record.pending >= at_once).then_some(FIRST_WAIT)
    }

    /// How many more failures cost nothing.
    fn free(&self, record: &Record, now: Instant) -> u32 {
        let allowed = self.config.failures;
        let in_window = allowed.saturating_sub(record.window.within(self.config.window, now));
        let in_day = allowed.saturating_mul(2).saturating_sub(record.day.within(DAY, now));
        in_window.min(in_day)
    }

    /// The wait after a failure that is already counted.
    fn next_wait(&self, record: &Record, now: Instant) -> Duration {
        let doubled =
            FIRST_WAIT.saturating_mul(1_u32.checked_shl(record.waits).unwrap_or(u32::MAX));
        if doubled < LAST_WAIT {
            return doubled;
        }
        // What is left of the day's failures, spread over what is left of the day.
        let day_left = (record.day.since + DAY).saturating_since(now);
        let per_day = PER_DAY.max(self.config.failures);
        let failures_left = per_day.saturating_sub(record.day.within(DAY, now));
        day_left.checked_div(failures_left).unwrap_or(day_left).max(LAST_WAIT)
    }
}

impl Record {
    fn new(now: Instant) -> Self {
        let none = Count { since: now, failures: 0 };
        Self {
            touched: now,
            pending: 0,
            consecutive: 0,
            window: none,
            day: none,
            waits: 0,
            until: Instant::ORIGIN,
        }
    }

    /// How many waits were imposed; each day begins anew.
    fn waits(&self, now: Instant) -> u32 {
        if self.day.within(DAY, now) == 0 { 0 } else { self.waits }
    }
}

impl Names {
    fn put(&mut self, key: u64, record: Record, now: Instant) {
        if let Some(old) = self.records.insert(key, Record { touched: now, ..record }) {
            self.quiet.remove(&(old.touched, key));
        } else if self.records.len() > MAX_NAMES
            && let Some((_, quietest)) = self.quiet.pop_first()
        {
            self.records.remove(&quietest);
        }
        self.quiet.insert((now, key));
    }

    fn remove(&mut self, key: u64) {
        if let Some(record) = self.records.remove(&key) {
            self.quiet.remove(&(record.touched, key));
        }
    }
}

#[cfg(test)]
mod tests;
