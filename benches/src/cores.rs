//! One core for the server, another one for whoever drives it.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Which core is whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    server: usize,
    generator: usize,
}

impl Cores {
    /// The first two cores that this process may use; with one, both share it.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn split() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = allowed.next().unwrap_or_default();
        Ok(Self { server, generator: allowed.next().unwrap_or(server) })
    }

    /// Whether there is one core for both.
    #[must_use]
    pub const fn shared(self) -> bool {
        self.server == self.generator
    }

    /// Moves this thread, and what it starts from now on, to the server's core.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn take_servers(self) -> io::Result<()> {
        take(self.server)
    }

    /// Moves this thread to the generator's core.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn take_generators(self) -> io::Result<()> {
        take(self.generator)
    }

    /// In words.
    #[must_use]
    pub fn describe(self) -> String {
        match self.shared() {
            true => format!("server and generator SHARE core {}: there is no other", self.server),
            false => {
                format!("server on core {}, generator on core {}", self.server, self.generator)
            }
        }
    }
}

fn take(core: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}
