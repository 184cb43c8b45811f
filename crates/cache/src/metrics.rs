//! Every metric of this crate.
//!
//! | name | unit | labels |
//! | --- | --- | --- |
//! | [`EVENTS`] | events | `cache`: the name given at construction; `event`: see below |
//!
//! | event | counted when |
//! | --- | --- |
//! | `hit` | a look-up found a living value |
//! | `negative` | a look-up found that the value is known to be absent |
//! | `miss` | a look-up found nothing to use |
//! | `expired` | the miss was due to an entry past its lifetime |
//! | `load` | a load began |
//! | `load_failed` | a load ended with an error |
//! | `joined` | a caller waited for the load of another |
//! | `evicted` | an entry gave way to stay inside the bounds, or was too heavy to be stored |
//! | `invalidated` | an entry, or a load under way, was invalidated |

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use metrics::{Counter, Unit, counter, describe_counter};

/// Events of caches, by cache and event.
pub const EVENTS: &str = "gabion_cache_events_total";

/// Describes the metrics to the installed recorder.
pub fn describe() {
    describe_counter!(EVENTS, Unit::Count, "events of caches, by cache and event");
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    Hit,
    Negative,
    Miss,
    Expired,
    Load,
    LoadFailed,
    Joined,
    Evicted,
    Invalidated,
}

const NAMES: [&str; 9] = [
    "hit",
    "negative",
    "miss",
    "expired",
    "load",
    "load_failed",
    "joined",
    "evicted",
    "invalidated",
];

/// Threads that share a stripe share its cache lines; eight keep most of them apart.
const STRIPES: usize = 8;

/// Counts of one group of threads, on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; NAMES.len()]);

/// Counts events twice: for the recorder, which cannot be read back, and for the snapshot.
pub(crate) struct Events {
    counters: [Counter; NAMES.len()],
    stripes: Box<[Stripe; STRIPES]>,
}

impl Events {
    pub(crate) fn new(cache: &'static str) -> Self {
        Self {
            counters: NAMES.map(|event| counter!(EVENTS, "cache" => cache, "event" => event)),
            stripes: Box::default(),
        }
    }

    #[inline]
    pub(crate) fn count(&self, event: Event) {
        self.add(event, 1);
    }

    #[inline]
    pub(crate) fn add(&self, event: Event, count: u64) {
        let index = event as usize;
        self.stripes[stripe()].0[index].fetch_add(count, Ordering::Relaxed);
        self.counters[index].increment(count);
    }

    pub(crate) fn total(&self, event: Event) -> u64 {
        self.stripes.iter().map(|stripe| stripe.0[event as usize].load(Ordering::Relaxed)).sum()
    }
}

/// This thread's stripe: threads take turns when they first count.
#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            stripe.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        stripe.get()
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Arc, sync::Mutex};

    use metrics::{Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString};

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<HashMap<String, Arc<AtomicU64>>>);

    impl Recorder for Kept {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let labels: Vec<_> =
                key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
            let name = format!("{}{{{}}}", key.name(), labels.join(","));
            Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn events_reach_the_recorder_under_the_name_of_the_cache() {
        let kept = Kept::default();
        let events = metrics::with_local_recorder(&kept, || Events::new("users"));
        events.count(Event::LoadFailed);
        events.add(Event::LoadFailed, 2);
        let name = "gabion_cache_events_total{cache=users,event=load_failed}";
        assert_eq!(kept.0.lock().unwrap()[name].load(Ordering::Relaxed), 3);
    }

    #[test]
    fn threads_add_up() {
        let events = Events::new("users");
        std::thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(|| events.count(Event::Hit));
            }
        });
        assert_eq!(events.total(Event::Hit), 2 * STRIPES as u64);
        assert_eq!(events.total(Event::Miss), 0);
    }
}
