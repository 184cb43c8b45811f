//! Any sequence of attempts against what is promised of it.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Pass(Duration),
    Begin,
    Fail(usize),
    Succeed(usize),
    Abandon(usize),
    /// The process ends when it has written what it knows; whoever was under way is gone.
    Restart,
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pass = prop_oneof![
        (0_u64..2_000_000_000).prop_map(Duration::from_nanos),
        (0_u64..2000).prop_map(Duration::from_secs),
        (0_u64..200_000).prop_map(Duration::from_secs),
        // To the millisecond, where waits end.
        Just(SEC),
        Just(LAST_WAIT),
        Just(Duration::from_secs(3456)),
    ];
    let step = prop_oneof![
        4 => pass.prop_map(Step::Pass),
        12 => Just(Step::Begin),
        12 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::Succeed),
        1 => any::<usize>().prop_map(Step::Abandon),
        1 => Just(Step::Restart),
    ];
    let rare = prop_oneof![200 => step, 1 => Just(Step::Reset)];
    prop::collection::vec(rare, 1..600)
}

/// What was promised and when it was broken last.
#[derive(Default)]
struct Promises {
    /// Failures of each account since it was reset.
    failed: Vec<Instant>,
    in_row: u32,
    /// Until then nothing is evaluated, unless somebody succeeds.
    not_before: Option<Instant>,
}

fn check(config: &LoginConfig, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let keys = KeyRing::ephemeral();
    // Leaked, since attempts borrow the process that they are of.
    let process =
        || -> &'static LoginThrottle { Box::leak(Box::new(LoginThrottle::new(config, &keys))) };
    let (mut throttle, clock, mut store) = (process(), ManualClock::new(), Vec::new());
    let (mut open, mut promises): (Vec<LoginAttempt<'_>>, _) = (Vec::new(), Promises::default());
    for step in steps {
        let now = clock.now();
        match step {
            Step::Pass(span) => clock.advance(span),
            Step::Begin => {
                let record = throttle.accounts.peek(throttle.account("ann"));
                match throttle.begin("ann", "", now) {
                    Ok(attempt) => {
                        prop_assert!(
                            promises.not_before.is_none_or(|at| now >= at),
                            "evaluated before what Retry-After said"
                        );
                        open.push(attempt);
                    }
                    Err(TooManyAttempts { retry_after, .. }) => {
                        prop_assert!(!retry_after.is_zero());
                        let policy = throttle.accounts.policy();
                        if policy.is_locked(&record) {
                            prop_assert!(promises.in_row >= config.hard_limit);
                            continue;
                        }
                        if record.pending > 0 {
                            continue;
                        }
                        // Nobody else is under way: the time is exact.
                        prop_assert_eq!(policy.wait(&record, now + retry_after), None);
                        let early = retry_after - Duration::from_nanos(1);
                        prop_assert!(policy.wait(&record, now + early).is_some());
                        prop_assert!(retry_after <= Duration::from_secs(3456));
                        let at = now + retry_after;
                        promises.not_before = Some(promises.not_before.map_or(at, |t| t.max(at)));
                    }
                }
            }
            Step::Fail(i) if !open.is_empty() => {
                open.swap_remove(i % open.len()).failed(now);
                promises.failed.push(now);
                promises.in_row += 1;
            }
            Step::Succeed(i) if !open.is_empty() => {
                open.swap_remove(i % open.len()).succeeded(now);
                promises.in_row = 0;
                promises.not_before = None;
            }
            Step::Abandon(i) if !open.is_empty() => drop(open.swap_remove(i % open.len())),
            Step::Fail(_) | Step::Succeed(_) | Step::Abandon(_) => {}
            Step::Restart => {
                open.clear();
                let moment = Moment { now, unix: clock.unix() };
                let unsaved = throttle.unsaved(moment);
                // It is about one name.
                if let Some(record) = unsaved.records().first() {
                    store = vec![record.clone()];
                }
                throttle = process();
                throttle.restore(&store, moment);
            }
            Step::Reset => {
                throttle.reset("ann", now);
                promises = Promises::default();
            }
        }
        prop_assert!(throttle.accounts.is_consistent());
        if config.hard_limit > 0 {
            prop_assert!(promises.in_row <= config.hard_limit);
        }
    }
    let most = most_in_a_day(&promises.failed);
    prop_assert!(most <= 100, "{most} in 24 hours");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_is_tried_the_promises_hold(
        failures in 1_u32..=75,
        hard_limit in prop_oneof![3 => Just(0), 1 => 1_u32..120],
        window in prop_oneof![Just(900), 1_u64..200_000],
        steps in steps(),
    ) {
        let window = Duration::from_secs(window);
        let config = LoginConfig { failures, hard_limit, window, ..LoginConfig::default() };
        check(&config, steps)?;
    }
}
