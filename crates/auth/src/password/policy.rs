use std::fmt;

use gabion_errors::FieldError;
use zxcvbn::zxcvbn;

use super::{Blocklist, NormalPassword};
use crate::PasswordConfig;

/// Decides whether a new password is good enough (NIST SP 800-63B-4 §3.1.1.2).
///
/// Length, not a list already known to attackers, and not guessable; no rules of composition, and
/// nothing expires. Only for passwords about to be set: one that was set under another policy still
/// logs in.
pub struct PasswordPolicy {
    min_length: usize,
    max_length: usize,
    min_strength: u8,
    blocklist: Blocklist,
}

/// The policy can take no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("auth.password.min_length is above auth.password.max_length")]
pub struct InvalidPolicy;

/// One reason why a password is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyFault {
    /// Fewer characters than this.
    TooShort(usize),
    /// More characters than this.
    TooLong(usize),
    /// More bytes than any password has.
    TooManyBytes,
    /// It is on the list of refused passwords.
    Blocked,
    /// It takes too few guesses.
    Guessable,
}

impl PolicyFault {
    /// The fault of the field at `pointer`.
    pub fn at(self, pointer: impl Into<String>) -> FieldError {
        let code = match self {
            Self::TooShort(_) | Self::TooLong(_) | Self::TooManyBytes => "length",
            Self::Blocked => "blocked",
            Self::Guessable => "guessable",
        };
        FieldError::new(pointer, code, self.to_string())
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(min) => write!(f, "needs at least {min} characters"),
            Self::TooLong(max) => write!(f, "has at most {max} characters"),
            Self::TooManyBytes => write!(f, "has at most {} bytes", NormalPassword::MAX_BYTES),
            Self::Blocked => f.write_str("is on a list of common passwords, choose another"),
            Self::Guessable => f.write_str(
                "is easy to guess; several words that do not belong together are better",
            ),
        }
    }
}

/// As many characters as zxcvbn looks at.
const SCORED: usize = 100;

impl PasswordPolicy {
    /// The policy of `config` with that list.
    ///
    /// # Errors
    ///
    /// When no length could satisfy it.
    pub fn new(config: &PasswordConfig, blocklist: Blocklist) -> Result<Self, InvalidPolicy> {
        let PasswordConfig { min_length, max_length, min_strength, .. } = *config;
        if min_length > max_length {
            return Err(InvalidPolicy);
        }
        Ok(Self { min_length, max_length, min_strength, blocklist })
    }

    /// Judges `password`; `own_words` are what its owner is known by, as the user name.
    ///
    /// Takes up to a second for texts that were made to take long, so it has no place on a thread
    /// that serves others: [`Identity`](crate::Identity) judges on the threads that hash.
    ///
    /// # Errors
    ///
    /// Every reason against it at once.
    pub fn check(
        &self,
        password: &str,
        own_words: &[&str],
    ) -> Result<NormalPassword, Vec<PolicyFault>> {
        let normal = NormalPassword::new(password).map_err(|_| vec![PolicyFault::TooManyBytes])?;
        let length = normal.expose().chars().count();
        let mut faults = Vec::new();
        if length < self.min_length {
            faults.push(PolicyFault::TooShort(self.min_length));
        }
        if length > self.max_length {
            faults.push(PolicyFault::TooLong(self.max_length));
        }
        if self.blocklist.contains(normal.expose()) {
            faults.push(PolicyFault::Blocked);
        }
        if length <= self.max_length && !self.is_strong(normal.expose(), own_words) {
            faults.push(PolicyFault::Guessable);
        }
        if faults.is_empty() { Ok(normal) } else { Err(faults) }
    }

    /// Whether some hundred characters in a row are strong enough. zxcvbn reads no further than
    /// that, and a password is as strong as its strongest part at least.
    fn is_strong(&self, password: &str, own_words: &[&str]) -> bool {
        if self.min_strength == 0 {
            return true;
        }
        let mut rest = password;
        loop {
            let end = rest.char_indices().nth(SCORED).map_or(rest.len(), |(end, _)| end);
            let (part, tail) = rest.split_at(end);
            if u8::from(zxcvbn(part, own_words).score()) >= self.min_strength {
                return true;
            }
            if tail.is_empty() {
                return false;
            }
            rest = tail;
        }
    }
}

#[cfg(test)]
mod tests;
