use std::{io, process::ExitStatus, time::Duration};

use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::{Failure, HandoverError, wire::Channel};

/// For a process that has failed to end by itself and tell how.
const GRACE: Duration = Duration::from_millis(500);
/// For the system to bury a process that was killed.
const BURIAL: Duration = Duration::from_secs(5);

/// The new process, which serves the port.
///
/// Keep it until this process ends: dropping it tells the successor that its predecessor is gone.
/// It does not end the successor.
#[derive(Debug)]
#[must_use = "dropping it tells the successor that this process is gone"]
pub struct Successor {
    /// Dropped before the channel, so that a process on trial is killed before it can take the
    /// silence for the end of its predecessor.
    pub(super) process: Process,
    pub(super) channel: Channel,
    pub(super) generation: u64,
}

impl Successor {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Its generation: this process's and one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// When the system does not tell how.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn exited(&mut self) -> io::Result<ExitStatus> {
        self.process.child.wait().await
    }

    /// Waits until it has closed its end of the connection, which it does at the latest when it
    /// ends.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn gone(&self) {
        self.channel.ended().await;
    }
}

/// A started process; on trial, and killed when dropped, until it is acquitted.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pid: u32,
    on_trial: bool,
}

impl Process {
    pub(super) fn spawn(command: std::process::Command) -> io::Result<Self> {
        let child = Command::from(command).spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("it has no process id"))?;
        Ok(Self { child, pid, on_trial: true })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn acquit(&mut self) {
        self.on_trial = false;
    }

    pub(super) async fn ended(&mut self) {
        let _ = self.child.wait().await;
    }

    /// Ends it because of `failure`, and tells how it ended.
    pub(super) async fn undo(&mut self, failure: Failure) -> HandoverError {
        if !matches!(failure, Failure::TimedOut(_))
            && let Ok(Ok(status)) = timeout(GRACE, self.child.wait()).await
        {
            let reason = match failure {
                Failure::Closed | Failure::Broken(_) => Failure::Exited,
                other => other,
            };
            return HandoverError::Undone { reason, status: Some(status) };
        }
        // Fails if it has just ended, which is as well.
        let _ = self.child.start_kill();
        let status = timeout(BURIAL, self.child.wait()).await.ok().and_then(Result::ok);
        HandoverError::Undone { reason: failure, status }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.on_trial {
            let _ = self.child.start_kill();
        }
    }
}
