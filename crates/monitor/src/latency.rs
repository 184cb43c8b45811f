//! Durations of the recent past, read back inside the process.
//!
//! The histogram of the metrics goes out to a scraper and cannot be read here; what the budgets
//! need to know is kept beside it, in fixed memory (about 30 KiB).

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gabion_clock::Instant;

/// Sub-buckets per power of two: a bucket is at most 1/16 wider than its lower edge.
const STEPS: u64 = 16;
/// Up to 2^27 units, that is 131 s; what is longer counts as that.
const BUCKETS: usize = 384;
/// One unit is 1/1024 ms: then 100 ms is 25 × 2^12 units, exactly the edge of a bucket.
const UNITS_PER_MILLI: u64 = 1024;
const NANOS_PER_MILLI: u64 = 1_000_000;
const LONGEST_SECS: u64 = 200;
const SLOTS: usize = 10;
/// More threads than this share counters again, two by two.
const SHARDS: usize = 8;
/// Requests that may be slow without being a percentile.
const OUTLIERS: u64 = 2;

/// Durations and errors of the last [`window`](Self::new), by log-linear buckets with an edge at
/// exactly 100 ms.
///
/// Recording takes no lock: one relaxed increment on counters that few threads share. An owner calls
/// [`tick`](Self::tick) a few times a second to let the past go.
pub struct LatencyWindow {
    live: Box<[Shard; SHARDS]>,
    past: Mutex<Past>,
    slot_span: Duration,
}

/// Aligned so that two threads do not fight for one cache line.
#[repr(align(128))]
struct Shard {
    buckets: [AtomicU32; BUCKETS],
    errors: AtomicU32,
}

struct Past {
    slots: Vec<Slot>,
    /// The slot to be overwritten next, the oldest.
    oldest: usize,
    /// When the live counters were last moved into a slot; `None` before the first tick.
    turned: Option<Instant>,
}

#[derive(Clone)]
struct Slot {
    buckets: [u32; BUCKETS],
    errors: u32,
}

/// What a window says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct LatencySnapshot {
    /// Requests in the window.
    pub count: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Half of the requests took at most this long; zero without requests.
    pub p50: Duration,
    /// 99 of 100 requests took at most this long; zero without requests.
    ///
    /// The two slowest requests are never it, so that one odd request in a quiet hour is no
    /// percentile; from 200 requests on that changes nothing.
    pub p99: Duration,
}

impl LatencySnapshot {
    /// Failed requests as a part of all, 0 to 1; 0 without requests.
    #[must_use]
    pub fn error_ratio(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.errors as f64 / self.count as f64 }
    }
}

