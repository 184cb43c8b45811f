use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::{ArcSwap, Guard};

use crate::Changes;

/// A value that is read on every request and replaced now and then.
///
/// Reading costs a few nanoseconds and never waits, not even for a swap.
///
/// A change has two phases. First every subscriber is asked: it may build what it needs from the new
/// value, or refuse it with a reason. Only when all have agreed is the value swapped, and every
/// subscriber told. So a value of which something cannot be built is never seen by anybody.
///
/// ```
/// use gabion_config::{Live, Refusal};
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// let limit = Live::new(100);
/// let seen = Arc::new(AtomicU32::new(0));
/// limit.subscribe_checked({
///     let seen = Arc::clone(&seen);
///     move |step| {
///         let next = *step.new;
///         if next == 0 {
///             return Err(Refusal::new("limit", "nobody would get in, accepts 1 and more"));
///         }
///         let seen = Arc::clone(&seen);
///         Ok(move || seen.store(next, Ordering::Relaxed))
///     }
/// });
/// limit.swap(200).unwrap();
/// assert_eq!(limit.swap(0).unwrap_err().to_string(), "limit: nobody would get in, accepts 1 and more");
/// assert_eq!((**limit.load(), seen.load(Ordering::Relaxed)), (200, 200));
/// ```
pub struct Live<T> {
    current: ArcSwap<T>,
    /// Only ever longer.
    subscribers: Mutex<Vec<Arc<Subscriber<T>>>>,
    /// Held from the first question until every subscriber was told, so that all see values in one
    /// order and none is asked about a value while another comes in.
    turn: Mutex<()>,
}

/// From one value to the next, as subscribers see it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Step<'a, T> {
    /// What holds until now.
    pub old: &'a T,
    /// What is to hold.
    pub new: &'a T,
    /// The keys in which they differ, as far as whoever brings the value has said.
    pub changes: &'a Changes,
}

impl<T> Step<'_, T> {
    /// Whether the key `path`, or one below it, has another value. True for all where nobody has said.
    #[must_use]
    pub fn touches(&self, path: &str) -> bool {
        self.changes.touches(path)
    }
}

/// Why a subscriber does not take a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The key, dotted.
    pub key: String,
    /// What is wrong, and what would be accepted.
    pub message: String,
}

impl Refusal {
    /// For the value of `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// A value was not taken; the last one holds everywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Refused(
    /// Of every subscriber that refused.
    pub Vec<Refusal>,
);

