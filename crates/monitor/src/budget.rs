//! What a service promises to stay inside, and how much of it is in use.

use std::{fmt, time::Duration};

use gabion_clock::Instant;
use gabion_config::{ByteSize, Secret, settings};
use metrics::{Gauge, gauge};
use serde::Serialize;

use crate::{LatencySnapshot, Sample, metrics::BUDGET_USED};

/// Errors that are no rate: one unlucky request of a quiet minute is not a budget spent.
const FEW_ERRORS: u64 = 2;
/// The CPU of a tenth of a second jumps; over a second it says how busy the process is.
const CPU_SMOOTHED_OVER: Duration = Duration::from_secs(1);

settings! {
    /// What the server promises to stay inside.
    pub struct BudgetConfig {
        /// 99 of 100 requests end within this time.
        live latency_p99: Duration = Duration::from_millis(100),
            in Duration::from_millis(1)..=Duration::from_secs(24 * 3600);
        /// CPU, as a part of the cores that this process may use.
        live cpu: f64 = 0.60, in 0.01..=1.0;
        /// Resident memory. A smaller limit of the container counts instead.
        live memory: ByteSize = ByteSize::gib(2), in ByteSize::mib(16)..=ByteSize::gib(1 << 20);
        /// Requests that fail by the server's fault, as a part of all.
        live error_rate: f64 = 0.001, in 0.000_001..=1.0;
    }
}

settings! {
    /// Alerts about the budgets.
    pub struct MonitorConfig {
        /// An alert starts when more than this part of a budget is in use.
        live alert_ratio: f64 = 0.8, in 0.01..=1.0;
        /// It starts when that has lasted this long, and ends after as long below.
        live alert_hold: Duration = Duration::from_secs(10),
            in Duration::from_millis(1)..=Duration::from_secs(24 * 3600);
        /// Where each alert's start and end are sent by POST; empty: nowhere. The address may hold
        /// a token, so it is not shown.
        live webhook: Secret = Secret::default();
    }
}

/// One of the four promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Budget {
    /// `latency_p99`.
    Latency,
    /// `cpu`.
    Cpu,
    /// `memory`.
    Memory,
    /// `error_rate`.
    Errors,
}

impl Budget {
    /// All of them, in the order of [`usage`].
    pub const ALL: [Self; 4] = [Self::Latency, Self::Cpu, Self::Memory, Self::Errors];

