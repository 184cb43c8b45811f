use std::time::Duration;

use gabion_clock::UnixTime;
use serde::Serialize;

/// Below this many cores a quota would make every ratio absurd.
const FEWEST_CORES: f64 = 0.01;

/// What the process uses at one moment, and what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Sample {
    /// Cores kept busy on average since the sample before; 0 in the first.
    pub cpu_cores_used: f64,
    /// Cores this process may use: those it may run on, or less by a quota. May be fractional.
    pub cores: f64,
    /// `cpu_cores_used / cores`.
    pub cpu_ratio: f64,
    /// Resident bytes of the process.
    pub rss: u64,
    /// Bytes charged to the control group, page cache included.
    pub memory_current: Option<u64>,
    /// The tightest memory limit of the control groups around the process, in bytes.
    pub memory_limit: Option<u64>,
    /// Open file descriptors; counted every ten seconds only where counting is dear.
    pub open_fds: u64,
    /// Whether the quota stopped the process since the sample before.
    pub throttled: bool,
    /// Part of the time since the sample before in which some task waited for a CPU, 0 to 1.
    pub cpu_pressure: Option<f64>,
    /// Part of the time since the sample before in which all tasks waited for memory, 0 to 1.
    pub memory_pressure: Option<f64>,
    /// CPU seconds used since the start.
    pub cpu_seconds_total: f64,
    /// Start of the process.
    #[serde(serialize_with = "crate::rfc3339::serialize")]
    pub start_time: UnixTime,
}

/// Counters and levels as the system tells them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Reading {
    pub(super) cpu: Duration,
    pub(super) rss: u64,
    pub(super) open_fds: u64,
    pub(super) memory_current: Option<u64>,
    pub(super) throttled_periods: Option<u64>,
    /// Micro-seconds.
    pub(super) cpu_stalled: Option<u64>,
    /// Micro-seconds.
    pub(super) memory_stalled: Option<u64>,
}

/// What changes rarely.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Limits {
    pub(super) cores: f64,
    pub(super) memory: Option<u64>,
}

impl Sample {
    /// `span` lies between the two readings and is not zero.
    pub(super) fn between(
        before: &Reading,
        after: &Reading,
        span: Duration,
        limits: Limits,
        start_time: UnixTime,
    ) -> Self {
        let cores = limits.cores.max(FEWEST_CORES);
        let cpu_cores_used =
            after.cpu.saturating_sub(before.cpu).as_secs_f64() / span.as_secs_f64();
        let part = |before: Option<u64>, after: Option<u64>| {
            let stalled = Duration::from_micros(after?.saturating_sub(before?));
            Some((stalled.as_secs_f64() / span.as_secs_f64()).min(1.0))
        };
        Self {
            cpu_cores_used,
            cores,
            cpu_ratio: cpu_cores_used / cores,
            rss: after.rss,
            memory_current: after.memory_current,
            memory_limit: limits.memory,
            open_fds: after.open_fds,
            throttled: matches!(
                (before.throttled_periods, after.throttled_periods),
                (Some(before), Some(after)) if after > before
            ),
            cpu_pressure: part(before.cpu_stalled, after.cpu_stalled),
            memory_pressure: part(before.memory_stalled, after.memory_stalled),
            cpu_seconds_total: after.cpu.as_secs_f64(),
            start_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_millis(100);

    fn between(before: &Reading, after: &Reading, cores: f64) -> Sample {
        let limits = Limits { cores, memory: None };
        Sample::between(before, after, SPAN, limits, UnixTime::default())
    }

    #[test]
    fn cpu_is_told_in_cores_and_as_a_part_of_those_allowed() {
        let after = Reading { cpu: Duration::from_millis(120), ..Reading::default() };
        let sample = between(&Reading::default(), &after, 1.5);
        assert!((sample.cpu_cores_used - 1.2).abs() < 1e-9);
        assert!((sample.cpu_ratio - 0.8).abs() < 1e-9);
    }

    #[test]
    fn throttling_is_seen_when_the_count_grew() {
        let count = |periods| Reading { throttled_periods: Some(periods), ..Reading::default() };
        assert!(between(&count(4), &count(5), 1.0).throttled);
        assert!(!between(&count(5), &count(5), 1.0).throttled);
        assert!(!between(&Reading::default(), &count(5), 1.0).throttled);
    }

    #[test]
    fn pressure_is_the_stalled_part_of_the_span() {
        let stalled = |micros| Reading { cpu_stalled: Some(micros), ..Reading::default() };
        assert_eq!(between(&stalled(10), &stalled(25_010), 1.0).cpu_pressure, Some(0.25));
        assert_eq!(between(&Reading::default(), &stalled(1), 1.0).cpu_pressure, None);
    }

    #[test]
    fn counters_that_go_back_give_zero() {
        let before = Reading { cpu: SPAN, cpu_stalled: Some(9), ..Reading::default() };
        let after = Reading { cpu_stalled: Some(3), ..Reading::default() };
        let sample = between(&before, &after, 0.0);
        assert_eq!((sample.cpu_ratio, sample.cpu_pressure), (0.0, Some(0.0)));
    }
}
