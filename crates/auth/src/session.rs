use std::{fmt, str::FromStr, time::Duration};

use gabion_clock::UnixTime;

use crate::Username;

/// The name of a session: 128 random bits, shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u128);

impl SessionId {
    /// A new one, from the thread's cryptographic generator.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// From its bits.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Not the name of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session id: 32 lower-case hexadecimal digits")]
pub struct InvalidSessionId;

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let canonical = text.len() == 32 && text.bytes().all(|b| b"0123456789abcdef".contains(&b));
        if !canonical {
            return Err(InvalidSessionId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidSessionId)
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLife {
    /// Without a refresh.
    pub idle: Duration,
    /// In all, however often they are refreshed.
    pub absolute: Duration,
}

impl SessionLife {
    /// When a session that began at `created_at` and is refreshed at `now` expires.
    #[must_use]
    pub fn expires_at(&self, created_at: UnixTime, now: UnixTime) -> UnixTime {
        (now + self.idle).min(created_at + self.absolute)
    }
}

/// A session: what a login begins, refreshes prolong, and a logout ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name; the `sid` of its tokens.
    pub id: SessionId,
    /// Whose it is.
    pub username: Username,
    /// Which refresh token is good: each refresh adds one, so that an older token is seen as reuse.
    pub generation: u32,
    /// When it began.
    pub created_at: UnixTime,
    /// When it was last refreshed.
    pub refreshed_at: UnixTime,
    /// When its present refresh token expires, and with it the session.
    pub expires_at: UnixTime,
    /// The address it began from, for its owner to recognise it by.
    pub address: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_prolongs_a_session_but_never_beyond_its_whole_life() {
        let life = SessionLife { idle: Duration::from_secs(10), absolute: Duration::from_secs(25) };
        let expires = [0, 9, 15, 18, 40].map(|refreshed| {
            life.expires_at(UnixTime::from_secs(100), UnixTime::from_secs(100 + refreshed))
                .as_secs()
        });
        assert_eq!(expires, [110, 119, 125, 125, 125]);
    }
}
