//! Records under their keys: bounded, and those that changed are known.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use foldhash::quality::RandomState;
use gabion_clock::Instant;
use parking_lot::Mutex;

use super::{
    policy::{Policy, Record},
    store::FailureKey,
};

pub(super) struct Table {
    policy: Policy,
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    records: HashMap<FailureKey, Record, RandomState>,
    /// Every record by its standing: the first is the least loss.
    order: BTreeSet<(Instant, FailureKey)>,
    /// The latest `paid_by` of a record that had to make room.
    forgotten: Instant,
    /// Records as they were last changed, with the number of the change; not yet saved.
    changed: HashMap<FailureKey, Change, RandomState>,
    changes: u64,
}

/// A record that is to be saved.
#[derive(Clone, Copy)]
pub(super) struct Change {
    number: u64,
    pub(super) record: Record,
}

impl Table {
    pub(super) fn new(policy: Policy, max: usize) -> Self {
        Self { policy, max, state: Mutex::default() }
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().records.len()
    }

    /// Begins an attempt, or tells how long it has to wait.
    pub(super) fn begin(&self, key: FailureKey, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock();
        let mut record = self.look(&state, key, now);
        if let Some(wait) = self.policy.wait(&record, now) {
            return Err(wait);
        }
        record.pending += 1;
        self.put(&mut state, key, record, now);
        Ok(())
    }

    /// An attempt that was begun has failed.
    pub(super) fn failed(&self, key: FailureKey, now: Instant) {
        let mut state = self.state.lock();
        let mut record = self.look(&state, key, now);
        record.pending = record.pending.saturating_sub(1);
        self.policy.fail(&mut record, now);
        self.put(&mut state, key, record, now);
        state.note(key, record, self.max);
    }

    /// An attempt that was begun has succeeded, and its failures are forgiven.
    pub(super) fn succeeded(&self, key: FailureKey, now: Instant) {
        let mut state = self.state.lock();
        let mut record = self.look(&state, key, now);
        record.pending = record.pending.saturating_sub(1);
        if record.has_changed() {
            self.policy.succeed(&mut record, now);
            state.note(key, record, self.max);
        }
        self.put_or_remove(&mut state, key, record, now);
    }

    /// An attempt that was begun tells nothing.
    pub(super) fn abandoned(&self, key: FailureKey) {
        let mut state = self.state.lock();
        let Some(mut record) = state.records.get(&key).copied() else { return };
        record.pending = record.pending.saturating_sub(1);
        // One that has changed is kept whatever the time is.
        self.put_or_remove(&mut state, key, record, Instant::ORIGIN);
    }

    /// An administrator forgives all.
    pub(super) fn reset(&self, key: FailureKey, now: Instant) {
        let mut state = self.state.lock();
        let record = Record { changed_at: now, ..Record::default() };
        // Noted also when nothing is known: the store may know.
        state.note(key, record, usize::MAX);
        match self.look(&state, key, now).pending {
            0 => state.remove(key, &self.policy),
            pending => self.put(&mut state, key, Record { pending, ..record }, now),
        }
    }

    /// What was changed since it was saved.
    pub(super) fn changed(&self) -> Vec<(FailureKey, Change)> {
        let state = self.state.lock();
        state.changed.iter().map(|(key, change)| (*key, *change)).collect()
    }

    /// These changes are saved; what was changed again is still to be.
    pub(super) fn saved(&self, saved: &[(FailureKey, Change)]) {
        let mut state = self.state.lock();
        for (key, change) in saved {
            if state.changed.get(key).is_some_and(|present| present.number == change.number) {
                state.changed.remove(key);
            }
        }
        if state.changed.is_empty() {
            state.changed.shrink_to_fit();
        }
    }

    /// A record from the store. What happened later holds; the bound of the day counts both.
    pub(super) fn restore(&self, key: FailureKey, mut record: Record, now: Instant) {
        self.policy.clamp(&mut record, now);
        record.changed_at = record.changed_at.max(Instant::from_nanos(1));
        let mut state = self.state.lock();
        if let Some(present) = state.records.get(&key) {
            let paid_by = present.paid_by.max(record.paid_by);
            let newer = if present.changed_at >= record.changed_at { present } else { &record };
            record = Record { pending: present.pending, paid_by, ..*newer };
        }
        self.put_or_remove(&mut state, key, record, now);
    }

    fn put_or_remove(&self, state: &mut State, key: FailureKey, record: Record, now: Instant) {
        let worthless = !record.has_changed() || self.policy.kept_until(&record) <= now;
        if record.pending == 0 && worthless {
            state.remove(key, &self.policy);
        } else {
            self.put(state, key, record, now);
        }
    }

    /// The record of `key`. One that is not there may have had to make room: then it is taken for
    /// the worst of those, up to the last failure that costs no long wait. So the owner's right
    /// password always works at once, and whoever floods the table to be forgotten gains nothing.
    fn look(&self, state: &State, key: FailureKey, now: Instant) -> Record {
        state
            .records
            .get(&key)
            .copied()
            .unwrap_or_else(|| self.policy.unknown(state.forgotten, now))
    }

    fn put(&self, state: &mut State, key: FailureKey, record: Record, now: Instant) {
        let standing = self.policy.standing(&record);
        if let Some(old) = state.records.insert(key, record) {
            state.order.remove(&(self.policy.standing(&old), key));
        }
        state.order.insert((standing, key));
        self.make_room(state, key, now);
    }

    /// Forgets what has become worthless, and what has least standing if there is one too many.
    fn make_room(&self, state: &mut State, newest: FailureKey, now: Instant) {
        for _ in 0..WORTHLESS_AT_ONCE {
            let Some((_, key)) = state.order.iter().find(|(_, key)| *key != newest).copied() else {
                return;
            };
            let Some(record) = state.records.get(&key).copied() else { return };
            let worthless = record.pending == 0 && self.policy.kept_until(&record) <= now;
            if !worthless && state.records.len() <= self.max {
                return;
            }
            state.forgotten = state.forgotten.max(record.paid_by);
            state.remove(key, &self.policy);
        }
    }

    #[cfg(test)]
    pub(super) fn peek(&self, key: FailureKey) -> Record {
        self.state.lock().records.get(&key).copied().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn is_consistent(&self) -> bool {
        let state = self.state.lock();
        let listed = |(key, record): (&FailureKey, &Record)| {
            state.order.contains(&(self.policy.standing(record), *key))
        };
        state.order.len() == state.records.len()
            && state.records.len() <= self.max
            && state.records.iter().all(listed)
    }
}

impl State {
    fn remove(&mut self, key: FailureKey, policy: &Policy) {
        if let Some(record) = self.records.remove(&key) {
            self.order.remove(&(policy.standing(&record), key));
        }
    }

    /// Keeps a change for the store; of more than `max` only those that are known already, so that
    /// a store that takes nothing costs no more memory.
    fn note(&mut self, key: FailureKey, record: Record, max: usize) {
        if self.changed.len() >= max && !self.changed.contains_key(&key) {
            return;
        }
        self.changes += 1;
        self.changed.insert(key, Change { number: self.changes, record });
    }
}

/// Two go for each that comes, so that what is worthless does not pile up.
const WORTHLESS_AT_ONCE: usize = 2;
