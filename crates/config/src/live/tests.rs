use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use super::*;
use crate::{Change, Changed};

type Told = Arc<Mutex<Vec<String>>>;

fn note(told: &Told, text: impl Into<String>) {
    told.lock().unwrap().push(text.into());
}

/// A subscriber that agrees to everything and writes down what it is asked and told.
fn agree(live: &Live<u32>, told: &Told, name: &'static str) {
    let told = Arc::clone(told);
    live.subscribe_checked(move |step| {
        note(&told, format!("{name} prepares {} to {}", step.old, step.new));
        let (told, new) = (Arc::clone(&told), *step.new);
        Ok(move || note(&told, format!("{name} commits {new}")))
    });
}

#[test]
fn all_are_asked_before_anybody_is_told_and_both_in_order() {
    let (live, told) = (Arc::new(Live::new(0)), Told::default());
    agree(&live, &told, "first");
    let (weak, heard) = (Arc::downgrade(&live), Arc::clone(&told));
    live.subscribe(move |step| {
        let present = *weak.upgrade().unwrap().load_full();
        note(&heard, format!("second hears {} with {present} in place", step.new));
    });
    agree(&live, &told, "third");
    assert_eq!(*live.swap(7).unwrap(), 0);
    let expected = [
        "first prepares 0 to 7",
        "third prepares 0 to 7",
        "first commits 7",
        "second hears 7 with 7 in place",
        "third commits 7",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn a_refusal_in_the_middle_changes_nothing_and_all_reasons_are_told() {
    let (live, told) = (Live::new(0), Told::default());
    agree(&live, &told, "first");
    for key in ["a", "b"] {
        live.subscribe_checked(move |step| match step.new {
            1 => Err(Refusal::new(key, "is no good")),
            _ => Ok(|| ()),
        });
    }
    agree(&live, &told, "last");
    let refused = live.swap(1).unwrap_err();
    assert_eq!(refused.to_string(), "a: is no good; b: is no good");
    assert_eq!(**live.load(), 0);
    assert_eq!(*told.lock().unwrap(), ["first prepares 0 to 1", "last prepares 0 to 1"]);
    live.swap(2).unwrap();
    assert_eq!(**live.load(), 2);
    assert!(told.lock().unwrap().contains(&"first commits 2".to_owned()));
}

#[test]
fn a_panic_while_being_asked_changes_nothing() {
    let (live, told) = (Live::new(0), Told::default());
    agree(&live, &told, "first");
    live.subscribe_checked(|step| {
        assert_ne!(*step.new, 1, "cannot be built");
        Ok(|| ())
    });
    assert!(catch_unwind(AssertUnwindSafe(|| live.swap(1))).is_err());
    assert_eq!(**live.load(), 0);
    assert_eq!(*told.lock().unwrap(), ["first prepares 0 to 1"]);
    live.swap(2).unwrap();
    assert_eq!(**live.load(), 2);
}

#[test]
fn a_panic_while_being_told_keeps_nobody_else_from_the_new_value() {
    let (live, told) = (Live::new(0), Told::default());
    live.subscribe(|step| assert_ne!(*step.new, 1, "a fault"));
    agree(&live, &told, "second");
    assert!(catch_unwind(AssertUnwindSafe(|| live.swap(1))).is_err());
    assert_eq!(**live.load(), 1);
    assert_eq!(told.lock().unwrap().last().unwrap(), "second commits 1");
    live.swap(2).unwrap();
    assert_eq!(**live.load(), 2);
}

#[test]
fn what_was_prepared_and_not_committed_leaves_everything_as_it_is() {
    let (live, told) = (Live::new(0), Told::default());
    agree(&live, &told, "one");
    drop(live.prepare(1, Changes::everything()).unwrap());
    assert_eq!((**live.load(), told.lock().unwrap().len()), (0, 1));
    assert_eq!(*live.prepare(2, Changes::everything()).unwrap().commit(), 0);
    assert_eq!(**live.load(), 2);
}

#[test]
fn who_comes_during_a_change_is_told_of_it() {
    let (live, told) = (Live::new(0), Told::default());
    agree(&live, &told, "first");
    let prepared = live.prepare(1, Changes::everything()).unwrap();
    agree(&live, &told, "late");
    let heard = Arc::clone(&told);
    live.subscribe(move |step| note(&heard, format!("later hears {} to {}", step.old, step.new)));
    live.subscribe_checked(|_| Err::<fn(), _>(Refusal::new("", "too late")));
    assert_eq!(**live.load(), 0);
    prepared.commit();
    let expected = [
        "first prepares 0 to 1",
        "first commits 1",
        "late prepares 0 to 1",
        "late commits 1",
        "later hears 0 to 1",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn subscribers_are_told_which_keys_have_changed() {
    let (live, told) = (Live::new(0), Told::default());
    let heard = Arc::clone(&told);
    live.subscribe(move |step| {
        let touched = ["limits", "limits.size", "limits.si", "log"].map(|path| step.touches(path));
        note(&heard, format!("{touched:?}"));
    });
    let changed = Changed { key: "limits.size.body".into(), change: Change::Live };
    live.prepare(1, Changes::of(vec![changed])).unwrap().commit();
    live.swap(2).unwrap();
    assert_eq!(*told.lock().unwrap(), ["[true, true, false, false]", "[true, true, true, true]"]);
}

#[test]
fn of_concurrent_swaps_the_last_value_told_is_the_value_in_place() {
    let live = Live::new(0);
    let told = Arc::new(Mutex::new(0));
    let heard = Arc::clone(&told);
    live.subscribe_checked(move |step| {
        // Whoever is asked sees what the one before has left.
        assert_eq!(*heard.lock().unwrap(), *step.old);
        let (heard, new) = (Arc::clone(&heard), *step.new);
        match new % 3 {
            0 => Err(Refusal::new("", "every third")),
            _ => Ok(move || *heard.lock().unwrap() = new),
        }
    });
    thread::scope(|scope| {
        for thread in 0..4 {
            let live = &live;
            scope.spawn(move || (1..200).for_each(|i| drop(live.swap(thread * 1000 + i))));
        }
    });
    assert_eq!(*told.lock().unwrap(), **live.load());
}
