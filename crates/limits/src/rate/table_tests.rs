use gabion_clock::Instant;

use super::table::{Bucket, Held, LATEST};

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// Sets the state of `tag`; whether another key lost one in use for it.
fn set(bucket: &Bucket, tag: u32, tat: u64, now: u64) -> bool {
    bucket.update(tag, at(now), |_| Some(at(tat))).evicted
}

fn tat(bucket: &Bucket, tag: u32) -> Option<Instant> {
    bucket.find(tag).map(Held::tat)
}

#[test]
fn a_bucket_is_one_cache_line() {
    assert_eq!((size_of::<Bucket>(), align_of::<Bucket>()), (64, 64));
}

#[test]
fn a_full_bucket_gives_up_the_key_that_is_whole_first() {
    let bucket = Bucket::default();
    for tag in 1..=5 {
        assert!(!set(&bucket, tag, u64::from(tag) * 10, 0));
    }
    assert!(set(&bucket, 6, 60, 5));
    assert_eq!(tat(&bucket, 1), None);
    assert!(!set(&bucket, 7, 70, 20));
    assert_eq!((tat(&bucket, 2), tat(&bucket, 3)), (None, Some(at(30))));
}

#[test]
fn a_state_that_becomes_nothing_leaves_its_slot_to_the_next() {
    let bucket = Bucket::default();
    for tag in 1..=5 {
        set(&bucket, tag, 100, 0);
    }
    set(&bucket, 3, 0, 0);
    assert_eq!(tat(&bucket, 3), None);
    // It comes back into its own slot, and nobody else's.
    assert!(!set(&bucket, 3, 50, 0));
    set(&bucket, 3, 0, 0);
    assert!(!set(&bucket, 6, 60, 0));
    assert!([1, 2, 4, 5, 6].iter().all(|tag| tat(&bucket, *tag).is_some()));
}

#[test]
fn what_is_left_alone_takes_no_slot() {
    let bucket = Bucket::default();
    let left = bucket.update(9, at(1), |_| None);
    assert_eq!((left.before, left.after, left.evicted), (Instant::ORIGIN, None, false));
    assert_eq!(tat(&bucket, 9), None);
}

#[test]
fn times_beyond_the_last_are_the_last() {
    let bucket = Bucket::default();
    set(&bucket, 1, u64::MAX, 0);
    assert_eq!(tat(&bucket, 1), Some(LATEST));
}
