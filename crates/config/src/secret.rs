use std::{fmt, io, path::Path};

use zeroize::Zeroizing;

use crate::file::{self, Unread};

/// Text that must not be seen: not in `Debug`, not in `Display`, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<String>);

/// Larger than any key, token or address.
const MAX_BYTES: u64 = 64 << 10;

/// A secret could not be read from its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// The file system refused.
    #[error("cannot be read: {}, accepts a file that this user may read", file::io_reason(.0))]
    Io(io::Error),
    /// It is a folder, a pipe or a device.
    #[error("is {0}, accepts a file that holds the secret")]
    NotAFile(&'static str),
    /// It has more than 64 KiB.
    #[error("is larger than {} KiB, accepts a file that holds the secret alone", MAX_BYTES >> 10)]
    TooLarge,
    /// It holds something else.
    #[error("is not UTF-8, accepts a file that holds the secret as text")]
    NotText,
}

impl Secret {
    /// Reads the file at `path`: its text without the last line break.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is no regular file, has more than 64 KiB or is not UTF-8; no message shows any of it.
    pub fn read(path: &Path) -> Result<Self, SecretFileError> {
        let bytes = file::read(path, MAX_BYTES).map_err(|unread| match unread {
            Unread::Io(error) => SecretFileError::Io(error),
            Unread::NotAFile(kind) => SecretFileError::NotAFile(kind),
            Unread::TooLarge => SecretFileError::TooLarge,
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SecretFileError::NotText)?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        Ok(Self::new(line.strip_suffix('\r').unwrap_or(line)))
    }

    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself; what it is copied into must be guarded as well.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to hide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
