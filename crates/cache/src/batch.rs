#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    future::Future,
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use crate::LoadError;

/// The bounds of a [`Loader`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchConfig {
    /// Most keys of one batch; 100 by default, zero counts as 1.
    pub keys: usize,
    /// How long a batch waits for more keys after its first; 500 µs by default. Zero: until the tasks
    /// that are ready now have run.
    pub wait: Duration,
    /// Batches that load at the same time; 4 by default, zero counts as 1. While as many load, the
    /// next one goes on collecting.
    pub running: usize,
    /// Callers that may wait, for all batches together; 10 000 by default. Those beyond are refused.
    pub waiting: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { keys: 100, wait: Duration::from_micros(500), running: 4, waiting: 10_000 }
    }
}

/// Makes one load of many that are asked for at about the same time.
///
/// Keys are collected until there are [`BatchConfig::keys`] of them or [`BatchConfig::wait`] has
/// passed since the first; equal keys are asked for once. It remembers nothing: put it under a
/// [`Cache`](crate::Cache) for that.
///
/// Batches run as tasks of the tokio runtime that the first caller runs on, so no caller's leaving
/// stops another's load; a batch that everybody has left before it began is not loaded. A load that
/// never ends keeps one of the `running` places: put a deadline into it.
///
/// ```
/// use std::collections::HashMap;
///
/// use gabion_cache::{BatchConfig, Loader};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // One query for many ids: `SELECT … WHERE id IN (…)`.
/// let squares = Loader::new(BatchConfig::default(), async |ids: Vec<u64>| {
///     let found = ids.into_iter().filter(|id| *id < 10);
///     found.map(|id| (id, Ok::<_, std::io::ErrorKind>(id * id))).collect::<HashMap<_, _>>()
/// });
/// let (three, four, many) = tokio::join!(squares.load(3), squares.load(4), squares.load(99));
/// assert_eq!((three, four, many), (Ok(Some(9)), Ok(Some(16)), Ok(None)));
/// # }
/// ```
pub struct Loader<K, V, E> {
    shared: Arc<Shared<K, V, E>>,
}

type Results<K, V, E> = HashMap<K, Result<V, E>>;
type LoadMany<K, V, E> =
    dyn Fn(Vec<K>) -> Pin<Box<dyn Future<Output = Results<K, V, E>> + Send>> + Send + Sync;

struct Shared<K, V, E> {
    config: BatchConfig,
    load_many: Box<LoadMany<K, V, E>>,
    /// Batches not yet begun, oldest first; only the last has room. Each has a task that will begin
    /// the oldest.
    queue: Mutex<VecDeque<Batch<K, V, E>>>,
    running: Semaphore,
    waiting: Arc<Semaphore>,
}

struct Batch<K, V, E> {
    keys: HashSet<K>,
    /// Told when there is no room for more keys.
    full: Arc<Notify>,
    outcome: watch::Sender<Option<Arc<Results<K, V, E>>>>,
}

impl<K, V, E> Loader<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// A loader that calls `load_many` with distinct keys. What its answer lacks is absent; keys
    /// that were not asked for are ignored.
    pub fn new<F, Fut>(config: BatchConfig, load_many: F) -> Self
    where
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HashMap<K, Result<V, E>>> + Send + 'static,
    {
        let config = BatchConfig { keys: config.keys.max(1), ..config };
        let permits = |count: usize| count.min(Semaphore::MAX_PERMITS);
        Self {
            shared: Arc::new(Shared {
                load_many: Box::new(move |keys| Box::pin(load_many(keys))),
                queue: Mutex::new(VecDeque::new()),
                running: Semaphore::new(permits(config.running.max(1))),
                waiting: Arc::new(Semaphore::new(permits(config.waiting))),
                config,
            }),
        }
    }

    /// Loads `key` together with others; `None` when the batch's answer lacks it.
    ///
    /// # Errors
    ///
    /// [`LoadError::Failed`] with what was said of this key, [`LoadError::Crowded`] when too many
    /// wait already, [`LoadError::Interrupted`] when the load panicked.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up this caller's place; the batch goes on for the others.
    pub async fn load(&self, key: K) -> Result<Option<V>, LoadError<E>> {
        let mut seat = self.board(key.clone())?;
        let outcome = seat.outcome.wait_for(Option::is_some).await;
        let results = outcome.ok().and_then(|results| results.clone());
        match results.ok_or(LoadError::Interrupted)?.get(&key) {
            Some(Ok(value)) => Ok(Some(value.clone())),
            Some(Err(error)) => Err(LoadError::Failed(error.clone())),
            None => Ok(None),
        }
    }

    fn board(&self, key: K) -> Result<Seat<K, V, E>, LoadError<E>> {
        let waiting = Arc::clone(&self.shared.waiting);
        let permit = waiting.try_acquire_owned().map_err(|_| LoadError::Crowded)?;
        let most = self.shared.config.keys;
        let mut queue = self.shared.queue();
        let batch = match queue.back_mut() {
            Some(batch) if batch.keys.len() < most || batch.keys.contains(&key) => batch,
            _ => {
                let batch = Batch::new();
                tokio::spawn(Arc::clone(&self.shared).run(Arc::clone(&batch.full)));
                queue.push_back(batch);
                queue.back_mut().expect("just pushed")
            }
        };
        batch.keys.insert(key);
        if batch.keys.len() >= most {
            batch.full.notify_one();
        }
        Ok(Seat { outcome: batch.outcome.subscribe(), _permit: permit })
    }
}

/// A caller's place in a batch.
struct Seat<K, V, E> {
    outcome: watch::Receiver<Option<Arc<Results<K, V, E>>>>,
    _permit: OwnedSemaphorePermit,
}

impl<K, V, E> Batch<K, V, E> {
    fn new() -> Self {
        let (outcome, _) = watch::channel(None);
        Self { keys: HashSet::new(), full: Arc::new(Notify::new()), outcome }
    }
}

impl<K, V, E> Shared<K, V, E> {
    /// Waits for keys, then for a place among the running, and begins the oldest batch: while it
    /// waits for its place the batch goes on collecting.
    async fn run(self: Arc<Self>, full: Arc<Notify>) {
        // Full or time is up: either way it begins.
        let _ = timeout(self.config.wait, full.notified()).await;
        let Ok(_place) = self.running.acquire().await else {
            return;
        };
        let Some(batch) = self.queue().pop_front() else {
            return;
        };
        if batch.outcome.is_closed() {
            return;
        }
        let results = (self.load_many)(batch.keys.into_iter().collect()).await;
        batch.outcome.send_replace(Some(Arc::new(results)));
    }

    // Nothing under the lock leaves the queue half changed, so a panic there does no harm.
    fn queue(&self) -> MutexGuard<'_, VecDeque<Batch<K, V, E>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V, E> Clone for Loader<K, V, E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K, V, E> fmt::Debug for Loader<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
