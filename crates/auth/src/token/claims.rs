use std::sync::Arc;

use gabion_clock::UnixTime;
use serde::de::{Error, MapAccess};

use super::{
    cache::Expires,
    strict::{Members, Strict, Text, Texts, ignore},
};
use crate::{Roles, SessionId, Username};

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `iss`, who issued it.
    pub issuer: Arc<str>,
    /// The one of `aud` that it was accepted for.
    pub audience: Arc<str>,
    /// `sub`, whose it is.
    pub subject: Username,
    /// `sid`, the session that it belongs to.
    pub session: SessionId,
    /// `jti`, its own name.
    pub id: u128,
    /// `iat`, in whole seconds.
    pub issued_at: UnixTime,
    /// `nbf`, in whole seconds.
    pub not_before: UnixTime,
    /// `exp`, in whole seconds, or the end of the longest life its verifier allows if that is
    /// sooner.
    pub expires_at: UnixTime,
    /// What the subject might do when the token was issued.
    pub roles: Roles,
}

impl Expires for Claims {
    fn not_before(&self) -> UnixTime {
        self.not_before.max(self.issued_at)
    }

    fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

/// The claims as written; each is present or missing, and of its type.
#[derive(Default)]
pub(super) struct RawClaims<'a> {
    pub(super) iss: Option<Text<'a>>,
    pub(super) aud: Option<Texts<'a>>,
    pub(super) sub: Option<Text<'a>>,
    pub(super) sid: Option<Text<'a>>,
    pub(super) jti: Option<Text<'a>>,
    pub(super) iat: Option<u64>,
    pub(super) nbf: Option<u64>,
    pub(super) exp: Option<u64>,
    pub(super) roles: Option<Vec<Text<'a>>>,
}

impl<'a> RawClaims<'a> {
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Strict<Self>>(json).map(|strict| strict.0)
    }
}

/// Largest number that every JSON implementation holds exactly (RFC 7493 §2.2).
const MAX_NUMBER: u64 = 1 << 53;

pub(super) fn seconds<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<u64>, A::Error> {
    let number: u64 = map.next_value()?;
    if number > MAX_NUMBER {
        return Err(A::Error::custom("a time beyond 2^53"));
    }
    Ok(Some(number))
}

impl<'de> Members<'de> for RawClaims<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "iss" => self.iss = Some(map.next_value()?),
            "aud" => self.aud = Some(map.next_value()?),
            "sub" => self.sub = Some(map.next_value()?),
            "sid" => self.sid = Some(map.next_value()?),
            "jti" => self.jti = Some(map.next_value()?),
            "iat" => self.iat = seconds(map)?,
            "nbf" => self.nbf = seconds(map)?,
            "exp" => self.exp = seconds(map)?,
            "roles" => self.roles = Some(map.next_value()?),
            _ => ignore(map)?,
        }
        Ok(())
    }
}
