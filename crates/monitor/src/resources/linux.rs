//! Readings from `/proc` and the control groups. Their files are short and live in memory: reading
//! all of them takes some tens of microseconds and never waits for a disk.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use gabion_clock::{Instant, UnixTime};
use rustix::{
    process::getpid,
    thread::sched_getaffinity,
    time::{ClockId, clock_gettime},
};

use super::{
    cgroup::{Group, Version},
    parse,
    sample::{Limits, Reading},
};

/// Of `/proc/PID/stat`: USER_HZ, 100 on every architecture that Rust's standard library runs on.
const TICKS_PER_SECOND: u64 = 100;
/// `/proc/stat` grows by a line per core and interrupt; no other file comes near.
const LARGEST_FILE: u64 = 1 << 20;
/// Counting descriptors reads a directory entry for each.
const COUNT_FDS_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Linux {
    host: Host,
    root: PathBuf,
    cpu: Option<Group>,
    memory: Option<Group>,
    /// The group whose quota is the tightest: the one that is stopped first.
    throttling: Option<PathBuf>,
    fds: FdCount,
    buffer: Vec<u8>,
}

/// What no file tells exactly; functions, so that tests can tell something else.
#[derive(Clone, Copy)]
pub(super) struct Host {
    /// CPU time of the whole process, in nanoseconds. `/proc/self/stat` has it in hundredths of a
    /// second, a tenth of what one core does between two samples.
    pub(super) cpu_time: fn() -> Duration,
    /// Cores that the main thread may run on.
    pub(super) affinity: fn() -> Option<u32>,
}

impl Host {
    pub(super) const REAL: Self = Self {
        cpu_time: || {
            let time = clock_gettime(ClockId::ProcessCPUTime);
            Duration::try_from(time).unwrap_or_default()
        },
        affinity: || sched_getaffinity(Some(getpid())).ok().map(|cores| cores.count()),
    };
}

enum FdCount {
    /// Since Linux 6.2 the size of `/proc/self/fd` is the count.
    Size,
    Entries {
        counted: Option<Instant>,
        count: u64,
    },
}

impl Linux {
    /// `None` when there is no `/proc` to read.
    pub(super) fn open(root: &Path, host: Host) -> Option<Self> {
        let mut this = Self {
            host,
            root: root.to_owned(),
            cpu: None,
            memory: None,
            throttling: None,
            fds: FdCount::Entries { counted: None, count: 0 },
            buffer: Vec::new(),
        };
        parse::resident(&this.text("proc/self/status")?)?;
        let cgroup = this.text("proc/self/cgroup").unwrap_or_default();
        let mountinfo = this.text("proc/self/mountinfo").unwrap_or_default();
        let group = |controller| Group::find(controller, &cgroup, &mountinfo, root);
        this.cpu = group("cpu");
        this.memory = group("memory");
        // Counting opens one descriptor of its own.
        if this.size_of_fds().map(|size| size + 1) == this.entries_of_fds() {
            this.fds = FdCount::Size;
        }
        Some(this)
    }

