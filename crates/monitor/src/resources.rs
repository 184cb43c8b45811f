//! What this process uses and what it may use.
//!
//! In a container the machine's figures are the wrong ones: a quota of half a core on a host of 64
//! is exceeded while the host looks idle. So on Linux the control groups around the process are
//! read (version 2, or 1), with their quota, throttling, memory limit and pressure; CPU and memory
//! are those of the process itself, since a group may hold its neighbours too. Elsewhere sysinfo
//! tells the process's CPU and memory, and there are no limits.

mod exported;
mod sample;

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod parse;
mod portable;

use std::{thread, time::Duration};

use gabion_clock::{Instant, UnixTime};

pub use self::{exported::ProcessMetrics, sample::Sample};
use self::{
    portable::Portable,
    sample::{Limits, Reading},
};

/// A limit may be changed while the process runs.
const LIMITS_EVERY: Duration = Duration::from_secs(10);
/// Rates over less than this say nothing.
const SHORTEST_SPAN: Duration = Duration::from_millis(1);

/// Samples the resources of this process. See the [module docs](self).
///
/// One task owns it and samples ten times a second or so; a sample costs some tens of microseconds.
pub struct Resources {
    source: Source,
    start_time: UnixTime,
    limits: Limits,
    limits_read: Option<Instant>,
    last: Option<(Instant, Reading, Sample)>,
}

enum Source {
    #[cfg(target_os = "linux")]
    Linux(Box<linux::Linux>),
    Portable(Box<Portable>),
    /// The system tells nothing: samples are empty but for the cores.
    Unknown,
}

impl Resources {
    /// A sampler of this process.
    #[must_use]
    pub fn new() -> Self {
        let mut source = Source::open();
        Self {
            start_time: source.start_time(),
            source,
            limits: Limits::default(),
            limits_read: None,
            last: None,
        }
    }

    /// What is used at `now`; rates are those since the call before.
    pub fn sample(&mut self, now: Instant) -> Sample {
        if let Some((then, _, sample)) = self.last
            && now.saturating_since(then) < SHORTEST_SPAN
        {
            return sample;
        }
        if self.limits_read.is_none_or(|then| now.saturating_since(then) >= LIMITS_EVERY) {
            self.limits = self.source.limits();
            self.limits_read = Some(now);
        }
        let reading = self.source.read(now);
        // The first has nothing to be compared with but itself.
        let (before, span) = self.last.map_or((reading, SHORTEST_SPAN), |(then, before, _)| {
            (before, now.saturating_since(then))
        });
        let sample = Sample::between(&before, &reading, span, self.limits, self.start_time);
        self.last = Some((now, reading, sample));
        sample
    }
}

impl Default for Resources {
    fn default() -> Self {
        Self::new()
    }
}

impl Source {
    fn open() -> Self {
        #[cfg(target_os = "linux")]
        if let Some(linux) = linux::Linux::open("/".as_ref(), linux::Host::REAL) {
            return Self::Linux(Box::new(linux));
        }
        Portable::open().map_or_else(
            || {
                tracing::warn!("the resources of this process cannot be read");
                Self::Unknown
            },
            |portable| Self::Portable(Box::new(portable)),
        )
    }

    fn start_time(&mut self) -> UnixTime {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(linux) => linux.start_time(),
            Self::Portable(portable) => portable.start_time(),
            Self::Unknown => UnixTime::default(),
        }
    }

    fn limits(&mut self) -> Limits {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(linux) => linux.limits(),
            Self::Portable(_) | Self::Unknown => Portable::limits(),
        }
    }

    #[cfg_attr(
        not(target_os = "linux"),
        expect(unused_variables, reason = "only counting descriptors on Linux asks for the time")
    )]
    fn read(&mut self, now: Instant) -> Reading {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(linux) => linux.read(now),
            Self::Portable(portable) => portable.read(),
            Self::Unknown => Reading::default(),
        }
    }
}

fn parallelism() -> f64 {
    thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use gabion_clock::{Clock, SystemClock};

    use super::*;

    const NOW: Instant = Instant::from_nanos(1 << 40);

    #[test]
    fn this_process_is_seen() {
        let sample = Resources::new().sample(NOW);
        assert!(sample.cores >= 0.01);
        assert!(sample.rss > 1 << 20, "{sample:?}");
        assert!(sample.start_time > UnixTime::from_secs(1_600_000_000), "{sample:?}");
        assert!(sample.start_time <= SystemClock::new().unix() + Duration::from_secs(2));
    }

    #[test]
    fn work_done_between_two_samples_shows_as_cpu() {
        let mut resources = Resources::new();
        let first = resources.sample(NOW);
        let busy = (0..200_000_u64).fold(1, |sum, i| black_box(sum ^ i.wrapping_mul(sum)));
        black_box(busy);
        let second = resources.sample(NOW + Duration::from_secs(1));
        assert_eq!(first.cpu_cores_used, 0.0);
        assert!(second.cpu_cores_used > 0.0, "{second:?}");
        assert!(second.cpu_seconds_total > first.cpu_seconds_total);
    }

    #[test]
    fn two_samples_at_once_are_the_same() {
        let mut resources = Resources::new();
        assert_eq!(resources.sample(NOW), resources.sample(NOW));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn both_ways_of_reading_agree_on_the_memory() {
        let by_files = Resources::new().sample(NOW).rss as f64;
        let by_sysinfo = Portable::open().unwrap().read().rss as f64;
        assert!((0.5..2.0).contains(&(by_files / by_sysinfo)), "{by_files} {by_sysinfo}");
    }
}
