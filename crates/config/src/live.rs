use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::{ArcSwap, Guard};

/// A value that is read on every request and replaced now and then.
///
/// Reading costs a few nanoseconds and never waits, not even for a swap.
///
/// ```
/// use gabion_config::Live;
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// let limit = Live::new(100);
/// let seen = Arc::new(AtomicU32::new(0));
/// limit.subscribe({
///     let seen = seen.clone();
///     move |limit| seen.store(*limit, Ordering::Relaxed)
/// });
/// limit.swap(200);
/// assert_eq!((**limit.load(), seen.load(Ordering::Relaxed)), (200, 200));
/// ```
pub struct Live<T> {
    current: ArcSwap<T>,
    subscribers: Mutex<Vec<Subscriber<T>>>,
    /// Held from the swap until every subscriber was told, so that all see values in one order.
    turn: Mutex<()>,
}

type Subscriber<T> = Arc<dyn Fn(&T) + Send + Sync>;

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

    /// Replaces the value, then tells every subscriber in the order they came; returns the old one.
    ///
    /// A subscriber may subscribe and load, but not swap: that would wait for itself.
    ///
    /// # Panics
    ///
    /// When a subscriber panics; the new value is then in place and later subscribers are not told.
    pub fn swap(&self, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let turn = lock(&self.turn);
        let old = self.current.swap(value.clone());
        let subscribers = lock(&self.subscribers).clone();
        for subscriber in &subscribers {
            subscriber(&value);
        }
        drop(turn);
        old
    }

    /// Calls `subscriber` with each new value from now on, until this `Live` is dropped.
    pub fn subscribe(&self, subscriber: impl Fn(&T) + Send + Sync + 'static) {
        lock(&self.subscribers).push(Arc::new(subscriber));
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&*self.load()).finish()
    }
}

/// Neither lock guards anything that a panic leaves half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        thread,
    };

    use super::*;

    #[test]
    fn subscribers_are_called_in_order_with_the_value_in_place() {
        let live = Arc::new(Live::new(0));
        let told = Arc::new(Mutex::new(Vec::new()));
        for name in ["first", "second"] {
            let (weak, told) = (Arc::downgrade(&live), told.clone());
            live.subscribe(move |value| {
                let present = *weak.upgrade().unwrap().load_full();
                told.lock().unwrap().push((name, *value, present));
            });
        }
        assert_eq!(*live.swap(7), 0);
        assert_eq!(*told.lock().unwrap(), [("first", 7, 7), ("second", 7, 7)]);
    }

    #[test]
    fn the_last_value_told_is_the_value_in_place() {
        let live = Live::new(0);
        let told = Arc::new(Mutex::new(0));
        let heard = told.clone();
        live.subscribe(move |value| *heard.lock().unwrap() = *value);
        thread::scope(|scope| {
            for thread in 0..4 {
                let live = &live;
                scope.spawn(move || (0..200).for_each(|i| drop(live.swap(thread * 1000 + i))));
            }
        });
        assert_eq!(*told.lock().unwrap(), **live.load());
    }

    #[test]
    fn a_subscriber_that_panics_does_not_stop_later_swaps() {
        let live = Live::new(0);
        live.subscribe(|value| assert_ne!(*value, 1, "refused"));
        assert!(catch_unwind(AssertUnwindSafe(|| live.swap(1))).is_err());
        live.swap(2);
        assert_eq!(**live.load(), 2);
    }
}
