//! From one process to the next.

use std::{cell::RefCell, collections::HashMap};

use super::*;

/// What the processes of a service share.
struct Service {
    keys: KeyRing,
    config: LoginConfig,
    store: RefCell<HashMap<FailureKey, FailureRecord>>,
}

impl Service {
    fn new(config: LoginConfig) -> Self {
        Self { keys: KeyRing::ephemeral(), config, store: RefCell::default() }
    }

    fn process(&self) -> LoginThrottle {
        LoginThrottle::new(&self.config, &self.keys)
    }
}

fn moment(clock: &ManualClock) -> Moment {
    Moment { now: clock.now(), unix: clock.unix() }
}

fn save(throttle: &LoginThrottle, moment: Moment) -> Vec<FailureRecord> {
    let unsaved = throttle.unsaved(moment);
    throttle.saved(&unsaved);
    unsaved.records().to_vec()
}

/// A process that starts when the old one has written what it has.
fn next(service: &Service, old: &LoginThrottle, clock: &ManualClock) -> LoginThrottle {
    let mut store = service.store.borrow_mut();
    store.extend(save(old, moment(clock)).into_iter().map(|record| (record.key, record)));
    let next = service.process();
    next.restore(&store.values().cloned().collect::<Vec<_>>(), moment(clock));
    next
}

#[test]
fn waits_and_the_count_of_the_day_go_on_in_the_next_process() {
    let service =
        Service::new(LoginConfig { failures: 3, address_failures: 12, ..LoginConfig::default() });
    let (mut throttle, clock) = (service.process(), ManualClock::new());
    let mut waits = Vec::new();
    for _ in 0..13 {
        fail_from(&throttle, "ann", "192.0.2.1", &clock).unwrap();
        throttle = next(&service, &throttle, &clock);
        let told = wait(&throttle, "ann", "", &clock);
        assert!(told == 0 || fail(&throttle, "ann", &clock).is_err());
        waits.push(told);
        clock.advance(SEC * u32::try_from(told).unwrap());
    }
    assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]);

    // A restart after each failure changes nothing for the day.
    let mut evaluated = Vec::new();
    let end = clock.now() + DAY * 2;
    while clock.now() < end {
        match fail(&throttle, "bob", &clock) {
            Ok(()) => evaluated.push(clock.now()),
            Err(retry_after) => clock.advance(retry_after),
        }
        throttle = next(&service, &throttle, &clock);
    }
    let most = most_in_a_day(&evaluated);
    assert!((60..=100).contains(&most), "{most}");
}

#[test]
fn the_wait_of_an_address_goes_on_in_the_next_process() {
    let service = Service::new(LoginConfig { address_failures: 1, ..LoginConfig::default() });
    let (throttle, clock) = (service.process(), ManualClock::new());
    fail_from(&throttle, "ann", "192.0.2.1", &clock).unwrap();
    let next = next(&service, &throttle, &clock);
    assert_eq!(wait(&next, "bob", "192.0.2.1", &clock), 1);
    assert_eq!(wait(&next, "bob", "192.0.2.2", &clock), 0);
}

#[test]
fn a_lock_outlives_processes_and_wrong_clocks() {
    let service =
        Service::new(LoginConfig { failures: 100, hard_limit: 5, ..LoginConfig::default() });
    let (throttle, clock) = (service.process(), ManualClock::new());
    for _ in 0..5 {
        fail(&throttle, "ann", &clock).unwrap();
    }
    let records = save(&throttle, moment(&clock));
    for unix in [0, 1_600_000_000, 1_767_225_600, 4_000_000_000] {
        let next = service.process();
        let now = clock.now() + DAY * 400;
        next.restore(&records, Moment { now, unix: UnixTime::from_secs(unix) });
        assert!(next.begin("ann", "", now).is_err(), "{unix}");
        next.reset("ann", now);
        assert!(next.begin("ann", "", now).is_ok(), "{unix}");
    }
}

#[test]
fn a_clock_that_went_back_holds_nobody_longer_than_the_longest_wait() {
    let service = Service::new(LoginConfig { failures: 1, ..LoginConfig::default() });
    let (throttle, clock) = (service.process(), ManualClock::new());
    fail_from(&throttle, "ann", "192.0.2.1", &clock).unwrap();
    let records = save(&throttle, moment(&clock));
    let next = service.process();
    next.restore(&records, Moment { now: clock.now(), unix: UnixTime::from_secs(0) });
    let held = wait(&next, "ann", "192.0.2.1", &clock);
    assert!((LAST_WAIT.as_secs()..=3456).contains(&held), "{held}");
}

