use std::{collections::BTreeMap, sync::atomic::AtomicU64, thread, time::Duration};

use ::metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use proptest::prelude::*;

use super::*;

const NOW: Instant = Instant::from_nanos(1_000_000_000);
const STARVED: Pressure = Pressure { cpu: 1.2, memory: 0.0 };

fn admission(limit: u32, mode: LimitMode) -> Arc<Admission> {
    Arc::new(Admission::new(Fixed(limit), mode))
}

fn admitted(admission: &Arc<Admission>, class: Class, count: usize) -> Vec<Permit> {
    (0..count).filter_map(|_| admission.admit(class, NOW).ok()).collect()
}

#[test]
fn each_class_has_its_share_of_the_limit() {
    for (class, share) in Class::ALL.into_iter().zip([13, 10, 8, 6]) {
        let admission = admission(10, LimitMode::Enforce);
        let held = admitted(&admission, class, 100);
        assert_eq!(held.len(), share, "{}", class.as_str());
        let shed = admission.admit(class, NOW).unwrap_err();
        assert_eq!((shed.class, shed.reason), (class, ShedReason::Concurrency));
    }
}

#[test]
fn the_smallest_limit_admits_one_of_any_class() {
    for class in Class::ALL {
        assert!(admission(1, LimitMode::Enforce).admit(class, NOW).is_ok());
    }
}

#[test]
fn what_others_hold_counts_against_every_class() {
    let admission = admission(10, LimitMode::Enforce);
    let _held = admitted(&admission, Class::User, 10);
    assert!(admission.admit(Class::Batch, NOW).is_err());
    assert_eq!(admitted(&admission, Class::Critical, 10).len(), 3);
}

#[test]
fn a_slot_comes_back_by_drop_and_by_finish() {
    let admission = admission(1, LimitMode::Enforce);
    drop(admission.admit(Class::User, NOW).unwrap());
    admission.admit(Class::User, NOW).unwrap().finish(NOW, Outcome::Success);
    assert_eq!(admission.snapshot().in_flight, 0);
    assert!(admission.admit(Class::User, NOW).is_ok());
}

#[test]
fn the_controller_sees_each_request_begin_and_end() {
    type Event = (Instant, Option<(Duration, Outcome)>);

    #[derive(Default, Clone)]
    struct Seen(Arc<Mutex<Vec<Event>>>);

    impl Controller for Seen {
        fn on_start(&self, now: Instant) {
            self.0.lock().unwrap().push((now, None));
        }

        fn on_end(&self, now: Instant, rtt: Duration, outcome: Outcome) {
            self.0.lock().unwrap().push((now, Some((rtt, outcome))));
        }

        fn limit(&self) -> u32 {
            10
        }
    }

    let seen = Seen::default();
    let admission = Arc::new(Admission::new(seen.clone(), LimitMode::Enforce));
    let later = NOW + Duration::from_millis(5);
    admission.admit(Class::User, NOW).unwrap().finish(later, Outcome::Overload);
    drop(admission.admit(Class::User, NOW).unwrap());
    let expected = [
        (NOW, None),
        (later, Some((Duration::from_millis(5), Outcome::Overload))),
        (NOW, None),
        (NOW, Some((Duration::ZERO, Outcome::Ignore))),
    ];
    assert_eq!(*seen.0.lock().unwrap(), expected);
}

#[test]
fn a_short_budget_sheds_batch_and_spares_users() {
    let admission = admission(1000, LimitMode::Enforce);
    (0..50).for_each(|_| admission.tick(STARVED));
    assert_eq!(admission.admit(Class::Batch, NOW).unwrap_err().reason, ShedReason::Budget);
    assert_eq!(admitted(&admission, Class::User, 100).len(), 100);
    let fractions = admission.snapshot().fractions;
    assert!(fractions[2] < 0.1 && fractions[1] == 1.0, "{fractions:?}");
}

#[test]
fn the_snapshot_tells_that_batch_is_shed_before_degraded() {
    let admission = admission(1000, LimitMode::Enforce);
    (0..4).for_each(|_| admission.tick(STARVED));
    let [critical, user, degraded, batch] = admission.snapshot().fractions;
    assert_eq!((critical, user, degraded), (1.0, 1.0, 1.0));
    assert!(batch < 1.0, "{batch}");
}