    /// When the process started; the epoch when that cannot be read.
    pub(super) fn start_time(&mut self) -> UnixTime {
        let boot = self.text("proc/stat").and_then(|stat| parse::keyed(&stat, "btime"));
        let ticks = self.text("proc/self/stat").and_then(|stat| parse::start_ticks(&stat));
        let (Some(boot), Some(ticks)) = (boot, ticks) else { return UnixTime::default() };
        UnixTime::from_secs(boot) + Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    pub(super) fn read(&mut self, now: Instant) -> Reading {
        let status = self.text("proc/self/status").unwrap_or_default();
        let cpu_group = self.cpu.clone();
        let memory_group = self.memory.clone();
        let memory_file = memory_group.as_ref().map(|group| match group.version {
            Version::One => group.file("memory.usage_in_bytes"),
            Version::Two => group.file("memory.current"),
        });
        let throttling = self.throttling.clone().map(|group| group.join("cpu.stat"));
        Reading {
            cpu: (self.host.cpu_time)(),
            rss: parse::resident(&status).unwrap_or_default(),
            open_fds: self.open_fds(now),
            memory_current: self.parsed(memory_file, parse::number),
            throttled_periods: self.parsed(throttling, |text| parse::keyed(text, "nr_throttled")),
            cpu_stalled: self.stalled(cpu_group.as_ref(), "cpu", "some"),
            memory_stalled: self.stalled(memory_group.as_ref(), "memory", "full"),
        }
    }

    /// Looks at every group around the process; a limit of any of them holds.
    pub(super) fn limits(&mut self) -> Limits {
        let affinity = (self.host.affinity)().map_or_else(super::parallelism, f64::from);
        let mut limits = Limits { cores: affinity, memory: None };
        self.throttling = None;
        let mut tightest = f64::INFINITY;
        for group in around(self.cpu.as_ref()) {
            let quota = match group.1 {
                Version::Two => self.parsed(Some(group.0.join("cpu.max")), parse::quota),
                Version::One => self.quota_of_version_one(&group.0),
            };
            if let Some(quota) = quota.filter(|quota| *quota < tightest) {
                tightest = quota;
                limits.cores = affinity.min(quota);
                self.throttling = Some(group.0);
            }
        }
        for (group, version) in around(self.memory.as_ref()) {
            let file = match version {
                Version::One => "memory.limit_in_bytes",
                Version::Two => "memory.max",
            };
            let limit = self.parsed(Some(group.join(file)), parse::limit);
            limits.memory = limits.memory.into_iter().chain(limit).min();
        }
        limits
    }

    fn quota_of_version_one(&mut self, group: &Path) -> Option<f64> {
        let quota = self.text(group.join("cpu.cfs_quota_us"))?;
        let period = self.text(group.join("cpu.cfs_period_us"))?;
        parse::cores(&quota, &period)
    }

    /// The group's own pressure, or that of the host where groups have none.
    fn stalled(&mut self, group: Option<&Group>, what: &str, kind: &str) -> Option<u64> {
        let own = group
            .filter(|group| group.version == Version::Two)
            .map(|group| group.file(&format!("{what}.pressure")));
        let host = self.root.join("proc/pressure").join(what);
        self.parsed(own, |text| parse::stalled(text, kind))
            .or_else(|| self.parsed(Some(host), |text| parse::stalled(text, kind)))
    }

    fn open_fds(&mut self, now: Instant) -> u64 {
        let FdCount::Entries { counted, count } = self.fds else {
            return self.size_of_fds().unwrap_or_default();
        };
        if counted.is_some_and(|then| now.saturating_since(then) < COUNT_FDS_EVERY) {
            return count;
        }
        let count = self.entries_of_fds().unwrap_or_default().saturating_sub(1);
        self.fds = FdCount::Entries { counted: Some(now), count };
        count
    }

    fn size_of_fds(&self) -> Option<u64> {
        fs::metadata(self.root.join("proc/self/fd")).ok().map(|fds| fds.len())
    }

    /// One more than there are: the directory itself is open meanwhile.
    fn entries_of_fds(&self) -> Option<u64> {
        let entries = fs::read_dir(self.root.join("proc/self/fd")).ok()?;
        u64::try_from(entries.count()).ok()
    }

    fn parsed<T>(
        &mut self,
        file: Option<PathBuf>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        parse(&self.text(file?)?)
    }

    /// A file below the root, as text; what is not UTF-8 in it can only be a name.
    fn text(&mut self, file: impl AsRef<Path>) -> Option<String> {
        self.buffer.clear();
        let file = File::open(self.root.join(file)).ok()?;
        file.take(LARGEST_FILE).read_to_end(&mut self.buffer).ok()?;
        Some(String::from_utf8_lossy(&self.buffer).into_owned())
    }
}

fn around(group: Option<&Group>) -> Vec<(PathBuf, Version)> {
    let paths =
        |group: &Group| group.and_around().map(|path| (path.to_owned(), group.version)).collect();
    group.map(paths).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_nanos(1 << 40);
    const HOST: Host = Host { cpu_time: || Duration::from_millis(70), affinity: || Some(4) };

    /// A tree of files below a folder of its own, removed at the end.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let folder = format!("gabion-monitor-{}-{name}", std::process::id());
            let root = Self(std::env::temp_dir().join(folder));
            let status = ("proc/self/status", "Name:\tx\nVmRSS:\t    4096 kB\n");
            for (path, text) in [&[status], files].concat() {
                root.write(path, text);
            }
            root
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn open(&self) -> Linux {
            Linux::open(&self.0, HOST).unwrap()
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const TWO: [(&str, &str); 2] = [
        ("proc/self/cgroup", "0::/pod/app\n"),
        ("proc/self/mountinfo", "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
    ];

    #[test]
    fn the_tightest_limit_around_the_process_holds() {
        let files = [
            TWO[0],
            TWO[1],
            ("sys/fs/cgroup/pod/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/pod/app/cpu.max", "300000 100000\n"),
            ("sys/fs/cgroup/pod/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/pod/app/memory.max", "max\n"),
        ];
        let root = Root::new("tightest", &files);
        assert_eq!(root.open().limits(), Limits { cores: 1.5, memory: Some(1 << 30) });
    }

    #[test]
    fn throttling_is_read_where_the_tightest_quota_is() {
        let files = [
            TWO[0],
            TWO[1],
            ("sys/fs/cgroup/pod/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/pod/cpu.stat", "usage_usec 1\nnr_throttled 5\n"),
            ("sys/fs/cgroup/pod/app/cpu.stat", "usage_usec 1\nnr_throttled 0\n"),
        ];
        let root = Root::new("throttled", &files);
        let mut linux = root.open();
        linux.limits();
        assert_eq!(linux.read(NOW).throttled_periods, Some(5));
    }

    #[test]
    fn version_one_is_read_by_its_own_files() {
        let root = Root::new(
            "one",
            &[
                ("proc/self/cgroup", "4:memory:/a\n1:cpu,cpuacct:/a\n"),
                (
                    "proc/self/mountinfo",
                    "32 31 0:29 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                     35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n",
                ),
                ("cg/cpu/a/cpu.cfs_quota_us", "50000\n"),
                ("cg/cpu/a/cpu.cfs_period_us", "100000\n"),
                ("cg/memory/a/memory.limit_in_bytes", "536870912\n"),
                ("cg/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("cg/memory/a/memory.usage_in_bytes", "4242\n"),
            ],
        );
        let mut linux = root.open();
        assert_eq!(linux.limits(), Limits { cores: 0.5, memory: Some(512 << 20) });
        assert_eq!(linux.read(NOW).memory_current, Some(4242));
    }

    #[test]
    fn without_control_groups_the_cores_are_those_of_the_affinity() {
        let root = Root::new("bare", &[]);
        let mut linux = root.open();
        assert_eq!(linux.limits(), Limits { cores: 4.0, memory: None });
        let expected =
            Reading { cpu: Duration::from_millis(70), rss: 4 << 20, ..Reading::default() };
        assert_eq!(linux.read(NOW), expected);
    }

    #[test]
    fn the_pressure_of_the_group_goes_before_that_of_the_host() {
        let files = [
            TWO[0],
            TWO[1],
            ("proc/pressure/cpu", "some avg10=0.00 total=7\n"),
            ("proc/pressure/memory", "some total=1\nfull avg10=0.00 total=8\n"),
            ("sys/fs/cgroup/pod/app/cpu.pressure", "some avg10=0.00 total=3\n"),
        ];
        let root = Root::new("pressure", &files);
        let reading = root.open().read(NOW);
        assert_eq!((reading.cpu_stalled, reading.memory_stalled), (Some(3), Some(8)));
    }

    #[test]
    fn descriptors_are_counted_again_after_ten_seconds() {
        let root = Root::new("fds", &[("proc/self/fd/0", ""), ("proc/self/fd/1", "")]);
        let mut linux = root.open();
        linux.fds = FdCount::Entries { counted: None, count: 0 };
        assert_eq!(linux.open_fds(NOW), 1);
        root.write("proc/self/fd/2", "");
        assert_eq!(linux.open_fds(NOW + Duration::from_secs(9)), 1);
        assert_eq!(linux.open_fds(NOW + Duration::from_secs(10)), 2);
    }

    #[test]
    fn the_start_is_boot_time_plus_ticks() {
        let stat = "7 (x) R 1 7 7 0 -1 0 9 0 0 0 0 0 0 0 20 0 1 0 250 3 3 1";
        let root =
            Root::new("start", &[("proc/stat", "cpu 1 2\nbtime 1000\n"), ("proc/self/stat", stat)]);
        assert_eq!(root.open().start_time(), UnixTime::from_millis(1_002_500));
    }

    #[test]
    fn without_proc_there_is_nothing_to_open() {
        let nowhere = std::env::temp_dir().join("gabion-monitor-nowhere");
        assert!(Linux::open(&nowhere, HOST).is_none());
    }
}
