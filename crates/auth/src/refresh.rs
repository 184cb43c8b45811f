use std::fmt::Write;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{KeyRing, Session, SessionId};

/// Issues and reads refresh tokens: `grt.SESSION.GENERATION.MAC`.
///
/// The MAC lets garbage be refused before any store is asked; which generation is good only the
/// store knows. An access token is never one of these, nor the other way round: their forms have no
/// text in common.
#[derive(Debug)]
pub struct RefreshTokens {
    key: hmac::Key,
}

/// Not a refresh token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token of this service")]
pub struct InvalidRefreshToken;

/// Longest refresh token: prefix, 32 digits, 10 digits, 43 characters of MAC and the dots.
const MAX_LEN: usize = 3 + 1 + 32 + 1 + 10 + 1 + 43;

impl RefreshTokens {
    /// With the key ring's key of refresh tokens.
    #[must_use]
    pub fn new(keys: &KeyRing) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, keys.refresh_key()) }
    }

    /// The token of the session's present generation.
    #[must_use]
    pub fn issue(&self, session: &Session) -> String {
        let mac = hmac::sign(&self.key, &message(session.id, session.generation));
        let mut token = format!("grt.{}.{}.", session.id, session.generation);
        // Writing to a String cannot fail.
        let _ = write!(token, "{}", URL_SAFE_NO_PAD.encode(mac.as_ref()));
        token
    }

    /// Whose token it is and of which generation. The MAC is compared in constant time.
    ///
    /// # Errors
    ///
    /// When we did not issue it in exactly this spelling.
    pub fn read(&self, token: &str) -> Result<(SessionId, u32), InvalidRefreshToken> {
        let (session, generation, mac) = parse(token).ok_or(InvalidRefreshToken)?;
        hmac::verify(&self.key, &message(session, generation), &mac)
            .map_err(|_| InvalidRefreshToken)?;
        Ok((session, generation))
    }
}

fn parse(token: &str) -> Option<(SessionId, u32, Vec<u8>)> {
    if token.len() > MAX_LEN {
        return None;
    }
    let (session, rest) = token.strip_prefix("grt.")?.split_once('.')?;
    let (number, mac) = rest.split_once('.')?;
    let generation: u32 = number.parse().ok()?;
    // `parse` takes `+1` and `01` as well.
    if generation.to_string() != number {
        return None;
    }
    Some((session.parse().ok()?, generation, URL_SAFE_NO_PAD.decode(mac).ok()?))
}

fn message(session: SessionId, generation: u32) -> [u8; 27] {
    let mut message = *b"refresh--------------------";
    message[7..23].copy_from_slice(&session.bits().to_be_bytes());
    message[23..].copy_from_slice(&generation.to_be_bytes());
    message
}

#[cfg(test)]
mod tests {
    use gabion_clock::UnixTime;
    use proptest::prelude::*;

    use super::*;
    use crate::Username;

    fn session(id: u128, generation: u32) -> Session {
        Session {
            id: SessionId::from_bits(id),
            username: Username::parse("ann").unwrap(),
            generation,
            created_at: UnixTime::default(),
            refreshed_at: UnixTime::default(),
            expires_at: UnixTime::default(),
            address: String::new(),
        }
    }

    #[test]
    fn any_other_spelling_is_refused() {
        let tokens = RefreshTokens::new(&KeyRing::ephemeral());
        let token = tokens.issue(&session(7, 1));
        let mac = token.rsplit_once('.').unwrap().1;
        let id = SessionId::from_bits(7);
        for bad in [
            String::new(),
            "grt".into(),
            "grt...".into(),
            token.to_uppercase(),
            format!("{token}="),
            format!("{token}.x"),
            format!(" {token}"),
            format!("grt.{id}.01.{mac}"),
            format!("grt.{id}.+1.{mac}"),
            format!("grt.{id}.2.{mac}"),
            format!("grt.{}.1.{mac}", SessionId::from_bits(8)),
            format!("grt.{id}.1."),
            format!("grt.{id}.1.{}", &mac[1..]),
            format!("grt.{id}.1.{}", "A".repeat(100_000)),
            format!("grt.{id}.99999999999.{mac}"),
        ] {
            assert_eq!(tokens.read(&bad), Err(InvalidRefreshToken), "{bad:.120}");
        }
        assert_eq!(tokens.read(&token), Ok((id, 1)));
    }

    #[test]
    fn the_unused_bits_of_the_mac_must_be_zero() {
        let tokens = RefreshTokens::new(&KeyRing::ephemeral());
        let token = tokens.issue(&session(7, 1));
        let (stem, last) = token.split_at(token.len() - 1);
        let others = ('A'..='Z').chain('a'..='z').chain('0'..='9').map(|c| format!("{stem}{c}"));
        let read = others.filter(|other| tokens.read(other).is_ok()).count();
        assert!(read <= 1, "{last} has {read} spellings");
    }

    #[test]
    fn another_key_ring_refuses_it() {
        let token = RefreshTokens::new(&KeyRing::ephemeral()).issue(&session(7, 1));
        let other = RefreshTokens::new(&KeyRing::ephemeral());
        assert_eq!(other.read(&token), Err(InvalidRefreshToken));
    }

    proptest! {
        #[test]
        fn what_is_issued_reads_back(id: u128, generation: u32) {
            let tokens = RefreshTokens::new(&KeyRing::ephemeral());
            let token = tokens.issue(&session(id, generation));
            prop_assert!(token.len() <= MAX_LEN);
            prop_assert_eq!(tokens.read(&token), Ok((SessionId::from_bits(id), generation)));
        }

        #[test]
        fn no_text_panics(text in ".{0,100}") {
            let tokens = RefreshTokens::new(&KeyRing::ephemeral());
            prop_assert!(tokens.read(&text).is_err());
            let prefixed = format!("grt.{text}");
            prop_assert!(tokens.read(&prefixed).is_err());
        }
    }
}
