//! Warnings before a promise is broken.
//!
//! An alert starts when more than a part of a budget has been in use for a while, and ends when
//! clearly less has been for as long: two thresholds, so that a value that sways about one of them
//! is one alert and not many.

use std::{sync::Arc, time::Duration};

use gabion_clock::{Instant, UnixTime};
use metrics::{Gauge, gauge};
use serde::Serialize;

use crate::{Budget, BudgetUse, MonitorConfig, metrics::ALERT_ACTIVE};

/// An alert ends below this part of the threshold at which it started.
const CLEARS_BELOW: f64 = 0.9;

/// The decision about one alert. Pure: it knows no more time than it is told.
#[derive(Debug, Clone)]
pub struct AlertState {
    threshold: f64,
    hold: Duration,
    active: bool,
    /// Since when the value has spoken for the other state.
    turning: Option<Instant>,
}

/// What happens to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transition {
    /// It holds from now on.
    Start,
    /// It is over.
    End,
}

impl AlertState {
    /// Starts after `hold` above `threshold`, ends after `hold` below nine tenths of it.
    #[must_use]
    pub const fn new(threshold: f64, hold: Duration) -> Self {
        Self { threshold, hold, active: false, turning: None }
    }

    /// Other settings for what is under way; an alert that holds goes on until it ends by them.
    pub const fn retune(&mut self, threshold: f64, hold: Duration) {
        self.threshold = threshold;
        self.hold = hold;
    }

    /// Takes the value at `now`. A value that is not a number changes nothing.
    pub fn step(&mut self, used_ratio: f64, now: Instant) -> Option<Transition> {
        let turns = if self.active {
            used_ratio < self.threshold * CLEARS_BELOW
        } else {
            used_ratio > self.threshold
        };
        if used_ratio.is_nan() {
            return None;
        }
        if !turns {
            self.turning = None;
            return None;
        }
        let since = *self.turning.get_or_insert(now);
        if now.saturating_since(since) < self.hold {
            return None;
        }
        self.turning = None;
        self.active = !self.active;
        Some(if self.active { Transition::Start } else { Transition::End })
    }
}

/// What an [`AlertSink`] is told; as JSON, what a webhook is sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// Which alert; for a budget its name.
    pub name: &'static str,
    /// Whether it starts or ends.
    pub state: Transition,
    /// Used part of the budget now.
    pub used_ratio: f64,
    /// When the alert started.
    #[serde(serialize_with = "crate::rfc3339::serialize")]
    pub since: UnixTime,
    /// The same in words.
    pub message: String,
}

/// Passes alerts on. It must not block: what takes time is queued.
pub trait AlertSink: Send + Sync {
    /// An alert starts or ends.
    fn alert(&self, alert: &Alert);
}

impl<S: AlertSink + ?Sized> AlertSink for Arc<S> {
    fn alert(&self, alert: &Alert) {
        (**self).alert(alert);
    }
}

/// Writes alerts to the log, target `gabion::alert`: the start as a warning, the end as information.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogSink;

impl AlertSink for LogSink {
    fn alert(&self, alert: &Alert) {
        let Alert { name, used_ratio, since, message, .. } = alert;
        match alert.state {
            Transition::Start => {
                tracing::warn!(target: "gabion::alert", alert = name, used_ratio, %since, "{message}");
            }
            Transition::End => {
                tracing::info!(target: "gabion::alert", alert = name, used_ratio, %since, "{message}");
            }
        }
    }
}

/// One alert per budget, told to every sink.
pub struct Alerts {
    watched: [Watched; 4],
    sinks: Vec<Box<dyn AlertSink>>,
}

struct Watched {
    budget: Budget,
    state: AlertState,
    gauge: Gauge,
    /// The start of the alert that holds.
    started: Option<Alert>,
}

impl Alerts {
    /// Watches every budget by `config`; binds to the recorder installed now.
    #[must_use]
    pub fn new(config: &MonitorConfig, sinks: Vec<Box<dyn AlertSink>>) -> Self {
        let watched = Budget::ALL.map(|budget| {
            let gauge = gauge!(ALERT_ACTIVE, "alert" => budget.name());
            gauge.set(0.0);
            let state = AlertState::new(config.alert_ratio, config.alert_hold);
            Watched { budget, state, gauge, started: None }
        });
        Self { watched, sinks }
    }

    /// Takes over changed settings.
    pub fn retune(&mut self, config: &MonitorConfig) {
        for watched in &mut self.watched {
            watched.state.retune(config.alert_ratio, config.alert_hold);
        }
    }

    /// Takes the use of the budgets at `now`, which is `unix` on the wall.
    pub fn observe(&mut self, uses: &[BudgetUse], now: Instant, unix: UnixTime) {
        for watched in &mut self.watched {
            let used = uses.iter().find(|used| used.budget == watched.budget);
            if let Some(used) = used
                && let Some(alert) = watched.observe(used.ratio, now, unix)
            {
                self.sinks.iter().for_each(|sink| sink.alert(&alert));
            }
        }
    }

    /// The alerts that hold, as they started.
    pub fn active(&self) -> impl Iterator<Item = &Alert> {
        self.watched.iter().filter_map(|watched| watched.started.as_ref())
    }
}

