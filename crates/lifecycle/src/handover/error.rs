use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use gabion_errors::{Problem, ToProblem, types};

/// Why a restart did not happen; the old process goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// Another one is, or one has succeeded and this process only drains.
    #[error("a restart is already under way")]
    AlreadyUnderWay,
    /// The place to meet could not be made.
    #[error("cannot make the hand-over socket {}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The program could not be started.
    #[error("cannot start {program}")]
    Spawn {
        /// Which.
        program: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The new process ran but failed before it was ready, and is no more.
    #[error("the new process was undone: {reason}{}", ended(status.as_ref()))]
    Undone {
        /// What it did wrong.
        reason: Failure,
        /// How it ended; `None` if the system did not tell in time.
        status: Option<ExitStatus>,
    },
}

fn ended(status: Option<&ExitStatus>) -> String {
    status.map_or_else(String::new, |status| format!(" ({status})"))
}

impl HandoverError {
    /// How the new process ended, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<ExitStatus> {
        match self {
            Self::Undone { status, .. } => *status,
            _ => None,
        }
    }
}

impl ToProblem for HandoverError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::AlreadyUnderWay => {
                Problem::new(&types::CONFLICT).detail("a restart is already under way")
            }
            // No more open files, no memory for a process: the way out is outside of the program.
            Self::Socket { .. } | Self::Spawn { .. } => {
                Problem::new(&types::DEPENDENCY_UNAVAILABLE)
                    .detail("the system did not let a new process begin; the log has the cause")
                    .retry_after(Duration::from_secs(10))
            }
            Self::Undone { .. } => Problem::new(&types::INTERNAL),
        }
    }
}

/// What a new process did wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It ended by itself.
    #[error("it ended before it was ready")]
    Exited,
    /// It was not ready in time.
    #[error("it was not ready within {0:?}")]
    TimedOut(Duration),
    /// It checked itself and said no; its own words, at most 1000 characters.
    #[error("it says: {0}")]
    Refused(String),
    /// It closed the connection, and went on running.
    #[error("it closed the connection before it was ready")]
    Closed,
    /// The connection failed, or what came was not understood.
    #[error("the connection to it failed: {0}")]
    Broken(io::Error),
}

/// Why nothing could be taken over from a predecessor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InheritError {
    /// There is nobody at the socket.
    #[error("cannot reach the predecessor at {}", path.display())]
    Connect {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is not the process that started this one.
    #[error("the process at {} did not start this one", path.display())]
    NotParent {
        /// Where it is.
        path: PathBuf,
    },
    /// It said nothing in time.
    #[error("the predecessor sent no listeners within {0:?}")]
    Silent(Duration),
    /// It sent something else than listening TCP sockets with a name each, or nothing.
    #[error("cannot take over listeners from the predecessor")]
    Broken(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_refuses_is_told_apart_from_what_failed_inside() {
        let full = || io::Error::from_raw_os_error(24);
        let socket = HandoverError::Socket { path: "/secret".into(), source: full() };
        let spawn = HandoverError::Spawn { program: "/secret".into(), source: full() };
        let undone = HandoverError::Undone { reason: Failure::Exited, status: None };
        for (error, status) in
            [(socket, 503), (spawn, 503), (undone, 500), (HandoverError::AlreadyUnderWay, 409)]
        {
            let problem = error.to_problem();
            assert_eq!(problem.status(), status, "{error}");
            assert_eq!(problem.retry_after_secs().is_some(), status == 503, "{error}");
            assert!(!problem.detail_text().contains("secret"), "{error}");
        }
    }
}