impl LatencyWindow {
    /// An empty window of this length, forgotten in tenths; at least 10 ms.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        let slot = Slot { buckets: [0; BUCKETS], errors: 0 };
        Self {
            live: Box::new(std::array::from_fn(|_| Shard {
                buckets: [const { AtomicU32::new(0) }; BUCKETS],
                errors: AtomicU32::new(0),
            })),
            past: Mutex::new(Past { slots: vec![slot; SLOTS], oldest: 0, turned: None }),
            slot_span: (window / SLOTS as u32).max(Duration::from_millis(1)),
        }
    }

    /// A request succeeded, or was refused for a reason of its caller's, after `duration`.
    pub fn record(&self, duration: Duration) {
        let shard = &self.live[SHARD.try_with(|shard| *shard).unwrap_or_default()];
        shard.buckets[bucket(duration)].fetch_add(1, Ordering::Relaxed);
    }

    /// A request failed by our fault after `duration`.
    pub fn record_error(&self, duration: Duration) {
        let shard = &self.live[SHARD.try_with(|shard| *shard).unwrap_or_default()];
        shard.errors.fetch_add(1, Ordering::Relaxed);
        shard.buckets[bucket(duration)].fetch_add(1, Ordering::Relaxed);
    }

    /// Lets go of what is older than the window at `now`.
    ///
    /// Without ticks nothing is ever forgotten.
    pub fn tick(&self, now: Instant) {
        let mut past = self.past();
        let turned = *past.turned.get_or_insert(now);
        let slot_nanos = u64::try_from(self.slot_span.as_nanos()).unwrap_or(u64::MAX);
        let turns = (now.as_nanos().saturating_sub(turned.as_nanos())) / slot_nanos;
        if turns == 0 {
            return;
        }
        past.turned = Some(Instant::from_nanos(turned.as_nanos() + turns * slot_nanos));
        let mut newest = past.oldest;
        for _ in (0..turns).take(SLOTS) {
            newest = past.oldest;
            past.oldest = (newest + 1) % SLOTS;
            past.slots[newest].buckets.fill(0);
            past.slots[newest].errors = 0;
        }
        // A late tick finds in the live counters what belongs to several slots. All of it counts
        // as new: it stays longer than the window then, never shorter.
        self.move_live_into(&mut past.slots[newest]);
    }

    fn move_live_into(&self, slot: &mut Slot) {
        let take = |counter: &AtomicU32| match counter.load(Ordering::Relaxed) {
            0 => 0,
            _ => counter.swap(0, Ordering::Relaxed),
        };
        for shard in self.live.iter() {
            for (sum, counter) in slot.buckets.iter_mut().zip(&shard.buckets) {
                *sum = sum.saturating_add(take(counter));
            }
            slot.errors = slot.errors.saturating_add(take(&shard.errors));
        }
    }

    /// Counts and percentiles of the window. A few microseconds: for a controller, not for a
    /// request.
    #[must_use]
    pub fn snapshot(&self) -> LatencySnapshot {
        let mut buckets = [0_u64; BUCKETS];
        let mut errors = 0;
        let past = self.past();
        for slot in &past.slots {
            for (sum, count) in buckets.iter_mut().zip(&slot.buckets) {
                *sum += u64::from(*count);
            }
            errors += u64::from(slot.errors);
        }
        for shard in self.live.iter() {
            for (sum, counter) in buckets.iter_mut().zip(&shard.buckets) {
                *sum += u64::from(counter.load(Ordering::Relaxed));
            }
            errors += u64::from(shard.errors.load(Ordering::Relaxed));
        }
        drop(past);
        let count = buckets.iter().sum::<u64>();
        let rank = (count * 99).div_ceil(100).min(count.saturating_sub(OUTLIERS)).max(1);
        LatencySnapshot {
            count,
            errors: errors.min(count),
            p50: at_rank(&buckets, count.div_ceil(2)),
            p99: at_rank(&buckets, rank),
        }
    }

    /// See [`LatencySnapshot::p99`].
    #[must_use]
    pub fn p99(&self) -> Duration {
        self.snapshot().p99
    }

    /// Requests in the window.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.snapshot().count
    }

    /// See [`LatencySnapshot::error_ratio`].
    #[must_use]
    pub fn error_ratio(&self) -> f64 {
        self.snapshot().error_ratio()
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        // Counters are valid after any panic.
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LatencyWindow {
    /// Ten seconds.
    fn default() -> Self {
        Self::new(Duration::from_secs(10))
    }
}

static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: usize = NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

/// Buckets hold their upper edge and not their lower one, as those of Prometheus do.
fn bucket(duration: Duration) -> usize {
    let nanos =
        duration.as_secs().min(LONGEST_SECS) * 1_000_000_000 + u64::from(duration.subsec_nanos());
    let units = nanos.saturating_sub(1) * UNITS_PER_MILLI / NANOS_PER_MILLI;
    if units < STEPS {
        return units as usize;
    }
    let octave = units.ilog2() - STEPS.ilog2();
    let bucket = (u64::from(octave) * STEPS + (units >> octave)) as usize;
    bucket.min(BUCKETS - 1)
}

/// The lower edge of `bucket`, and the upper one of the bucket before it, in nanoseconds.
fn edge(bucket: usize) -> f64 {
    let bucket = bucket as u64;
    let units = if bucket < STEPS {
        bucket
    } else {
        let octave = bucket / STEPS - 1;
        (bucket - octave * STEPS) << octave
    };
    units as f64 * NANOS_PER_MILLI as f64 / UNITS_PER_MILLI as f64
}

/// The duration of the request of this rank, counted from one; between the edges of its bucket it
/// is interpolated, so it exceeds an edge exactly when too many requests do.
fn at_rank(buckets: &[u64; BUCKETS], rank: u64) -> Duration {
    let mut below = 0;
    for (bucket, count) in buckets.iter().enumerate() {
        if below + count < rank {
            below += count;
            continue;
        }
        if *count == 0 {
            return Duration::ZERO;
        }
        let part = (rank - below) as f64 / *count as f64;
        let nanos = edge(bucket) + (edge(bucket + 1) - edge(bucket)) * part;
        return Duration::from_nanos(nanos.ceil() as u64);
    }
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);
    const NANO: Duration = Duration::from_nanos(1);

    fn at(secs: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(1000 + secs)
    }

    #[test]
    fn exactly_a_hundred_milliseconds_is_the_end_of_a_bucket() {
        assert_eq!(bucket(LIMIT) + 1, bucket(LIMIT + NANO));
        assert_eq!(edge(bucket(LIMIT) + 1), 1e8);
    }

    #[test]
    fn a_p99_that_keeps_the_limit_never_reads_above_it() {
        let window = LatencyWindow::default();
        (0..1000).for_each(|_| window.record(LIMIT));
        assert!((LIMIT * 9 / 10..=LIMIT).contains(&window.p99()), "{:?}", window.p99());
    }

    #[test]
    fn a_p99_just_above_the_limit_reads_above_it() {
        let window = LatencyWindow::default();
        (0..1000).for_each(|_| window.record(LIMIT + NANO));
        assert!(window.p99() > LIMIT);
    }

    #[test]
    fn two_slow_requests_among_few_are_no_percentile() {
        let window = LatencyWindow::default();
        (0..8).for_each(|_| window.record(Duration::from_millis(1)));
        (0..2).for_each(|_| window.record(Duration::from_secs(1)));
        assert!(window.p99() < Duration::from_millis(2));
        window.record(Duration::from_secs(1));
        assert!(window.p99() > Duration::from_millis(900));
    }

    #[test]
    fn an_empty_window_says_nothing() {
        assert_eq!(LatencyWindow::default().snapshot(), LatencySnapshot::default());
        assert_eq!(LatencySnapshot::default().error_ratio(), 0.0);
    }

    #[test]
    fn errors_are_a_part_of_all_requests() {
        let window = LatencyWindow::default();
        (0..3).for_each(|_| window.record(LIMIT));
        window.record_error(LIMIT);
        assert_eq!(window.error_ratio(), 0.25);
    }

    #[test]
    fn what_is_recent_survives_a_tick_and_what_is_old_does_not() {
        let window = LatencyWindow::default();
        window.tick(at(0));
        window.record(LIMIT);
        for second in 1..=10 {
            window.tick(at(second));
            assert_eq!(window.count(), 1, "after {second} s");
        }
        window.tick(at(11));
        assert_eq!(window.count(), 0);
    }

    #[test]
    fn a_tick_after_a_long_pause_forgets_all_but_the_live_counts() {
        let window = LatencyWindow::default();
        window.tick(at(0));
        window.record(LIMIT);
        window.tick(at(1));
        window.record_error(LIMIT);
        window.tick(at(10_000));
        let snapshot = window.snapshot();
        assert_eq!((snapshot.count, snapshot.errors), (1, 1));
    }

    #[test]
    fn no_thread_loses_a_count() {
        let window = LatencyWindow::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| window.record(LIMIT)));
            }
            (0..50).for_each(|_| window.tick(at(0)));
            window.tick(at(1));
        });
        assert_eq!(window.count(), 40_000);
    }

    proptest! {
        #[test]
        fn every_duration_lies_between_the_edges_of_its_bucket(nanos in 1..131_000_000_000_u64) {
            let bucket = bucket(Duration::from_nanos(nanos));
            prop_assert!(edge(bucket) < nanos as f64 + 1.0);
            prop_assert!(nanos as f64 <= edge(bucket + 1) + 1.0);
        }

        #[test]
        fn any_duration_has_a_bucket(secs: u64, nanos in 0..1_000_000_000_u32) {
            prop_assert!(bucket(Duration::new(secs, nanos)) < BUCKETS);
        }

        #[test]
        fn the_p99_is_that_of_the_sorted_durations_within_a_bucket(
            mut millis in proptest::collection::vec(1..5000_u64, 200..600),
        ) {
            let window = LatencyWindow::default();
            millis.iter().for_each(|millis| window.record(Duration::from_millis(*millis)));
            millis.sort_unstable();
            let exact = millis[(millis.len() * 99).div_ceil(100) - 1] as f64;
            let read = window.p99().as_secs_f64() * 1000.0;
            prop_assert!((read - exact).abs() <= exact / STEPS as f64 + 0.001, "{read} {exact}");
        }
    }
}
