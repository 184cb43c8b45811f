use gabion_clock::{Clock, ManualClock, UnixTime};

use super::{
    policy::{AT_ONCE, DAY, FIRST_WAIT, LAST_WAIT},
    *,
};

mod kept;
mod model;

const SEC: Duration = Duration::from_secs(1);

fn throttle(failures: u32, hard_limit: u32) -> LoginThrottle {
    with(&LoginConfig { failures, hard_limit, ..LoginConfig::default() })
}

fn with(config: &LoginConfig) -> LoginThrottle {
    LoginThrottle::new(config, &KeyRing::ephemeral())
}

/// Fails once from an address of its own, or tells how long to wait.
fn fail(throttle: &LoginThrottle, name: &str, clock: &ManualClock) -> Result<(), Duration> {
    fail_from(throttle, name, "", clock)
}

fn fail_from(
    throttle: &LoginThrottle,
    name: &str,
    address: &str,
    clock: &ManualClock,
) -> Result<(), Duration> {
    let attempt = throttle.begin(name, address, clock.now()).map_err(|error| error.retry_after)?;
    attempt.failed(clock.now());
    Ok(())
}

fn succeed(throttle: &LoginThrottle, name: &str, clock: &ManualClock) -> bool {
    let attempt = throttle.begin(name, "", clock.now());
    attempt.map(|attempt| attempt.succeeded(clock.now())).is_ok()
}

/// What the next attempt has to wait, in seconds.
fn wait(throttle: &LoginThrottle, name: &str, address: &str, clock: &ManualClock) -> u64 {
    let begun = throttle.begin(name, address, clock.now());
    begun.err().map_or(0, |error| error.retry_after.as_secs())
}

/// Fails as often at once as it may until `span` has passed, with a pause after each time; returns
/// when, and the longest wait.
fn attack(
    throttle: &LoginThrottle,
    clock: &ManualClock,
    span: Duration,
    (at_once, pause): (usize, Duration),
) -> (Vec<Instant>, Duration) {
    let end = clock.now() + span;
    let (mut evaluated, mut longest) = (Vec::new(), Duration::ZERO);
    while clock.now() < end {
        let begun: Vec<_> =
            (0..at_once).map_while(|_| throttle.begin("ann", "", clock.now()).ok()).collect();
        for attempt in begun {
            attempt.failed(clock.now());
            evaluated.push(clock.now());
        }
        clock.advance(pause);
        let retry_after = throttle.begin("ann", "", clock.now()).err().map(|e| e.retry_after);
        if let Some(retry_after) = retry_after {
            longest = longest.max(retry_after);
            clock.advance(retry_after);
        }
    }
    (evaluated, longest)
}

/// The most of them in any 24 hours.
fn most_in_a_day(evaluated: &[Instant]) -> usize {
    let day = |at: &Instant| {
        evaluated.iter().filter(|other| *other >= at && **other <= *at + DAY).count()
    };
    evaluated.iter().map(day).max().unwrap_or(0)
}

#[test]
fn the_wait_doubles_after_the_free_failures() {
    let (throttle, clock) = (throttle(3, 0), ManualClock::new());
    let mut waits = Vec::new();
    for _ in 0..15 {
        fail(&throttle, "ann", &clock).unwrap();
        let wait = wait(&throttle, "ann", "", &clock);
        waits.push(wait);
        clock.advance(SEC * u32::try_from(wait).unwrap());
    }
    assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
}

