use std::{collections::HashMap, thread};

use proptest::prelude::*;

use super::*;

const START: Instant = Instant::from_nanos(86_400_000_000_000);

fn told(hitters: &HeavyHitters, now: Instant) -> Vec<(String, u64)> {
    let top = hitters.top(HeavyHitters::COUNTERS, now).into_iter();
    top.map(|it| (String::from_utf8(it.key).unwrap(), it.at_least)).collect()
}

#[test]
fn few_keys_are_counted_exactly_and_the_worst_comes_first() {
    let hitters = HeavyHitters::new();
    for (key, count) in [("one", 1), ("three", 3), ("two", 2)] {
        (0..count).for_each(|_| hitters.record(key.as_bytes(), START));
    }
    let wanted = [("three".into(), 3), ("two".into(), 2), ("one".into(), 1)];
    assert_eq!(told(&hitters, START), wanted);
    assert_eq!(hitters.top(1, START).len(), 1);
}

#[test]
fn a_flood_of_new_keys_does_not_hide_the_one_that_stays() {
    let hitters = HeavyHitters::new();
    for i in 0..10_000_u32 {
        hitters.record(&i.to_be_bytes(), START);
        if i.is_multiple_of(20) {
            hitters.record(b"attacker", START);
        }
    }
    let top = hitters.top(1, START);
    assert_eq!(top[0].key, b"attacker");
    assert!(top[0].at_least <= 500 && top[0].at_most >= 500, "{top:?}");
    assert!(top[0].at_least > 300, "{top:?}");
}

#[test]
fn refusals_count_half_after_ten_minutes_and_nothing_after_a_day() {
    let hitters = HeavyHitters::new();
    (0..1000).for_each(|_| hitters.record(b"yesterday", START));
    let later = |secs| START + Duration::from_secs(secs);
    assert_eq!(told(&hitters, later(599)), [("yesterday".into(), 1000)]);
    assert_eq!(told(&hitters, later(600)), [("yesterday".into(), 500)]);
    assert_eq!(told(&hitters, later(1200)), [("yesterday".into(), 250)]);
    hitters.record(b"today", later(86_400));
    assert_eq!(told(&hitters, later(86_400)), [("today".into(), 1)]);
}

#[test]
fn a_long_key_is_cut() {
    let hitters = HeavyHitters::new();
    hitters.record(&[b'x'; 4096], START);
    hitters.record(&[b'x'; HeavyHitters::LONGEST_KEY], START);
    assert_eq!(told(&hitters, START), [("x".repeat(HeavyHitters::LONGEST_KEY), 2)]);
}

#[test]
fn who_finds_the_lock_taken_goes_on() {
    let hitters = HeavyHitters::new();
    let held = hitters.sketch.lock().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| hitters.record(b"key", START)).join().unwrap();
    });
    drop(held);
    assert_eq!(told(&hitters, START), []);
}

#[test]
fn many_threads_count_no_more_than_there_was() {
    let hitters = HeavyHitters::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).for_each(|_| hitters.record(b"key", START)));
        }
    });
    let count = hitters.top(1, START)[0].at_least;
    assert!((1..=40_000).contains(&count), "{count}");
}

proptest! {
    /// Each key `i` comes `weights[i]` times, in an order that the shuffle chooses.
    #[test]
    fn the_true_count_lies_between_the_bounds_and_heavy_keys_are_there(
        stream in prop::collection::vec(0..400_u32, 1..200)
            .prop_flat_map(|weights| {
                let keys = weights.iter().enumerate();
                let stream: Vec<u32> =
                    keys.flat_map(|(key, weight)| vec![key as u32; (*weight / 20) as usize]).collect();
                Just(stream).prop_shuffle()
            }),
        halves in 0..3_u32,
    ) {
        let hitters = HeavyHitters::new();
        let mut truth: HashMap<Vec<u8>, f64> = HashMap::new();
        let mut now = START;
        let half = stream.len() / 2;
        for (i, key) in stream.iter().enumerate() {
            if i == half {
                now = now + HeavyHitters::HALF_LIFE * halves;
                truth.values_mut().for_each(|count| *count *= 0.5_f64.powi(halves as i32));
            }
            hitters.record(&key.to_be_bytes(), now);
            *truth.entry(key.to_be_bytes().to_vec()).or_default() += 1.0;
        }
        let all: f64 = truth.values().sum();
        let slack = all / HeavyHitters::COUNTERS as f64;
        let told = hitters.top(HeavyHitters::COUNTERS, now);
        for it in &told {
            let count = truth.get(&it.key).copied().unwrap_or_default();
            // What is told is rounded to whole refusals.
            prop_assert!(it.at_least as f64 <= count + 0.5, "{it:?} {count}");
            prop_assert!(it.at_most as f64 >= count, "{it:?} {count}");
            prop_assert!((it.at_most - it.at_least) as f64 <= slack + 1.5, "{it:?} {slack}");
        }
        for (key, count) in &truth {
            if *count > slack + 0.5 {
                prop_assert!(told.iter().any(|it| it.key == *key), "{key:?} {count} {slack}");
            }
        }
        // The first is the true first, as far as the error lets tell.
        let first = truth.values().copied().fold(0.0, f64::max);
        let found = told.first().and_then(|it| truth.get(&it.key)).copied().unwrap_or_default();
        prop_assert!(found + slack + 1.0 >= first, "{found} {first} {slack}");
    }
}