impl Watched {
    fn observe(&mut self, used_ratio: f64, now: Instant, unix: UnixTime) -> Option<Alert> {
        let state = self.state.step(used_ratio, now)?;
        let since = self.started.as_ref().map_or(unix, |started| started.since);
        let (name, percent) = (self.budget.name(), used_ratio * 100.0);
        let threshold = self.state.threshold * 100.0;
        let message = match state {
            Transition::Start => {
                format!("{name}: {percent:.0} % of the budget in use, above {threshold:.0} %")
            }
            Transition::End => format!("{name}: back to {percent:.0} % of the budget"),
        };
        let alert = Alert { name, state, used_ratio, since, message };
        let starts = state == Transition::Start;
        self.gauge.set(if starts { 1.0 } else { 0.0 });
        self.started = starts.then(|| alert.clone());
        Some(alert)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;
    use crate::recorded::Recorded;

    const HOLD: Duration = Duration::from_secs(10);

    fn at(secs: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(1000 + secs)
    }

    fn active() -> AlertState {
        let mut state = AlertState::new(0.8, HOLD);
        state.step(1.0, at(0));
        assert_eq!(state.step(1.0, at(10)), Some(Transition::Start));
        state
    }

    #[test]
    fn it_starts_only_after_the_hold() {
        let mut state = AlertState::new(0.8, HOLD);
        assert_eq!(state.step(0.81, at(0)), None);
        assert_eq!(state.step(0.81, at(9)), None);
        assert_eq!(state.step(0.81, at(10)), Some(Transition::Start));
    }

    #[test]
    fn a_dip_begins_the_hold_anew() {
        let mut state = AlertState::new(0.8, HOLD);
        state.step(0.9, at(0));
        state.step(0.8, at(5));
        state.step(0.9, at(6));
        assert_eq!(state.step(0.9, at(15)), None);
        assert_eq!(state.step(0.9, at(16)), Some(Transition::Start));
    }

    #[test]
    fn it_ends_only_clearly_below_the_threshold() {
        let mut state = active();
        for second in 11..60 {
            assert_eq!(state.step(0.73, at(second)), None);
        }
        assert_eq!(state.step(0.71, at(60)), None);
        assert_eq!(state.step(0.71, at(70)), Some(Transition::End));
    }

    #[test]
    fn it_starts_once() {
        let mut state = active();
        assert!((11..100).all(|second| state.step(5.0, at(second)).is_none()));
    }

    #[test]
    fn what_is_no_number_changes_nothing() {
        let mut state = active();
        state.step(0.1, at(11));
        assert_eq!(state.step(f64::NAN, at(15)), None);
        assert_eq!(state.step(0.1, at(21)), Some(Transition::End));
    }

    #[derive(Default)]
    struct Told(Mutex<Vec<Alert>>);

    impl AlertSink for Told {
        fn alert(&self, alert: &Alert) {
            self.0.lock().unwrap().push(alert.clone());
        }
    }

    fn memory(ratio: f64) -> [BudgetUse; 1] {
        [BudgetUse::new(Budget::Memory, ratio, 1.0)]
    }

    #[test]
    fn sinks_are_told_of_start_and_end_with_the_time_of_the_start() {
        let told = Arc::new(Told::default());
        let mut alerts = Alerts::new(&MonitorConfig::default(), vec![Box::new(Arc::clone(&told))]);
        for second in 0..=10 {
            alerts.observe(&memory(0.92), at(second), UnixTime::from_secs(second));
        }
        assert_eq!(alerts.active().count(), 1);
        for second in 20..=30 {
            alerts.observe(&memory(0.1), at(second), UnixTime::from_secs(second));
        }
        assert_eq!(alerts.active().count(), 0);
        let told = told.0.lock().unwrap();
        let states: Vec<_> = told.iter().map(|alert| (alert.state, alert.since)).collect();
        let since = UnixTime::from_secs(10);
        assert_eq!(states, [(Transition::Start, since), (Transition::End, since)]);
        assert_eq!(told[0].message, "memory: 92 % of the budget in use, above 80 %");
    }

    #[test]
    fn an_alert_is_a_document() {
        let alert = Alert {
            name: "cpu",
            state: Transition::Start,
            used_ratio: 0.5,
            since: UnixTime::from_secs(0),
            message: "m".to_owned(),
        };
        let json = r#"{"name":"cpu","state":"start","used_ratio":0.5,"since":"1970-01-01T00:00:00.000Z","message":"m"}"#;
        assert_eq!(serde_json::to_string(&alert).unwrap(), json);
    }

    #[test]
    fn each_alert_is_a_gauge_from_the_start() {
        let recorder = Recorded::default();
        metrics::with_local_recorder(&recorder, || {
            let config = MonitorConfig { alert_hold: Duration::ZERO, ..MonitorConfig::default() };
            let mut alerts = Alerts::new(&config, Vec::new());
            alerts.observe(&memory(1.0), at(0), UnixTime::default());
            alerts.observe(&memory(0.0), at(1), UnixTime::default());
        });
        assert_eq!(recorder.values("gabion_alert_active{alert=memory}"), [0.0, 1.0, 0.0]);
        assert_eq!(recorder.values("gabion_alert_active{alert=cpu}"), [0.0]);
    }

    proptest! {
        #[test]
        fn starts_and_ends_take_turns(values in proptest::collection::vec(0.0..2.0_f64, 1..200)) {
            let mut state = AlertState::new(0.8, Duration::from_secs(2));
            let transitions = (0..).zip(values).filter_map(|(i, value)| state.step(value, at(i)));
            for (i, transition) in transitions.enumerate() {
                let expected = if i % 2 == 0 { Transition::Start } else { Transition::End };
                prop_assert_eq!(transition, expected);
            }
        }
    }
}