// ASVS 6.3.1, NIST SP 800-63B-4 s3.2.2
#[test]
fn no_pace_gets_more_than_a_hundred_failures_of_any_24_hours_evaluated() {
    for failures in [1, 10, 75] {
        for (at_once, pause) in [
            (1, 0),
            (1, 1),
            (1, 89),
            (1, 101),
            (1, 899),
            (1, 901),
            (9, 901),
            (1000, 0),
            (1000, 60),
            (1000, 5000),
            (50, 80_000),
        ] {
            let (throttle, clock) = (throttle(failures, 0), ManualClock::new());
            let pace = (at_once, Duration::from_secs(pause));
            let (evaluated, longest) = attack(&throttle, &clock, DAY * 4, pace);
            let most = most_in_a_day(&evaluated);
            assert!(most <= 100, "{failures}, {pace:?}: {most}");
            assert!(longest <= Duration::from_secs(3456), "{failures}, {pace:?}: {longest:?}");
        }
    }
}

#[test]
fn whoever_allows_more_failures_gets_so_many_and_a_few_more_a_day() {
    let (throttle, clock) = (throttle(500, 0), ManualClock::new());
    let (evaluated, _) = attack(&throttle, &clock, DAY * 3, (1, Duration::ZERO));
    let most = most_in_a_day(&evaluated);
    assert!((500..=525).contains(&most), "{most}");
}

#[test]
fn logins_of_the_owner_give_an_attacker_no_more_than_the_hundred() {
    let (throttle, clock) = (throttle(10, 0), ManualClock::new());
    let mut evaluated = Vec::new();
    let end = clock.now() + DAY * 3;
    while clock.now() < end {
        while fail(&throttle, "ann", &clock).is_ok() {
            evaluated.push(clock.now());
        }
        clock.advance(Duration::from_secs(60));
        succeed(&throttle, "ann", &clock);
    }
    let most = most_in_a_day(&evaluated);
    assert!((60..=100).contains(&most), "{most}");
}

#[test]
fn the_right_password_works_once_the_wait_is_over_and_clears_the_rest() {
    let (throttle, clock) = (throttle(1, 0), ManualClock::new());
    for seconds in [1, 2, 4] {
        fail(&throttle, "ann", &clock).unwrap();
        assert_eq!(wait(&throttle, "ann", "", &clock), seconds);
        clock.advance(SEC * seconds as u32);
    }
    assert!(succeed(&throttle, "ann", &clock));
    assert!(succeed(&throttle, "ann", &clock));
    fail(&throttle, "ann", &clock).unwrap();
    assert_eq!(wait(&throttle, "ann", "", &clock), 1, "the waits begin anew");
}

#[test]
fn what_is_worked_off_is_forgotten() {
    let (throttle, clock) = (throttle(10, 0), ManualClock::new());
    fail(&throttle, "ann", &clock).unwrap();
    succeed(&throttle, "ann", &clock);
    assert_eq!(throttle.len(), 1, "its share of the day is known");
    clock.advance(Duration::from_secs(3456));
    fail(&throttle, "bob", &clock).unwrap();
    assert_eq!(throttle.len(), 1);
}

#[test]
fn attempts_at_the_same_time_are_few_and_then_one_by_one() {
    let (throttle, clock) = (throttle(5, 0), ManualClock::new());
    let through = || -> Vec<_> {
        (0..100).map_while(|_| throttle.begin("ann", "", clock.now()).ok()).collect()
    };
    let begun = through();
    assert_eq!(begun.len(), AT_ONCE as usize);
    begun.into_iter().for_each(|attempt| attempt.failed(clock.now()));
    assert_eq!(through().len(), 0);
    clock.advance(FIRST_WAIT);
    let begun = through();
    assert_eq!(begun.len(), 1);
    begun.into_iter().for_each(|attempt| attempt.failed(clock.now()));
    clock.advance(FIRST_WAIT);
    assert_eq!(through().len(), 0, "the wait has doubled");
}

#[test]
fn one_name_does_not_slow_another() {
    let (throttle, clock) = (throttle(1, 0), ManualClock::new());
    fail(&throttle, "ann", &clock).unwrap();
    assert!(fail(&throttle, "ann", &clock).is_err());
    assert!(fail(&throttle, "bob", &clock).is_ok());
}

