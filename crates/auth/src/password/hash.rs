use std::{io, time::Duration};

use gabion_errors::{Problem, ToProblem, types};

/// What a password and a stored hash have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the hash is the password's.
    pub matches: bool,
    /// Whether the hash should be made anew: the password is right, and cost or pepper are not
    /// today's.
    pub rehash: bool,
}

/// A password could not be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// The queue is full.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The stored hash is malformed, or asks for more work than any of ours.
    #[error("the stored password hash cannot be used")]
    Stored,
    /// The stored hash was made with a pepper that is not there.
    #[error(
        "a stored password hash was made with a pepper that auth.password.pepper_file does not hold"
    )]
    Pepper,
    /// The operator's list of refused passwords could not be read, so no password can be set.
    #[error("the password blocklist cannot be read: {0}")]
    Blocklist(io::ErrorKind),
    /// The hash could not be computed.
    #[error("the password hash failed")]
    Failed,
}

impl From<argon2::Error> for HashError {
    /// Passwords are bounded and memory is at hand, so only stored parameters are left to blame.
    fn from(_: argon2::Error) -> Self {
        Self::Stored
    }
}

impl ToProblem for HashError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Busy => Problem::new(&types::OVERLOADED).retry_after(Duration::from_secs(1)),
            Self::Stored | Self::Pepper | Self::Blocklist(_) | Self::Failed => {
                Problem::new(&types::INTERNAL)
            }
        }
    }
}
