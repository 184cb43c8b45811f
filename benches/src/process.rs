//! A process that ends with its owner, and what the system says it uses.

use std::{
    fs, io,
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::cores::Cores;

/// A started process; dropping this kills it, by its own id.
pub struct Process {
    child: Child,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Processor time in user and system mode, all threads.
    pub cpu: Duration,
    /// Bytes of memory that it has now.
    pub resident: u64,
    /// The most bytes of memory that it ever had.
    pub peak: u64,
}

impl Process {
    /// Starts `command` on the server's core; its errors go to `log`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(command: &mut Command, cores: Cores, log: &Path) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(log)?);
        // A child inherits the affinity of the thread that starts it.
        cores.take_servers()?;
        let child = command.spawn();
        cores.take_generators()?;
        Ok(Self { child: child? })
    }

    /// Its standard output, once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// What it has used so far.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub fn usage(&self) -> io::Result<Usage> {
        let id = self.child.id();
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let ticks = cpu_ticks(&stat).ok_or(io::ErrorKind::InvalidData)?;
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        Ok(Usage {
            cpu: Duration::from_secs_f64(ticks as f64 / per_second),
            resident: kibibytes(&status, "VmRSS:").unwrap_or_default() * 1024,
            peak: kibibytes(&status, "VmHWM:").unwrap_or_default() * 1024,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either it is gone already or it goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `utime` and `stime` of proc_pid_stat(5). The name before them may contain anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    Some(user + fields.next()?.parse::<u64>().ok()?)
}

fn kibibytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_bracket_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 90 0 0 0 123 45 0 0 20 0 1 0";
        assert_eq!(cpu_ticks(stat), Some(168));
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        assert_eq!(kibibytes("Name:\tx\nVmHWM:\t    1234 kB\n", "VmHWM:"), Some(1234));
    }

    #[test]
    fn a_process_ends_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let cores = Cores::split().unwrap();
        let mut sleep = Command::new("sleep");
        let process = Process::start(sleep.arg("60"), cores, &folder.path().join("log")).unwrap();
        let proc = format!("/proc/{}", process.child.id());
        assert!(process.usage().is_ok() && Path::new(&proc).exists());
        drop(process);
        assert!(!Path::new(&proc).exists());
    }
}