#[test]
fn what_a_process_forgave_stays_forgiven_in_the_next() {
    let service = Service::new(LoginConfig { hard_limit: 5, ..LoginConfig::default() });
    let (throttle, clock) = (service.process(), ManualClock::new());
    for name in ["ann", "bob"] {
        for _ in 0..4 {
            fail(&throttle, name, &clock).unwrap();
        }
    }
    // By its store alone a process knows of bob.
    let mut stored = save(&throttle, moment(&clock));
    let other = service.process();
    other.reset("bob", clock.now());
    assert!(succeed(&throttle, "ann", &clock));
    for record in save(&throttle, moment(&clock)).into_iter().chain(save(&other, moment(&clock))) {
        stored.retain(|old| old.key != record.key);
        stored.push(record);
    }
    let next = service.process();
    next.restore(&stored, moment(&clock));
    for name in ["ann", "bob"] {
        for _ in 0..4 {
            fail(&next, name, &clock).unwrap();
        }
        assert!(succeed(&next, name, &clock), "{name}");
    }
}

#[test]
fn only_what_was_saved_counts_as_saved() {
    let (throttle, clock) = (throttle(10, 0), ManualClock::new());
    fail(&throttle, "ann", &clock).unwrap();
    fail(&throttle, "bob", &clock).unwrap();
    let unsaved = throttle.unsaved(moment(&clock));
    assert_eq!(unsaved.records().len(), 2);
    fail(&throttle, "ann", &clock).unwrap();
    throttle.saved(&unsaved);
    let left = save(&throttle, moment(&clock));
    assert_eq!(left.iter().map(|record| record.consecutive).collect::<Vec<_>>(), [2]);
    assert!(throttle.unsaved(moment(&clock)).records().is_empty());
    // Nothing of it needs a write.
    succeed(&throttle, "eve", &clock);
    drop(throttle.begin("eve", "192.0.2.1", clock.now()));
    assert!(throttle.unsaved(moment(&clock)).records().is_empty());
}

#[test]
fn a_store_that_takes_nothing_costs_no_more_than_the_bound() {
    let (throttle, clock) = (throttle(10, 0), ManualClock::new());
    for i in 0..MAX_NAMES + 1000 {
        fail(&throttle, &i.to_string(), &clock).unwrap();
    }
    assert_eq!(throttle.unsaved(moment(&clock)).records().len(), MAX_NAMES);
}

#[test]
fn of_two_processes_the_later_word_holds_and_the_day_counts_both() {
    let service = Service::new(LoginConfig { failures: 20, ..LoginConfig::default() });
    let (old, new, clock) = (service.process(), service.process(), ManualClock::new());
    for _ in 0..19 {
        fail(&new, "ann", &clock).unwrap();
        fail(&new, "bob", &clock).unwrap();
    }
    clock.advance(SEC);
    fail(&old, "ann", &clock).unwrap();
    clock.advance(SEC);
    fail(&new, "bob", &clock).unwrap();
    let wait_of_bob = wait(&new, "bob", "", &clock);
    new.restore(&save(&old, moment(&clock)), moment(&clock));
    assert_eq!(wait(&new, "bob", "", &clock), wait_of_bob, "another name");
    assert_eq!(new.accounts.peek(new.account("ann")).consecutive, 1);
    let share = new.accounts.peek(new.account("ann")).paid_by.saturating_since(clock.now());
    assert!(share > Duration::from_secs(18 * 3456), "{share:?}");
}

#[test]
fn no_fraction_of_a_millisecond_is_given_away_by_a_restart() {
    let service = Service::new(LoginConfig { failures: 1, ..LoginConfig::default() });
    let (throttle, clock) = (service.process(), ManualClock::new());
    fail(&throttle, "ann", &clock).unwrap();
    clock.advance(SEC - Duration::from_nanos(999_999));
    let throttle = next(&service, &throttle, &clock);
    clock.advance(Duration::from_nanos(999_998));
    assert!(fail(&throttle, "ann", &clock).is_err());
    clock.advance(Duration::from_millis(1));
    assert!(fail(&throttle, "ann", &clock).is_ok());
}
