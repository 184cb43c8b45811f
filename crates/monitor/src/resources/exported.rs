use metrics::{Gauge, gauge};

use super::Sample;
use crate::metrics::{PROCESS_CPU, PROCESS_FDS, PROCESS_MEMORY, PROCESS_START};

/// The standard process metrics, set from samples.
pub struct ProcessMetrics {
    cpu: Gauge,
    memory: Gauge,
    fds: Gauge,
    start: Gauge,
}

impl ProcessMetrics {
    /// Binds to the recorder installed now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cpu: gauge!(PROCESS_CPU),
            memory: gauge!(PROCESS_MEMORY),
            fds: gauge!(PROCESS_FDS),
            start: gauge!(PROCESS_START),
        }
    }

    /// Shows `sample`.
    pub fn set(&self, sample: &Sample) {
        self.cpu.set(sample.cpu_seconds_total);
        self.memory.set(sample.rss as f64);
        self.fds.set(sample.open_fds as f64);
        self.start.set(sample.start_time.as_millis() as f64 / 1000.0);
    }
}

impl Default for ProcessMetrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use gabion_clock::UnixTime;

    use super::*;
    use crate::recorded::Recorded;

    #[test]
    fn a_sample_shows_under_the_standard_names() {
        let recorder = Recorded::default();
        let sample = Sample {
            cpu_seconds_total: 1.5,
            rss: 4096,
            open_fds: 7,
            start_time: UnixTime::from_millis(2500),
            ..Sample::default()
        };
        metrics::with_local_recorder(&recorder, || ProcessMetrics::new().set(&sample));
        let shown: Vec<_> =
            recorder.names().iter().map(|name| (name.clone(), recorder.values(name))).collect();
        let expected = [
            ("process_cpu_seconds_total{}", 1.5),
            ("process_open_fds{}", 7.0),
            ("process_resident_memory_bytes{}", 4096.0),
            ("process_start_time_seconds{}", 2.5),
        ];
        assert_eq!(shown, expected.map(|(name, value)| (name.to_owned(), vec![value])));
    }
}
