use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A password in NFC, so that it is the same however a keyboard composes its letters
/// (NIST SP 800-63B-4 §3.1.1.2). Nothing else about it is changed, and it is never cut.
#[derive(Clone, PartialEq, Eq)]
pub struct NormalPassword(Zeroizing<String>);

/// A password of more than [`NormalPassword::MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password has at most 1024 bytes")]
pub struct PasswordTooLong;

impl NormalPassword {
    /// Most bytes before normalisation; more are refused before any work.
    pub const MAX_BYTES: usize = 1024;

    /// Normalises what somebody typed; whether it is good enough is the policy's question.
    ///
    /// # Errors
    ///
    /// When it has more than [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn new(typed: &str) -> Result<Self, PasswordTooLong> {
        if typed.len() > Self::MAX_BYTES {
            return Err(PasswordTooLong);
        }
        // NFC makes no text more than three times as long; a growing String would leave copies.
        let mut normal = Zeroizing::new(String::with_capacity(typed.len() * 3));
        normal.extend(typed.nfc());
        Ok(Self(normal))
    }

    /// The text, for hashing and judging.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NormalPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
