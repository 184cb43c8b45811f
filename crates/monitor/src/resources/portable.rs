//! Readings by sysinfo, for systems without `/proc`.

use std::time::Duration;

use gabion_clock::UnixTime;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

use super::sample::{Limits, Reading};

pub(super) struct Portable {
    system: System,
    pid: Pid,
}

impl Portable {
    /// `None` where sysinfo does not know the system either.
    pub(super) fn open() -> Option<Self> {
        let mut this = Self { system: System::new().ok()?, pid: get_current_pid().ok()? };
        this.refresh();
        this.process()?;
        Some(this)
    }

    pub(super) fn start_time(&self) -> UnixTime {
        self.process().map(|process| UnixTime::from_secs(process.start_time())).unwrap_or_default()
    }

    pub(super) fn read(&mut self) -> Reading {
        self.refresh();
        let Some(process) = self.process() else { return Reading::default() };
        Reading {
            cpu: Duration::from_millis(process.accumulated_cpu_time()),
            rss: process.memory(),
            open_fds: process.open_files().map_or(0, |count| count as u64),
            ..Reading::default()
        }
    }

    pub(super) fn limits() -> Limits {
        Limits { cores: super::parallelism(), memory: None }
    }

    fn refresh(&mut self) {
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), true, what);
    }

    fn process(&self) -> Option<&Process> {
        self.system.process(self.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_start() {
        let mut portable = Portable::open().unwrap();
        assert!(portable.read().rss > 1 << 20);
        assert!(portable.start_time() > UnixTime::from_secs(1_600_000_000));
    }
}
