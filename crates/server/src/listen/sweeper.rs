use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use gabion_clock::{Clock, Instant, SystemClock, UnixTime};
use gabion_config::Live;

use super::{Watch, closed::Closed};
use crate::settings::{LimitsConfig, ServerSettings};

/// Looks at every connection ten times a second, instead of a timer for each phase of each request.
pub struct Sweeper {
    watches: Mutex<HashMap<u64, Arc<Watch>>>,
    next: AtomicU64,
    shared: Arc<Shared>,
    draining: AtomicBool,
}

const TICK: Duration = Duration::from_millis(100);
/// A map with room for more than this gives memory back when it is nearly empty.
const ROOMY: usize = 1024;

/// What every watch looks up, so that none has to be told.
#[derive(Debug)]
pub(super) struct Shared {
    millis: AtomicU64,
    most_requests: AtomicU32,
    pub(super) closed: Closed,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            millis: AtomicU64::new(0),
            most_requests: AtomicU32::new(u32::MAX),
            closed: Closed::new(),
        }
    }

    /// Milliseconds of the coarse clock.
    pub(super) fn now(&self) -> u64 {
        self.millis.load(Ordering::Relaxed)
    }

    /// Requests that one connection may carry.
    pub(super) fn most_requests(&self) -> u32 {
        self.most_requests.load(Ordering::Relaxed)
    }
}

impl Sweeper {
    /// A sweeper without connections.
    #[must_use]
    pub fn new() -> Self {
        Self {
            watches: Mutex::default(),
            next: AtomicU64::new(0),
            shared: Arc::new(Shared::new()),
            draining: AtomicBool::new(false),
        }
    }

    /// The time of the last look.
    #[must_use]
    pub fn clock(&self, precise: SystemClock) -> CoarseClock {
        CoarseClock { shared: Arc::clone(&self.shared), precise }
    }

    /// Watches a new connection until the guard is dropped; it is late with a head from now on, unless
    /// [`Watched::handshake`] comes first.
    pub fn watch(self: &Arc<Self>) -> Watched {
        let watch = Arc::new(Watch::new(Arc::clone(&self.shared)));
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
            self.look(now, &settings.load_full().limits);
        }
    }

    /// Looks at every connection once; it is `now` since the clock began, in milliseconds.
    pub(super) fn look(&self, now: u64, limits: &LimitsConfig) {
        self.shared.millis.store(now, Ordering::Relaxed);
        self.shared.most_requests.store(limits.connections.requests, Ordering::Relaxed);
        let mut watches = self.lock();
        for watch in watches.values() {
            if let Some(overdue) = watch.sweep(now, &limits.time) {
                self.shared.closed.count(overdue);
            }
        }
        if watches.capacity() > ROOMY && watches.len() < watches.capacity() / 4 {
            let room = watches.len() * 2;
            watches.shrink_to(room);
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
    shared: Arc<Shared>,
    precise: SystemClock,
}

impl Clock for CoarseClock {
    fn now(&self) -> Instant {
        Instant::ORIGIN + Duration::from_millis(self.shared.now())
    }

    fn unix(&self) -> UnixTime {
        self.precise.unix()
    }
}

/// A connection that is watched.
pub struct Watched {
    sweeper: Arc<Sweeper>,
    id: u64,
    pub(super) watch: Arc<Watch>,
}

impl Watched {
    /// Runs what comes before the first request, as a TLS handshake, within its own time; `None` when
    /// that is over.
    pub async fn handshake<T>(&self, shaking: impl Future<Output = T>) -> Option<T> {
        self.watch.handshake_began();
        self.within(shaking).await
    }

    /// Runs what comes before that within the time for a head; `None` when that is over.
    pub async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.watch.register(cx.waker());
            if self.watch.is_closed() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let removed = self.sweeper.lock().remove(&self.id);
        drop(removed);
    }
}
