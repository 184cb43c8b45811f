use std::{future::pending, io};

use tokio::signal::unix::{self, SignalKind};

/// What the operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// The first SIGTERM or SIGINT: end in order.
    Drain,
    /// A further one: end now.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The process's signals, caught.
///
/// Install them before anything slow: a signal that comes earlier ends the process with whatever it
/// was doing. They stay caught when this is dropped.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
    asked: bool,
}

impl Signals {
    /// Catches SIGTERM, SIGINT and SIGHUP from now on.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hangup: unix::signal(SignalKind::hangup())?,
            asked: false,
        })
    }

    /// The next signal. Equal ones that come at the same moment count once.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.terminate.recv() => self.end(),
            Some(()) = self.interrupt.recv() => self.end(),
            Some(()) = self.hangup.recv() => Signal::Reload,
            else => pending().await,
        }
    }

    fn end(&mut self) -> Signal {
        if self.asked {
            return Signal::Stop;
        }
        self.asked = true;
        Signal::Drain
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{self, getpid, kill_process};

    use super::*;

    // One test, since the signals go to the whole test process.
    #[tokio::test]
    async fn the_first_drains_the_second_stops_and_hangup_reloads() {
        let mut signals = Signals::install().unwrap();
        let mut seen = Vec::new();
        for signal in [process::Signal::HUP, process::Signal::TERM, process::Signal::INT] {
            kill_process(getpid(), signal).unwrap();
            seen.push(signals.next().await);
        }
        assert_eq!(seen, [Signal::Reload, Signal::Drain, Signal::Stop]);
    }
}
