//! The hand-over: a new process takes the listening sockets of the old one.
//!
//! 1. The old process makes a private Unix socket, starts the new one and lets in nobody else: the
//!    kernel tells the process id of whoever connects.
//! 2. Old to new, one line and the sockets (`SCM_RIGHTS`):
//!    `{"generation":2,"listeners":["main","admin"]}`.
//! 3. The new process starts, checks itself and says `{"ready":true,"pid":42}`, or
//!    `{"ready":false,"pid":42,"reason":"…"}`.
//! 4. Old to new: `{"proceed":true}`. The old one stops accepting, the new one begins.
//! 5. The connection stays open. Its end tells each that the other is gone.
//!
//! The listening sockets are never closed, so connections that come in between wait in the kernel's
//! queue. Until step 4 the new process is on trial: if it ends, is late or says no, it is killed and
//! the old one goes on as if nothing had been.
//!
//! The two may be of different releases. So a field may be added and lines may follow step 4, but
//! what is here keeps its meaning; a reader ignores what it does not know.

mod attempt;
mod error;
mod inherited;
mod successor;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    os::fd::BorrowedFd,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::metrics::Restarts;

pub use self::{
    attempt::Attempt,
    error::{Failure, HandoverError, InheritError},
    inherited::Inherited,
    successor::Successor,
};

/// The environment variable that tells the new process where to connect.
pub const ENVIRONMENT: &str = "GABION_HANDOVER";

/// A sensible time for the new process to become ready.
pub const READY_WITHIN: Duration = Duration::from_secs(30);

/// The old process's side of a restart; clones share it.
///
/// One restart at a time, and none after one has succeeded: the port is the successor's then.
#[derive(Debug, Clone)]
pub struct Handover(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    generation: u64,
    under_way: AtomicBool,
    restarts: Restarts,
}

impl Handover {
    /// For the first process, generation 1; `socket` is where the two will meet.
    ///
    /// The socket exists only while a new process is awaited, with mode 0600; its folder should be
    /// private. Its path may have about 100 bytes and, if relative, is for the new process relative
    /// to the folder that it is started in.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self::of_generation(1, socket)
    }

    /// Like [`new`](Self::new), for a process that [inherited](Inherited::generation) its sockets.
    pub fn of_generation(generation: u64, socket: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Shared {
            path: socket.into(),
            generation,
            under_way: AtomicBool::new(false),
            restarts: Restarts::new(),
        }))
    }

    /// The generation of this process.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// Whether a restart is under way or has succeeded.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.0.under_way.load(Ordering::Acquire)
    }

    /// Claims the one restart that may be under way, so that the answer to who asked for it can be
    /// given before it has ended.
    ///
    /// # Errors
    ///
    /// [`HandoverError::AlreadyUnderWay`].
    pub fn reserve(&self) -> Result<Attempt, HandoverError> {
        if self.0.under_way.swap(true, Ordering::AcqRel) {
            return Err(HandoverError::AlreadyUnderWay);
        }
        Ok(Attempt::new(Arc::clone(&self.0)))
    }

    /// Starts `command` and hands it `listeners`; returns when it is ready and was told to proceed.
    /// See [`Attempt::start`].
    ///
    /// # Errors
    ///
    /// When a restart is under way, or as [`Attempt::start`].
    ///
    /// # Cancel safety
    ///
    /// As [`Attempt::start`].
    pub async fn start(
        &self,
        command: Command,
        listeners: &[(&str, BorrowedFd<'_>)],
        within: Duration,
    ) -> Result<Successor, HandoverError> {
        self.reserve()?.start(command, listeners, within).await
    }
}
