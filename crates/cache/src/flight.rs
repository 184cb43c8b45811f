//! One load per key at a time.
//!
//! The table knows which load speaks for a key. Three moments take its lock: joining or starting a
//! load, ending one, and invalidating. A load that was taken out of the table in the meantime ends
//! without storing: whoever invalidated has won.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The loads under way.
pub(crate) struct Flights<K, T> {
    table: Mutex<Table<K, T>>,
    /// Callers that may wait for one load.
    seats: usize,
}

struct Table<K, T> {
    flights: HashMap<K, Flight<T>>,
    next: u64,
}

struct Flight<T> {
    id: u64,
    /// Closes without an outcome when the leader gives up.
    outcome: watch::Receiver<Option<T>>,
    seats: Arc<Semaphore>,
}

/// What a caller is to do.
pub(crate) enum Boarding<'a, K: Hash + Eq, T, A> {
    /// The answer was stored in the meantime.
    Answer(A),
    /// Load for everybody.
    Lead(Lead<'a, K, T>),
    /// Wait for the leader.
    Join(Seat<T>),
    /// As many wait as may.
    Crowded,
}

impl<K: Hash + Eq + Clone, T: Clone> Flights<K, T> {
    pub(crate) fn new(seats: usize) -> Self {
        let table = Table { flights: HashMap::new(), next: 0 };
        Self { table: Mutex::new(table), seats: seats.min(Semaphore::MAX_PERMITS) }
    }

    /// Joins the load of `key` or starts one, unless `answer` knows better: a load that ended since
    /// the caller looked has stored its value.
    pub(crate) fn board<A>(
        &self,
        key: &K,
        answer: impl FnOnce() -> Option<A>,
    ) -> Boarding<'_, K, T, A> {
        let mut table = self.lock();
        if let Some(answer) = answer() {
            return Boarding::Answer(answer);
        }
        if let Some(flight) = table.flights.get(key) {
            let Ok(permit) = Arc::clone(&flight.seats).try_acquire_owned() else {
                return Boarding::Crowded;
            };
            return Boarding::Join(Seat { outcome: flight.outcome.clone(), _permit: permit });
        }
        let (sender, outcome) = watch::channel(None);
        let (id, seats) = (table.next, Arc::new(Semaphore::new(self.seats)));
        table.next += 1;
        table.flights.insert(key.clone(), Flight { id, outcome, seats });
        Boarding::Lead(Lead { flights: self, key: key.clone(), id, outcome: sender })
    }

    /// Takes the load of `key` out of the table and runs `then` before another can start; tells
    /// whether there was one.
    pub(crate) fn detach<Q, R>(&self, key: &Q, then: impl FnOnce() -> R) -> (bool, R)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut table = self.lock();
        let flight = table.flights.remove(key);
        (flight.is_some(), then())
    }

    /// As [`Self::detach`], for all keys; tells how many there were.
    pub(crate) fn detach_all<R>(&self, then: impl FnOnce() -> R) -> (usize, R) {
        let mut table = self.lock();
        let count = table.flights.len();
        table.flights.clear();
        (count, then())
    }
}

impl<K, T> Flights<K, T> {
    // Nothing under the lock leaves the table half changed, so a panic there does no harm.
    fn lock(&self) -> MutexGuard<'_, Table<K, T>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, T> Table<K, T> {
    /// Takes out the load of `key` if it is still this one.
    fn remove(&mut self, key: &K, id: u64) -> Option<K> {
        match self.flights.get(key) {
            Some(flight) if flight.id == id => self.flights.remove_entry(key).map(|(key, _)| key),
            _ => None,
        }
    }
}

/// The duty to load. Dropped without landing, the load is up for the next who waits.
pub(crate) struct Lead<'a, K: Hash + Eq, T> {
    flights: &'a Flights<K, T>,
    key: K,
    id: u64,
    outcome: watch::Sender<Option<T>>,
}

impl<K: Hash + Eq, T> Lead<'_, K, T> {
    pub(crate) fn key(&self) -> &K {
        &self.key
    }

    /// Ends the load: runs `store` unless the load was detached, then tells those who wait.
    pub(crate) fn land<R>(self, outcome: T, store: impl FnOnce(K) -> R) -> Option<R> {
        let stored = {
            let mut table = self.flights.lock();
            table.remove(&self.key, self.id).map(store)
        };
        self.outcome.send_replace(Some(outcome));
        stored
    }
}

impl<K: Hash + Eq, T> Drop for Lead<'_, K, T> {
    // Before the sender closes: who wakes up must not find the abandoned load.
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key, self.id);
    }
}

/// A place among those who wait for a load.
pub(crate) struct Seat<T> {
    outcome: watch::Receiver<Option<T>>,
    _permit: OwnedSemaphorePermit,
}

impl<T: Clone> Seat<T> {
    /// The outcome; `None` when the leader has given up.
    pub(crate) async fn outcome(mut self) -> Option<T> {
        let outcome = self.outcome.wait_for(Option::is_some).await;
        outcome.ok().and_then(|outcome| outcome.clone())
    }
}