type Commit = Box<dyn FnOnce()>;
type Told<T> = dyn Fn(&Step<'_, T>) + Send + Sync;
type Asked<T> = dyn Fn(&Step<'_, T>) -> Result<Commit, Refusal> + Send + Sync;

enum Subscriber<T> {
    Told(Box<Told<T>>),
    Asked(Box<Asked<T>>),
}

/// A value that every subscriber has agreed to. Dropped, it leaves everything as it is.
///
/// Nothing else is swapped meanwhile, so there is time to write it down before it holds.
#[must_use = "the value does not hold before `commit`"]
pub struct Prepared<'a, T> {
    live: &'a Live<T>,
    old: Arc<T>,
    new: Arc<T>,
    changes: Changes,
    /// One for each subscriber that was asked.
    steps: Vec<Next<T>>,
    _turn: MutexGuard<'a, ()>,
}

/// What a subscriber does once the value is in place.
enum Next<T> {
    /// Also to ask it and go on, where it has come late.
    Tell(Arc<Subscriber<T>>),
    Commit(Commit),
}

impl<T> Live<T> {
    /// Begins with `value`.
    pub fn new(value: T) -> Self {
        Self {
            current: ArcSwap::from_pointee(value),
            subscribers: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// The present value, for short use; keep none of these across an `await`.
    pub fn load(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// The present value, to keep.
    pub fn load_full(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Replaces the value once every subscriber has agreed, then tells each in the order they came;
    /// returns the old one.
    ///
    /// A subscriber may subscribe and load, but not swap: that would wait for itself.
    ///
    /// # Errors
    ///
    /// The reasons of all who refuse; nothing has changed then.
    ///
    /// # Panics
    ///
    /// When a subscriber panics. One that was asked leaves the old value in place; one that was told
    /// leaves the new one, and all others are told as well.
    pub fn swap(&self, value: T) -> Result<Arc<T>, Refused> {
        Ok(self.prepare(value, Changes::everything())?.commit())
    }

    /// Asks every subscriber about `value`, which differs from the present one in `changes`. It holds
    /// once the answer is [committed](Prepared::commit).
    ///
    /// # Errors
    ///
    /// The reasons of all who refuse.
    ///
    /// # Panics
    ///
    /// When a subscriber panics; nothing has changed then.
    pub fn prepare(&self, value: T, changes: Changes) -> Result<Prepared<'_, T>, Refused> {
        let turn = lock(&self.turn);
        let (old, new) = (self.current.load_full(), Arc::new(value));
        let step = Step { old: &*old, new: &*new, changes: &changes };
        let subscribers = lock(&self.subscribers).clone();
        let (mut steps, mut refusals) = (Vec::with_capacity(subscribers.len()), Vec::new());
        for subscriber in subscribers {
            match &*subscriber {
                Subscriber::Told(_) => steps.push(Next::Tell(subscriber)),
                Subscriber::Asked(ask) => match ask(&step) {
                    Ok(commit) => steps.push(Next::Commit(commit)),
                    Err(refusal) => refusals.push(refusal),
                },
            }
        }
        if !refusals.is_empty() {
            return Err(Refused(refusals));
        }
        Ok(Prepared { live: self, old, new, changes, steps, _turn: turn })
    }

    /// Tells `subscriber` of each change from now on, until this `Live` is dropped.
    ///
    /// Whoever keeps what it makes of the value subscribes first and loads then: so it misses no change
    /// between the two.
    pub fn subscribe(&self, subscriber: impl Fn(&Step<'_, T>) + Send + Sync + 'static) {
        lock(&self.subscribers).push(Arc::new(Subscriber::Told(Box::new(subscriber))));
    }

    /// Asks `subscriber` about each change from now on. It changes nothing yet, but builds what the
    /// new value needs, and answers with what puts that in place; or it refuses. One that comes while a
    /// change is under way is asked once the value is in place, and to refuse it is too late then.
    pub fn subscribe_checked<C: FnOnce() + 'static>(
        &self,
        subscriber: impl Fn(&Step<'_, T>) -> Result<C, Refusal> + Send + Sync + 'static,
    ) {
        let ask =
            move |step: &Step<'_, T>| subscriber(step).map(|commit| Box::new(commit) as Commit);
        lock(&self.subscribers).push(Arc::new(Subscriber::Asked(Box::new(ask))));
    }
}

impl<T> Prepared<'_, T> {
    /// The keys in which it differs from what holds.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Puts the value in place, and tells every subscriber in the order they came; returns the old one.
    ///
    /// # Panics
    ///
    /// When a subscriber panics; the value is in place then, and all others were told.
    pub fn commit(self) -> Arc<T> {
        let Self { live, old, new, changes, steps, _turn } = self;
        live.current.store(Arc::clone(&new));
        let step = Step { old: &*old, new: &*new, changes: &changes };
        // Who came after the question may have loaded the old value.
        let late = lock(&live.subscribers).get(steps.len()..).unwrap_or_default().to_vec();
        let mut panic = None;
        for next in steps.into_iter().chain(late.into_iter().map(Next::Tell)) {
            let told = catch_unwind(AssertUnwindSafe(|| match next {
                Next::Commit(commit) => commit(),
                Next::Tell(subscriber) => match &*subscriber {
                    Subscriber::Told(tell) => tell(&step),
                    Subscriber::Asked(ask) => drop(ask(&step).map(|commit| commit())),
                },
            }));
            // Half of the parts on the new value and half on the old one would be worse.
            panic = panic.or(told.err());
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        old
    }
}

impl<T> fmt::Debug for Prepared<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("changes", &self.changes).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&*self.load()).finish()
    }
}

/// No lock guards anything that a panic leaves half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