#[test]
fn the_shadow_admits_what_it_would_shed() {
    let admission = admission(1, LimitMode::Shadow);
    (0..20).for_each(|_| admission.tick(STARVED));
    let held = admitted(&admission, Class::Batch, 100);
    assert_eq!((held.len(), admission.snapshot().in_flight), (100, 100));
    drop(held);
    assert_eq!(admission.snapshot().in_flight, 0);
}

#[test]
fn a_change_of_mode_holds_at_once_and_loses_no_slot() {
    let admission = admission(1, LimitMode::Off);
    let held = admitted(&admission, Class::User, 5);
    admission.set(&AdmissionConfig::default());
    assert_eq!(admission.mode(), LimitMode::Enforce);
    assert!(admission.admit(Class::User, NOW).is_err());
    drop(held);
    assert!(admission.admit(Class::User, NOW).is_ok());
}

/// Keeps every counter by its labels.
#[derive(Default)]
struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Counters {
    /// What was counted while `act` ran on an admission made for it.
    fn counted(limit: u32, mode: LimitMode, act: impl FnOnce(&Arc<Admission>)) -> Vec<String> {
        let counters = Self::default();
        let admission = with_local_recorder(&counters, || admission(limit, mode));
        act(&admission);
        let counters = counters.0.into_inner().unwrap();
        let counted = counters.into_iter().map(|(labels, count)| (labels, count.load(Relaxed)));
        counted
            .filter(|(_, count)| *count > 0)
            .map(|(labels, count)| format!("{labels} {count}"))
            .collect()
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let known = ["gabion_admission_decisions_total", "gabion_budget_actions_total"];
        assert!(known.contains(&key.name()), "{key}");
        let labels: Vec<_> = key.labels().map(Label::value).collect();
        let mut counters = self.0.lock().unwrap();
        Counter::from_arc(Arc::clone(counters.entry(labels.join(" ")).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn every_decision_is_counted_with_its_reason() {
    let three_users_and_a_batch = |admission: &Arc<Admission>| {
        let _held = admitted(admission, Class::User, 3);
        (0..50).for_each(|_| admission.tick(STARVED));
        let _ = admission.admit(Class::Batch, NOW);
    };
    let counted = |mode| Counters::counted(2, mode, three_users_and_a_batch);
    let enforced =
        ["batch deny budget 1", "shed_degraded 1", "user allow none 2", "user deny concurrency 1"];
    assert_eq!(counted(LimitMode::Enforce), enforced);
    let shadowed =
        ["batch would_deny budget 1", "user allow none 2", "user would_deny concurrency 1"];
    assert_eq!(counted(LimitMode::Shadow), shadowed);
    assert_eq!(counted(LimitMode::Off), [""; 0]);
}

#[test]
fn the_shed_are_told_different_waits() {
    let admission = admission(0, LimitMode::Enforce);
    let wait = |_| admission.admit(Class::User, NOW).unwrap_err().retry_after.as_secs();
    let mut waits: Vec<_> = (0..40).map(wait).collect();
    waits.sort_unstable();
    waits.dedup();
    assert_eq!(waits, [1, 2, 3, 4]);
}

#[test]
fn threads_never_exceed_the_limit_together() {
    let admission = admission(50, LimitMode::Enforce);
    let inside = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let held = admitted(&admission, Class::User, 20);
                    let count = held.len() as u32;
                    assert!(inside.fetch_add(count, Relaxed) + count <= 50);
                    inside.fetch_sub(count, Relaxed);
                }
            });
        }
    });
    assert_eq!(admission.snapshot().in_flight, 0);
}

proptest! {
    #[test]
    fn critical_is_never_shed_while_degraded_is_admitted_in_full(
        limit in 1..50_u32,
        steps in prop::collection::vec((0.0..3.0, 0.0..1.5, 0..60_usize), 1..40),
    ) {
        let admission = admission(limit, LimitMode::Enforce);
        for (cpu, memory, held) in steps {
            admission.tick(Pressure { cpu, memory });
            let held = admitted(&admission, Class::Critical, held);
            let sheds = |class| (0..100).any(|_| admission.admit(class, NOW).is_err());
            prop_assert!(!sheds(Class::Critical) || sheds(Class::Degraded), "{:?}", admission);
            drop(held);
        }
    }
}
