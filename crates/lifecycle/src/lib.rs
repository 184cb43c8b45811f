//! Listeners, readiness, drain and a hand-over restart that serves every connection.
//!
//! A restart should not be seen from outside. Most services lose connections at both ends of their
//! life: they listen before they are ready, or stop with requests half answered, or close the
//! listening socket with connections still waiting in its queue. Here the order is fixed: a
//! [`Readiness`] that moves one way only, a [`Drain`] that counts what is open, an [`Acceptor`] that
//! outlives a lack of file descriptors, [`Signals`] that are caught before anything slow begins.
//!
//! For a restart the new process gets the same listening sockets ([`Handover`], [`Inherited`]). It
//! is ready before the old one stops accepting, and if it fails before that it is undone and the old
//! one goes on. This is not `SO_REUSEPORT`: two sockets on one port have two queues, and what waits
//! in the queue of the one that closes is reset. It is not a supervisor either: nothing here starts
//! a process that crashed.
//!
//! Serve until told to stop, then let open connections end:
//!
//! ```
//! use gabion_lifecycle::{Acceptor, Drain, LifecycleConfig, Outcome, Readiness, State, bind};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = LifecycleConfig::default();
//! let readiness = Readiness::new();
//! let drain = Drain::new(readiness.clone());
//! let acceptor = Acceptor::new(bind("127.0.0.1:0".parse()?)?)?;
//! readiness.advance(State::Ready);
//!
//! let client = tokio::net::TcpStream::connect(acceptor.local_addr()?).await?;
//! let (stream, _peer) = acceptor.accept().await;
//! let busy = drain.busy();
//!
//! drain.begin_with_notice(config.notice());
//! assert!(readiness.is_draining());
//! drop((stream, client, busy)); // the connection ends
//! assert_eq!(drain.finished(config.drain).await, Outcome::Clean);
//! # Ok(())
//! # }
//! ```
//!
//! A hand-over with a limit of its own; the program here never connects, so it is undone:
//!
//! ```
//! use gabion_lifecycle::{Failure, Handover, HandoverError, bind};
//! use std::{os::fd::AsFd, process::Command, time::Duration};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let data_dir = folder.path();
//! let listener = bind("127.0.0.1:0".parse()?)?;
//! let handover = Handover::new(data_dir.join("handover.sock"));
//! let mut command = Command::new("sleep");
//! command.arg("60");
//!
//! let limit = Duration::from_millis(50);
//! let error = handover.start(command, &[("main", listener.as_fd())], limit).await.unwrap_err();
//! assert!(matches!(error, HandoverError::Undone { reason: Failure::TimedOut(_), .. }));
//! # Ok(())
//! # }
//! ```

mod activation;
mod config;
mod drain;
mod handover;
mod listener;
pub mod metrics;
mod notify;
mod signals;
mod state;

pub use self::{
    activation::{ActivationError, activated},
    config::LifecycleConfig,
    drain::{Busy, Drain, Outcome},
    handover::{
        Attempt, ENVIRONMENT, Failure, Handover, HandoverError, InheritError, Inherited,
        READY_WITHIN, Successor,
    },
    listener::{Acceptor, BACKLOG, BindError, bind},
    notify::Notifier,
    signals::{Signal, Signals},
    state::{Readiness, State},
};
