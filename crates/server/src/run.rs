//! A server process, from its start to its end.

mod background;
mod drain;
mod listeners;
mod prepare;
mod serve;

use std::path::PathBuf;

use gabion_clock::SystemClock;
use gabion_errors::BoxError;
use gabion_lifecycle::{Inherited, Signals};

use self::prepare::prepare;
use crate::{
    config::{ConfigError, Sources},
    data_dir::DataDirError,
    restart::Launch,
};

/// What a process is given by whoever started it.
pub struct Start {
    /// Where the configuration comes from.
    pub sources: Sources,
    /// How to start the next process.
    pub launch: Launch,
    /// Where the predecessor waits, if there is one.
    pub handover: Option<PathBuf>,
    /// The supervisor's socket (`NOTIFY_SOCKET`).
    pub notify_socket: Option<std::ffi::OsString>,
    /// Whether `ready http://ADDR` goes to standard output.
    pub print_ready: bool,
}

/// Why a process ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What was configured is refused: a weak first password, a key that others can read.
    #[error(transparent)]
    Refused(BoxError),
    /// Anything that may work the next time.
    #[error(transparent)]
    Failed(BoxError),
}

impl From<DataDirError> for RunError {
    fn from(error: DataDirError) -> Self {
        match error {
            DataDirError::Shared(_) => refused(error),
            _ => failed(error),
        }
    }
}

fn failed(error: impl Into<BoxError>) -> RunError {
    RunError::Failed(error.into())
}

fn refused(error: impl Into<BoxError>) -> RunError {
    RunError::Refused(error.into())
}

/// Runs a server until it is told to stop or has handed over.
///
/// # Errors
///
/// When it cannot start, with the thing, the place and the way out.
pub async fn run(start: Start) -> Result<(), RunError> {
    let signals = Signals::install().map_err(failed)?;
    let clock = SystemClock::new();
    let mut inherited = match &start.handover {
        Some(path) => Some(Inherited::connect(path).await.map_err(failed)?),
        None => None,
    };
    match prepare(&start, clock, inherited.as_mut()).await {
        Ok((prepared, listeners)) => prepared.serve(listeners, inherited, signals).await,
        Err(error) => {
            if let Some(inherited) = inherited {
                inherited.refuse(&gabion_errors::error_chain(&error)).await;
            }
            Err(error)
        }
    }
}
