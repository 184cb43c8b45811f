use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use zeroize::Zeroizing;

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
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// It has more than 64 KiB.
    #[error("is larger than {} KiB, too large for a secret", MAX_BYTES >> 10)]
    TooLarge,
    /// It holds something else.
    #[error("is not UTF-8")]
    NotText,
}

impl Secret {
    /// Reads the file at `path`: its text without the last line break.
    ///
    /// # Errors
    ///
    /// When it cannot be read, has more than 64 KiB or is not UTF-8; no message shows any of it.
    pub fn read(path: &Path) -> Result<Self, SecretFileError> {
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(SecretFileError::Io)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(SecretFileError::TooLarge);
        }
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
