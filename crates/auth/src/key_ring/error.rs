use std::{borrow::Cow, io, path::PathBuf};

use crate::token::InvalidKey;

/// The key ring cannot be opened or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// Others may read a key.
    #[error("the key file {file} may be read by others, run: chmod 600 {file}", file = .0.display())]
    Permissions(PathBuf),
    /// A key file is not what it must be.
    #[error(
        "the key file {} {problem}; put back a good copy, or move it away to begin with a new key, \
         which ends {ends}", .file.display()
    )]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: Cow<'static, str>,
        /// What ends with the key.
        ends: &'static str,
    },
    /// There is no room for another key.
    #[error(
        "the key ring {} is full with {} keys; retire some, or wait until their last tokens have expired",
        .0.display(), crate::KeyRing::MAX_KEYS
    )]
    Full(PathBuf),
    /// A new key could not be made.
    #[error(transparent)]
    Key(InvalidKey),
    /// A file or folder cannot be used.
    #[error("cannot use {}", .file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}
