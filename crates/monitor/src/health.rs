//! Whether the service can do its work.
//!
//! A check answers at once: a question that takes time, as one to a database, is asked by a task
//! that publishes the answer ([`PublishedProbe`]), and an answer that is not renewed counts as
//! failed. So the health endpoint answers while what it reports on does not.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gabion_clock::{Clock, SystemClock};
use serde::Serialize;

/// How well something works, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should.
    Healthy,
    /// It works, but not all of it.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// The answer of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// How well it works.
    pub status: Status,
    /// Why, for an operator.
    pub detail: Option<Cow<'static, str>>,
}

impl CheckResult {
    /// It works.
    pub const HEALTHY: Self = Self { status: Status::Healthy, detail: None };

    /// It works, but not all of it.
    pub fn degraded(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Degraded, detail: Some(detail.into()) }
    }

    /// It does not work.
    pub fn unhealthy(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Unhealthy, detail: Some(detail.into()) }
    }
}

/// Checks one thing. It must not block; see [`PublishedProbe`] for what takes time.
pub trait Probe: Send + Sync {
    /// The name of what is checked.
    fn name(&self) -> &'static str;

    /// How it is now.
    fn check(&self) -> CheckResult;
}

impl<P: Probe + ?Sized> Probe for Arc<P> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn check(&self) -> CheckResult {
        (**self).check()
    }
}

/// The last answer of a check that runs elsewhere; unhealthy before the first and when it is too
/// old.
pub struct PublishedProbe<C = SystemClock> {
    name: &'static str,
    max_age: Duration,
    clock: C,
    /// Nanoseconds of its instant in the upper 62 bits (146 years), the status in the lower 2; all
    /// zero before the first.
    last: AtomicU64,
}

impl<C: Clock> PublishedProbe<C> {
    /// A probe whose answers hold for `max_age`: several times the pace of the task that publishes.
    #[must_use]
    pub const fn new(name: &'static str, max_age: Duration, clock: C) -> Self {
        Self { name, max_age, clock, last: AtomicU64::new(0) }
    }

    /// The check was made and found this.
    pub fn publish(&self, status: Status) {
        let status = match status {
            Status::Healthy => 1,
            Status::Degraded => 2,
            Status::Unhealthy => 3,
        };
        self.last.store((self.clock.now().as_nanos() << 2) | status, Ordering::Relaxed);
    }
}

impl<C: Clock> Probe for PublishedProbe<C> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn check(&self) -> CheckResult {
        let last = self.last.load(Ordering::Relaxed);
        let made = gabion_clock::Instant::from_nanos(last >> 2);
        if last != 0 && self.clock.now().saturating_since(made) > self.max_age {
            return CheckResult::unhealthy("the last answer is too old");
        }
        match last & 3 {
            1 => CheckResult::HEALTHY,
            2 => CheckResult::degraded("the last check found it degraded"),
            3 => CheckResult::unhealthy("the last check failed"),
            _ => CheckResult::unhealthy("not checked yet"),
        }
    }
}

/// All checks of a service.
#[derive(Default)]
pub struct Health {
    probes: Vec<(Need, Box<dyn Probe>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Critical,
    Optional,
}

/// The state of the service and of each part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Unhealthy when something critical is, degraded when anything is less than healthy.
    pub status: Status,
    /// Each part, in the order of registration.
    pub checks: Vec<Check>,
}

/// The state of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which part.
    pub name: &'static str,
    /// How it is.
    pub status: Status,
    /// Why, where there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'static, str>>,
}

impl Health {
    /// Without checks: healthy.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds something that the service cannot do without.
    #[must_use]
    pub fn critical(mut self, probe: impl Probe + 'static) -> Self {
        self.probes.push((Need::Critical, Box::new(probe)));
        self
    }

    /// Adds something without which the service does less.
    #[must_use]
    pub fn optional(mut self, probe: impl Probe + 'static) -> Self {
        self.probes.push((Need::Optional, Box::new(probe)));
        self
    }

    /// Makes every check.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut status = Status::Healthy;
        let checks = self.probes.iter().map(|(need, probe)| {
            let CheckResult { status: found, detail } = probe.check();
            let worst = if *need == Need::Critical { Status::Unhealthy } else { Status::Degraded };
            status = status.max(found.min(worst));
            Check { name: probe.name(), status: found, detail }
        });
        let checks = checks.collect();
        Report { status, checks }
    }
}

#[cfg(test)]
mod tests {
    use gabion_clock::ManualClock;

    use super::*;

    const MAX_AGE: Duration = Duration::from_secs(5);

    struct Fixed(&'static str, CheckResult);

    impl Probe for Fixed {
        fn name(&self) -> &'static str {
            self.0
        }

        fn check(&self) -> CheckResult {
            self.1.clone()
        }
    }

    fn broken() -> Fixed {
        Fixed("broken", CheckResult::unhealthy("it broke"))
    }

    #[test]
    fn a_service_without_checks_is_healthy() {
        assert_eq!(Health::new().report().status, Status::Healthy);
    }

    #[test]
    fn a_critical_failure_is_the_services() {
        assert_eq!(Health::new().critical(broken()).report().status, Status::Unhealthy);
    }

    #[test]
    fn an_optional_failure_only_degrades() {
        assert_eq!(Health::new().optional(broken()).report().status, Status::Degraded);
    }

    #[test]
    fn the_worst_part_counts_whatever_the_order() {
        let healthy = || Fixed("fine", CheckResult::HEALTHY);
        let degraded = || Fixed("slow", CheckResult::degraded("slow"));
        let health = Health::new().critical(broken()).critical(degraded()).critical(healthy());
        assert_eq!(health.report().status, Status::Unhealthy);
    }

    #[test]
    fn a_report_is_a_document() {
        let health = Health::new().critical(Fixed("sql", CheckResult::HEALTHY)).optional(broken());
        let json = r#"{"status":"degraded","checks":[{"name":"sql","status":"healthy"},{"name":"broken","status":"unhealthy","detail":"it broke"}]}"#;
        assert_eq!(serde_json::to_string(&health.report()).unwrap(), json);
    }

    #[test]
    fn a_probe_without_an_answer_is_unhealthy() {
        let probe = PublishedProbe::new("sql", MAX_AGE, ManualClock::new());
        assert_eq!(probe.check(), CheckResult::unhealthy("not checked yet"));
    }

    #[test]
    fn a_published_answer_holds_until_it_is_too_old() {
        let clock = ManualClock::new();
        let probe = PublishedProbe::new("sql", MAX_AGE, clock.clone());
        for status in [Status::Unhealthy, Status::Degraded, Status::Healthy] {
            probe.publish(status);
            assert_eq!(probe.check().status, status);
        }
        clock.advance(MAX_AGE);
        assert_eq!(probe.check(), CheckResult::HEALTHY);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(probe.check(), CheckResult::unhealthy("the last answer is too old"));
    }
}
