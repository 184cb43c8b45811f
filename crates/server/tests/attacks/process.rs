//! What the system tells about a server, and what the tests need of it.

use std::{
    fs,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    client::PATIENCE,
    server::{Server, Stopwatch, until},
};

static ALONE: Mutex<()> = Mutex::new(());

/// Waits until no other attack runs; with descriptors for two thousand connections, also in the
/// servers that are started from here.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(4096, |maximum| maximum.min(4096));
    if current.is_some_and(|current| current < wanted) {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
        raised.expect("a process may use what it is allowed");
    }
    alone
}

impl Server {
    /// The open sockets, sorted. The files of the store are opened when they are first needed.
    pub(crate) fn sockets(&self) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.pid()));
        let links = entries.expect("the process is there").flatten();
        // One may be closed as it is looked at.
        let targets = links.filter_map(|entry| fs::read_link(entry.path()).ok());
        let mut open: Vec<_> = targets.map(|target| target.display().to_string()).collect();
        open.retain(|target| target.starts_with("socket:"));
        open.sort();
        open
    }

    /// Waits until there are no more sockets open than `before`.
    #[track_caller]
    pub(crate) fn closes_to(&self, before: &[String]) {
        let waited = Stopwatch::start();
        while self.sockets().len() > before.len() {
            let open = self.sockets();
            assert!(waited.elapsed() < PATIENCE, "open before: {before:#?}\nopen: {open:#?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Connections that are closed here, with something left that their clients do not take.
    pub(crate) fn undelivered(&self) -> usize {
        let sockets = fs::read_to_string("/proc/net/tcp").expect("the system tells of its sockets");
        let port = format!(":{:04X}", self.address().port());
        let own = sockets.lines().filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().filter(|local| local.ends_with(&port));
            local.and(fields.nth(1))
        });
        // FIN_WAIT1.
        own.filter(|state| *state == "04").count()
    }

    /// From now on its peak is what it holds now.
    pub(crate) fn forget_peak(&self) {
        let forgotten = fs::write(format!("/proc/{}/clear_refs", self.pid()), "5");
        forgotten.expect("one's own processes can be asked");
    }

    /// Hundredths of a second of processor time so far.
    fn cpu(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        let stat = stat.expect("the process is there");
        // The name may have anything in it.
        let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
        let fields: Vec<&str> = rest.split_whitespace().collect();
        [11, 12].iter().map(|at| fields[*at].parse::<u64>().expect("a number")).sum()
    }

    /// Nothing is worked on any more: it uses less than a fifth of a processor.
    #[track_caller]
    pub(crate) fn rests(&self) {
        until("the server rests", || {
            let before = self.cpu();
            thread::sleep(Duration::from_millis(500));
            (self.cpu() - before < 10).then_some(())
        });
    }

    /// A counter's value as the metrics tell it; zero where there is none.
    #[track_caller]
    pub(crate) fn counted(&self, token: &str, line: &str) -> u64 {
        let metrics = self.metrics(token);
        let own = metrics.lines().filter_map(|own| own.strip_prefix(line));
        own.map(|value| value.trim().parse::<u64>().expect("a count")).sum()
    }
}