    /// The key of its setting, also its name in metrics and alerts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency_p99",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Errors => "error_rate",
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Budget {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How much of one budget is in use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BudgetUse {
    /// Which.
    pub budget: Budget,
    /// Used part: 1 is all of it, more is a promise broken.
    pub ratio: f64,
    /// What is used: seconds, part of the cores, bytes, part of the requests.
    pub used: f64,
    /// How much there is of it, in the same unit.
    pub limit: f64,
}

impl BudgetUse {
    /// `used` of `limit`. A budget of nothing is used up by anything, and by nothing not at all.
    #[must_use]
    pub fn new(budget: Budget, used: f64, limit: f64) -> Self {
        let ratio = if used <= 0.0 { 0.0 } else { (used / limit).min(f64::MAX) };
        Self { budget, ratio, used, limit }
    }
}

/// How much of each budget is in use, in the order of [`Budget::ALL`].
///
/// A process that its quota stopped counts as using every core it may. Up to two errors in the
/// window count as none.
#[must_use]
pub fn usage(sample: &Sample, requests: &LatencySnapshot, config: &BudgetConfig) -> [BudgetUse; 4] {
    let cpu = if sample.throttled { sample.cpu_ratio.max(1.0) } else { sample.cpu_ratio };
    let memory = sample.memory_limit.unwrap_or(u64::MAX).min(config.memory.bytes());
    let errors = if requests.errors > FEW_ERRORS { requests.error_ratio() } else { 0.0 };
    Budget::ALL.map(|budget| {
        let (used, limit) = match budget {
            Budget::Latency => (requests.p99.as_secs_f64(), config.latency_p99.as_secs_f64()),
            Budget::Cpu => (cpu, config.cpu),
            Budget::Memory => (sample.rss as f64, memory as f64),
            Budget::Errors => (errors, config.error_rate),
        };
        BudgetUse::new(budget, used, limit)
    })
}

/// Smooths, computes and exports the use of the budgets.
pub struct BudgetMeter {
    gauges: [Gauge; 4],
    cpu: Option<(Instant, f64)>,
}

impl BudgetMeter {
    /// Binds to the recorder installed now.
    #[must_use]
    pub fn new() -> Self {
        let gauges = Budget::ALL.map(|budget| gauge!(BUDGET_USED, "budget" => budget.name()));
        Self { gauges, cpu: None }
    }

    /// [`usage`] with the CPU averaged over about the last second; shown in the metrics.
    pub fn observe(
        &mut self,
        sample: &Sample,
        requests: &LatencySnapshot,
        config: &BudgetConfig,
        now: Instant,
    ) -> [BudgetUse; 4] {
        let cpu_ratio = self.smooth(sample.cpu_ratio, now);
        let uses = usage(&Sample { cpu_ratio, ..*sample }, requests, config);
        for (gauge, used) in self.gauges.iter().zip(&uses) {
            gauge.set(used.ratio);
        }
        uses
    }

    /// Exponential average over time, so that it does not depend on the pace of samples.
    fn smooth(&mut self, cpu_ratio: f64, now: Instant) -> f64 {
        let smoothed = self.cpu.map_or(cpu_ratio, |(then, average)| {
            let spans = now.saturating_since(then).as_secs_f64() / CPU_SMOOTHED_OVER.as_secs_f64();
            average + (cpu_ratio - average) * (1.0 - (-spans).exp())
        });
        self.cpu = Some((now, smoothed));
        smoothed
    }
}

impl Default for BudgetMeter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use gabion_config::{Reader, Settings};

    use super::*;
    use crate::recorded::Recorded;

    const GIB: u64 = 1 << 30;

    fn ratio(sample: Sample, requests: LatencySnapshot, budget: Budget) -> f64 {
        let uses = usage(&sample, &requests, &BudgetConfig::default());
        uses.iter().find(|used| used.budget == budget).unwrap().ratio
    }

    #[test]
    fn each_budget_is_used_in_parts_of_itself() {
        let sample = Sample { cpu_ratio: 0.3, rss: GIB, ..Sample::default() };
        let requests = LatencySnapshot {
            count: 10_000,
            errors: 5,
            p99: Duration::from_millis(80),
            ..LatencySnapshot::default()
        };
        let uses = usage(&sample, &requests, &BudgetConfig::default());
        let ratios = uses.map(|used| (used.budget.name(), (used.ratio * 1e6).round() / 1e6));
        assert_eq!(
            ratios,
            [("latency_p99", 0.8), ("cpu", 0.5), ("memory", 0.5), ("error_rate", 0.5)]
        );
    }

    #[test]
    fn an_idle_service_uses_nothing() {
        let uses = usage(&Sample::default(), &LatencySnapshot::default(), &BudgetConfig::default());
        assert!(uses.iter().all(|used| used.ratio == 0.0));
    }

    #[test]
    fn a_throttled_process_uses_all_it_may() {
        let sample = Sample { cpu_ratio: 0.1, throttled: true, ..Sample::default() };
        assert!(ratio(sample, LatencySnapshot::default(), Budget::Cpu) > 1.0);
    }

    #[test]
    fn a_smaller_limit_of_the_container_counts() {
        let sample = Sample { rss: GIB, memory_limit: Some(GIB), ..Sample::default() };
        let uses = usage(&sample, &LatencySnapshot::default(), &BudgetConfig::default());
        let memory = BudgetUse::new(Budget::Memory, GIB as f64, GIB as f64);
        assert_eq!((uses[2], memory.ratio), (memory, 1.0));
    }

    #[test]
    fn two_errors_are_no_rate_and_three_are() {
        let errors = |errors| LatencySnapshot { count: 10, errors, ..LatencySnapshot::default() };
        assert_eq!(ratio(Sample::default(), errors(2), Budget::Errors), 0.0);
        assert!(ratio(Sample::default(), errors(3), Budget::Errors) > 100.0);
    }

    #[test]
    fn a_single_busy_sample_moves_the_meter_little_and_a_second_of_them_much() {
        let recorder = Recorded::default();
        let mut meter = metrics::with_local_recorder(&recorder, BudgetMeter::new);
        let (requests, config) = (LatencySnapshot::default(), BudgetConfig::default());
        let mut now = Instant::from_nanos(1 << 40);
        let mut observe = |cpu_ratio| {
            now = now + Duration::from_millis(100);
            let sample = Sample { cpu_ratio, ..Sample::default() };
            meter.observe(&sample, &requests, &config, now)[1].ratio * config.cpu
        };
        assert_eq!(observe(0.0), 0.0);
        assert!(observe(1.0) < 0.1);
        assert!((0..20).map(|_| observe(1.0)).last().unwrap() > 0.85);
    }

    #[test]
    fn the_use_of_each_budget_is_a_gauge() {
        let recorder = Recorded::default();
        metrics::with_local_recorder(&recorder, || {
            let sample = Sample { rss: GIB, ..Sample::default() };
            let (requests, config) = (LatencySnapshot::default(), BudgetConfig::default());
            BudgetMeter::new().observe(&sample, &requests, &config, Instant::ORIGIN);
        });
        assert_eq!(recorder.values("gabion_budget_used_ratio{budget=memory}"), [0.5]);
        assert_eq!(recorder.names().len(), 4);
    }

    #[test]
    fn settings_are_read_and_the_webhook_is_not_shown() {
        let mut reader = Reader::from_text([
            ("monitor.alert_hold", "1ms"),
            ("monitor.webhook", "https://h/T0K3N"),
        ]);
        let config = MonitorConfig::default().read("monitor", &mut reader);
        assert_eq!(reader.finish(), []);
        assert_eq!(config.alert_hold, Duration::from_millis(1));
        assert!(!format!("{config:?}").contains("T0K3N"));
    }
}
