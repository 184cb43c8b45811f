//! The table with the atomics of `loom`, which runs every order in which two threads can meet and
//! every old value that a load may still see.

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    /// The fewest keys that show what there is to see: more multiply the orders.
    pub(super) const WAYS: usize = 1;

    pub(super) fn pause(_tries: u32) {
        loom::thread::yield_now();
    }
}

#[expect(clippy::duplicate_mod, reason = "the same code over other atomics")]
#[path = "table.rs"]
mod table;

use gabion_clock::Instant;
use loom::{sync::Arc, thread};

use self::table::{Bucket, Held};

const NOW: Instant = Instant::from_nanos(1000);

/// One unit of 100 for `tag`, as a decision takes it; what the key's state was before.
fn charge(bucket: &Bucket, tag: u32) -> u64 {
    let from = |tat: Instant| tat.as_nanos().max(NOW.as_nanos());
    let updated = bucket.update(tag, NOW, |tat| Some(Instant::from_nanos(from(tat) + 100)));
    assert_eq!(updated.after, Some(Instant::from_nanos(from(updated.before) + 100)));
    // Only a key without a slot takes one from another.
    assert!(!updated.evicted || updated.before == Instant::ORIGIN);
    from(updated.before)
}

/// Before the race, one unit is taken for the first key.
fn charged(bucket: &Bucket) {
    charge(bucket, 7);
}

fn tat(bucket: &Bucket, tag: u32) -> Option<u64> {
    bucket.find(tag).map(Held::tat).map(Instant::as_nanos)
}

/// Runs `one` and `other` in every order, then `judge`.
fn race<A: Send + 'static, B: Send + 'static>(
    set_up: impl Fn(&Bucket) + Send + Sync + 'static,
    one: fn(&Bucket) -> A,
    other: fn(&Bucket) -> B,
    judge: impl Fn(&Bucket, A, B) + Send + Sync + 'static,
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let bucket = Arc::new(Bucket::default());
        set_up(&bucket);
        let beside = Arc::clone(&bucket);
        let thread = thread::spawn(move || one(&beside));
        let second = other(&bucket);
        let first = thread.join().expect("it does not panic");
        judge(&bucket, first, second);
    });
}

#[test]
fn of_two_charges_of_a_key_none_is_lost() {
    let judge = |bucket: &Bucket, mut one: u64, mut other: u64| {
        if one > other {
            std::mem::swap(&mut one, &mut other);
        }
        assert_eq!((one, other, tat(bucket, 7)), (1100, 1200, Some(1300)));
    };
    race(charged, |b| charge(b, 7), |b| charge(b, 7), judge);
}

#[test]
fn a_new_key_gets_one_slot_however_many_ask_for_it() {
    let judge = |bucket: &Bucket, one: u64, other: u64| {
        assert_eq!((one.min(other), one.max(other), tat(bucket, 7)), (1000, 1100, Some(1200)));
    };
    race(|_| {}, |b| charge(b, 7), |b| charge(b, 7), judge);
}

#[test]
fn a_slot_that_changes_hands_never_takes_the_charge_of_another_key() {
    // There is room for one of the two: whoever comes last has it, with one unit of its own.
    let judge = |bucket: &Bucket, seven: u64, nine: u64| {
        assert!([1000, 1100].contains(&seven) && nine == 1000, "{seven} {nine}");
        let left = (tat(bucket, 7), tat(bucket, 9));
        assert!([(Some(1100), None), (None, Some(1100))].contains(&left), "{left:?}");
    };
    race(charged, |b| charge(b, 7), |b| charge(b, 9), judge);
}

#[test]
fn who_only_looks_sees_the_state_of_its_own_key() {
    let judge = |_: &Bucket, seen: Option<u64>, _: u64| {
        assert!([None, Some(1100)].contains(&seen), "{seen:?}");
    };
    let three = |bucket: &Bucket| {
        charge(bucket, 9);
        charge(bucket, 9)
    };
    race(charged, |b| tat(b, 7), three, judge);
}