#[test]
fn old_failures_are_free_again() {
    let (throttle, clock) = (throttle(3, 0), ManualClock::new());
    for _ in 0..2 {
        fail(&throttle, "ann", &clock).unwrap();
    }
    clock.advance(Duration::from_secs(900));
    for _ in 0..2 {
        fail(&throttle, "ann", &clock).unwrap();
    }
    assert_eq!(wait(&throttle, "ann", "", &clock), 0);
}

#[test]
fn beyond_the_hard_limit_only_an_administrator_helps() {
    let (throttle, clock) = (throttle(100, 5), ManualClock::new());
    for _ in 0..5 {
        clock.advance(DAY * 30);
        fail(&throttle, "ann", &clock).unwrap();
    }
    clock.advance(DAY * 365);
    assert!(!succeed(&throttle, "ann", &clock));
    throttle.reset("ann", clock.now());
    assert!(succeed(&throttle, "ann", &clock));
}

#[test]
fn attempts_at_the_same_time_do_not_pass_the_hard_limit() {
    let (throttle, clock) = (throttle(100, 5), ManualClock::new());
    let begun: Vec<_> =
        (0..100).map_while(|_| throttle.begin("ann", "", clock.now()).ok()).collect();
    assert_eq!(begun.len(), 5);
}

#[test]
fn an_attempt_that_was_not_evaluated_costs_nothing() {
    let (throttle, clock) = (throttle(2, 0), ManualClock::new());
    for _ in 0..100 {
        drop(throttle.begin("ann", "192.0.2.1", clock.now()).unwrap());
    }
    assert!(throttle.is_empty());
}

