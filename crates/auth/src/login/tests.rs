use gabion_clock::{Clock, ManualClock};

use super::*;

fn throttle(failures: u32, hard_limit: u32) -> LoginThrottle {
    LoginThrottle::new(LoginConfig { failures, hard_limit, ..LoginConfig::default() })
}

/// Fails as often at once as it may until `span` has passed, with a pause after each time; returns
/// how often and the longest wait.
fn attack(
    throttle: &LoginThrottle,
    clock: &ManualClock,
    span: Duration,
    (at_once, pause): (usize, Duration),
) -> (usize, Duration) {
    let end = clock.now() + span;
    let (mut evaluated, mut longest) = (0, Duration::ZERO);
    while clock.now() < end {
        let through = (0..at_once).take_while(|_| throttle.check("ann", clock.now()).is_ok());
        let through = through.count();
        for _ in 0..through {
            throttle.failed("ann", clock.now());
        }
        evaluated += through;
        clock.advance(pause);
        if let Err(TooManyAttempts { retry_after }) = throttle.check("ann", clock.now()) {
            longest = longest.max(retry_after);
            clock.advance(retry_after);
        } else {
            throttle.abandoned("ann");
        }
    }
    (evaluated, longest)
}

#[test]
fn the_wait_doubles_after_the_free_failures() {
    let (throttle, clock) = (throttle(3, 0), ManualClock::new());
    let mut waits = Vec::new();
    for _ in 0..8 {
        throttle.check("ann", clock.now()).unwrap();
        throttle.failed("ann", clock.now());
        let wait = throttle.check("ann", clock.now()).err().map(|error| error.retry_after);
        waits.push(wait.map_or(0, |wait| wait.as_secs()));
        match wait {
            Some(wait) => clock.advance(wait),
            None => throttle.abandoned("ann"),
        }
    }
    assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32]);
}

// ASVS 6.3.1, NIST SP 800-63B-4 s3.2.2
#[test]
fn no_pace_gets_more_than_a_hundred_failures_a_day_evaluated() {
    for (at_once, pause) in
        [(1, 0), (1, 1), (1, 89), (1, 101), (1, 899), (1, 901), (9, 901), (1000, 0), (1000, 60)]
    {
        let (throttle, clock) = (throttle(10, 0), ManualClock::new());
        let pace = (at_once, Duration::from_secs(pause));
        for day in 0..3 {
            let (evaluated, longest) = attack(&throttle, &clock, DAY, pace);
            assert!(evaluated <= 101, "{pace:?}, day {day}: {evaluated}");
            assert!(longest < Duration::from_secs(2700), "{pace:?}, day {day}: {longest:?}");
        }
    }
}

#[test]
fn the_right_password_works_once_the_wait_is_over_and_clears_the_rest() {
    let (throttle, clock) = (throttle(1, 0), ManualClock::new());
    throttle.check("ann", clock.now()).unwrap();
    throttle.failed("ann", clock.now());
    assert_eq!(
        throttle.check("ann", clock.now()),
        Err(TooManyAttempts { retry_after: Duration::from_secs(1) })
    );
    clock.advance(Duration::from_secs(1));
    throttle.check("ann", clock.now()).unwrap();
    throttle.succeeded("ann");
    assert!(throttle.is_empty());
}

#[test]
fn attempts_at_the_same_time_are_few_and_then_one_by_one() {
    let (throttle, clock) = (throttle(5, 0), ManualClock::new());
    let through = || (0..100).filter(|_| throttle.check("ann", clock.now()).is_ok()).count();
    assert_eq!(through(), 32);
    for _ in 0..32 {
        throttle.failed("ann", clock.now());
    }
    assert_eq!(through(), 0);
    clock.advance(FIRST_WAIT);
    assert_eq!(through(), 1);
    throttle.failed("ann", clock.now());
    clock.advance(FIRST_WAIT);
    assert_eq!(through(), 0, "the wait has doubled");
}

#[test]
fn one_name_does_not_slow_another() {
    let (throttle, clock) = (throttle(1, 0), ManualClock::new());
    throttle.failed("ann", clock.now());
    assert!(throttle.check("ann", clock.now()).is_err());
    assert!(throttle.check("bob", clock.now()).is_ok());
}

#[test]
fn old_failures_are_free_again() {
    let (throttle, clock) = (throttle(3, 0), ManualClock::new());
    for _ in 0..2 {
        throttle.failed("ann", clock.now());
    }
    clock.advance(Duration::from_secs(900));
    for _ in 0..2 {
        throttle.check("ann", clock.now()).unwrap();
        throttle.failed("ann", clock.now());
    }
    assert!(throttle.check("ann", clock.now()).is_ok());
}

#[test]
fn beyond_the_hard_limit_only_an_administrator_helps() {
    let (throttle, clock) = (throttle(100, 5), ManualClock::new());
    for _ in 0..5 {
        throttle.check("ann", clock.now()).unwrap();
        throttle.failed("ann", clock.now());
    }
    clock.advance(DAY * 365);
    assert!(throttle.check("ann", clock.now()).is_err());
    throttle.reset("ann");
    assert!(throttle.check("ann", clock.now()).is_ok());
}

#[test]
fn an_attempt_that_was_not_evaluated_costs_nothing() {
    let (throttle, clock) = (throttle(2, 0), ManualClock::new());
    for _ in 0..100 {
        throttle.check("ann", clock.now()).unwrap();
        throttle.abandoned("ann");
    }
    assert!(throttle.is_empty());
}

#[test]
fn memory_is_bounded_and_the_quietest_name_makes_room() {
    let (throttle, clock) = (throttle(1, 0), ManualClock::new());
    throttle.failed("first", clock.now());
    for i in 0..MAX_NAMES {
        clock.advance(Duration::from_nanos(1));
        throttle.failed(&i.to_string(), clock.now());
    }
    assert_eq!(throttle.len(), MAX_NAMES);
    assert_eq!(throttle.names.lock().quiet.len(), MAX_NAMES);
    assert!(throttle.check("first", clock.now()).is_ok());
    assert!(throttle.check("99999", clock.now()).is_err());
}
