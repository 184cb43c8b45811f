//! The configuration while the server runs: read, replaced, remembered, and taken back.

mod candidate;
mod checks;
mod error;
mod holds;
mod keeper;
mod sources;

use gabion_config::{Changes, Trial};

pub use self::{
    candidate::Candidate,
    error::{ConfigError, findings_problem},
    holds::{InEffect, in_effect},
    keeper::ConfigKeeper,
    sources::Sources,
};

/// A configuration that was taken.
#[derive(Debug)]
pub struct Accepted {
    /// Its version in the history.
    pub version: u64,
    /// What is different now.
    pub changed: Changes,
    /// Until when it must be confirmed, and what comes back otherwise.
    pub trial: Option<Trial>,
}