#[test]
fn an_address_that_fails_with_many_names_waits_and_a_success_does_not_help_it() {
    let throttle = with(&LoginConfig { address_failures: 20, ..LoginConfig::default() });
    let clock = ManualClock::new();
    let spray = |i: usize| fail_from(&throttle, &format!("user{i}"), "192.0.2.1", &clock);
    let mut waits = Vec::new();
    for i in 0..32 {
        spray(i).unwrap();
        let wait = wait(&throttle, "own", "192.0.2.1", &clock);
        waits.push(wait);
        clock.advance(SEC * u32::try_from(wait).unwrap());
        throttle.begin("own", "192.0.2.1", clock.now()).unwrap().succeeded(clock.now());
    }
    assert!(waits[..19].iter().all(|wait| *wait == 0), "{waits:?}");
    assert_eq!(waits[19..], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    // The account that it fails with elsewhere is its own affair.
    fail_from(&throttle, "user0", "192.0.2.2", &clock).unwrap();
    clock.advance(LAST_WAIT);
    for i in 0..20 {
        spray(i).unwrap();
    }
    assert_eq!(wait(&throttle, "own", "192.0.2.1", &clock), 1, "a quiet window forgives");
}

#[test]
fn the_two_reasons_to_wait_are_told_apart() {
    let config = LoginConfig { failures: 1, address_failures: 2, ..LoginConfig::default() };
    let (throttle, clock) = (with(&config), ManualClock::new());
    let scope = |name, address| throttle.begin(name, address, clock.now()).err().map(|e| e.scope);
    fail_from(&throttle, "ann", "192.0.2.1", &clock).unwrap();
    assert_eq!(scope("ann", "192.0.2.1"), Some(FailureScope::Account));
    fail_from(&throttle, "bob", "192.0.2.1", &clock).unwrap();
    assert_eq!(scope("ann", "192.0.2.1"), Some(FailureScope::Address));
    assert_eq!(scope("eve", "192.0.2.1"), Some(FailureScope::Address));
    assert_eq!(scope("eve", "192.0.2.2"), None);
}

#[test]
fn an_attempt_refused_for_its_name_takes_no_place_of_its_address() {
    let config = LoginConfig { failures: 1, address_failures: 2, ..LoginConfig::default() };
    let (throttle, clock) = (with(&config), ManualClock::new());
    fail_from(&throttle, "ann", "192.0.2.1", &clock).unwrap();
    for _ in 0..100 {
        assert!(fail_from(&throttle, "ann", "192.0.2.1", &clock).is_err());
    }
    assert!(fail_from(&throttle, "bob", "192.0.2.1", &clock).is_ok());
}

#[test]
fn what_is_no_address_is_not_counted() {
    let throttle = with(&LoginConfig { address_failures: 1, ..LoginConfig::default() });
    let clock = ManualClock::new();
    for i in 0..100 {
        fail_from(&throttle, &i.to_string(), "unix", &clock).unwrap();
    }
}

#[test]
fn a_flood_of_names_does_not_free_the_one_that_was_guessed_at() {
    for hard_limit in [0, 5] {
        let (throttle, clock) = (throttle(5, hard_limit), ManualClock::new());
        for _ in 0..5 {
            fail(&throttle, "ann", &clock).unwrap();
        }
        for i in 0..=MAX_NAMES {
            clock.advance(Duration::from_nanos(1));
            fail(&throttle, &i.to_string(), &clock).unwrap();
        }
        assert_eq!(throttle.len(), MAX_NAMES);
        assert!(throttle.accounts.is_consistent());
        assert!(throttle.begin("ann", "", clock.now()).is_err(), "hard limit {hard_limit}");
    }
}

#[test]
fn whoever_floods_a_full_table_to_be_forgotten_gains_nothing_and_owners_get_in() {
    let policy = throttle(10, 0).accounts.policy().clone();
    let (table, clock) = (Table::new(policy, 100), ManualClock::new());
    let key = |number: u64| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        FailureKey::from_bytes(bytes)
    };
    let fails = |number| {
        let begun = table.begin(key(number), clock.now()).is_ok();
        if begun {
            table.failed(key(number), clock.now());
        }
        begun
    };
    for number in 1..=100 {
        assert!((0..3).all(|_| fails(number)));
    }
    // Each guess is followed by a name that takes its place.
    let mut guesses = 0;
    for number in 0..5000 {
        clock.advance(Duration::from_millis(20));
        guesses += usize::from(fails(0));
        fails(1000 + number);
        let owner = key(1_000_000 + number);
        assert!(table.begin(owner, clock.now()).is_ok(), "an owner waits");
        table.succeeded(owner, clock.now());
    }
    assert!(guesses <= 100, "{guesses} guesses");
    assert!(table.is_consistent());
    // What was a flood is over a day later.
    clock.advance(DAY);
    assert!((0..9).all(|_| fails(2_000_000)));
}

#[test]
fn of_names_with_as_many_failures_the_quietest_makes_room() {
    let (throttle, clock) = (throttle(1, 0), ManualClock::new());
    fail(&throttle, "first", &clock).unwrap();
    for i in 0..MAX_NAMES {
        clock.advance(Duration::from_nanos(1));
        fail(&throttle, &i.to_string(), &clock).unwrap();
    }
    assert_eq!(throttle.len(), MAX_NAMES);
    assert_eq!(wait(&throttle, "first", "", &clock), 0);
    assert_ne!(wait(&throttle, "99999", "", &clock), 0);
}

#[test]
fn names_are_nowhere_in_what_is_stored() {
    let (throttle, clock) = (throttle(1, 0), ManualClock::new());
    fail_from(&throttle, "my password", "192.0.2.1", &clock).unwrap();
    let unsaved = throttle.unsaved(Moment { now: clock.now(), unix: clock.unix() });
    let [one, other] = unsaved.records() else { panic!("a name and an address") };
    assert_ne!(one.key, other.key);
    // Another service's key gives other hashes: nobody can look a name up.
    let elsewhere = with(&LoginConfig::default());
    assert_ne!(throttle.account("ann"), elsewhere.account("ann"));
    let shown = format!("{one:?} {other:?}");
    assert!(!shown.contains("password") && !shown.contains("192, 0, 2, 1"), "{shown}");
}
