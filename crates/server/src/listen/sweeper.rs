use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use gabion_clock::{Clock, Instant, SystemClock, UnixTime};
use gabion_config::Live;
use gabion_limits::Overdue;
use metrics::Counter;

use super::Watch;
use crate::{metrics::CONNECTIONS_CLOSED, settings::ServerSettings};

/// Looks at every connection ten times a second, instead of a timer for each phase of each request.
pub struct Sweeper {
    watches: Mutex<HashMap<u64, Arc<Watch>>>,
    next: AtomicU64,
    millis: Arc<AtomicU64>,
    draining: AtomicBool,
    closed: [(Overdue, Counter); 4],
}

const TICK: Duration = Duration::from_millis(100);

impl Sweeper {
    /// A sweeper without connections.
    #[must_use]
    pub fn new() -> Self {
        let counter = |overdue, reason: &'static str| {
            (overdue, metrics::counter!(CONNECTIONS_CLOSED, "reason" => reason))
        };
        Self {
            watches: Mutex::default(),
            next: AtomicU64::new(0),
            millis: Arc::default(),
            draining: AtomicBool::new(false),
            closed: [
                counter(Overdue::Head, "head"),
                counter(Overdue::Idle, "idle"),
                counter(Overdue::BodyTooSlow, "body"),
                counter(Overdue::WriteStalled, "write"),
            ],
        }
    }

    /// The time of the last look.
    #[must_use]
    pub fn clock(&self, precise: SystemClock) -> CoarseClock {
        CoarseClock { millis: Arc::clone(&self.millis), precise }
    }

    /// Watches a new connection until the guard is dropped.
    pub(super) fn watch(self: &Arc<Self>) -> Watched {
        let watch = Arc::new(Watch::new(Arc::clone(&self.millis)));
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(id, Arc::clone(&watch));
        if self.draining.load(Ordering::SeqCst) {
            watch.drain();
        }
        Watched { sweeper: Arc::clone(self), id, watch }
    }

    /// Tells every connection, also those to come, that the server drains.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        for watch in self.lock().values() {
            watch.drain();
        }
    }

    /// Sweeps until the future is dropped.
    pub async fn run(&self, clock: impl Clock, settings: &Live<ServerSettings>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let now = clock.now().saturating_since(Instant::ORIGIN);
            let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            self.millis.store(now, Ordering::Relaxed);
            let settings = settings.load_full();
            for watch in self.lock().values() {
                if let Some(overdue) = watch.sweep(now, &settings.limits.time)
                    && let Some((_, counter)) =
                        self.closed.iter().find(|(reason, _)| *reason == overdue)
                {
                    counter.increment(1);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Watch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Sweeper {
    fn default() -> Self {
        Self::new()
    }
}

/// Monotonic time as the sweeper last saw it: up to a tenth of a second old, and free to read. For
/// lifetimes of minutes that are looked at on every request.
#[derive(Debug, Clone)]
pub struct CoarseClock {
    millis: Arc<AtomicU64>,
    precise: SystemClock,
}

impl Clock for CoarseClock {
    fn now(&self) -> Instant {
        Instant::ORIGIN + Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }

    fn unix(&self) -> UnixTime {
        self.precise.unix()
    }
}

/// A connection that is watched.
pub(super) struct Watched {
    sweeper: Arc<Sweeper>,
    id: u64,
    pub(super) watch: Arc<Watch>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let removed = self.sweeper.lock().remove(&self.id);
        drop(removed);
    }
}
