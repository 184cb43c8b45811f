use gabion_errors::redact;
use gabion_limits::RateKeyBytes;

use crate::Exchange;

/// What a limit counts by: one of these, or several [together](By::and).
///
/// A request that lacks one of them, as a request without a caller, is outside the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By(u8);

impl By {
    /// The client's address, an IPv6 one by its network.
    pub const ADDRESS: Self = Self(1);
    /// The account of whoever has shown who it is, by whatever means.
    pub const CALLER: Self = Self(2);
    /// The API key; requests that show another kind of token are outside.
    pub const API_KEY: Self = Self(4);
    /// The route, whoever calls: what all clients share. Requests that match no route share one.
    pub const ROUTE: Self = Self(8);

    const ALL: [Self; 4] = [Self::ADDRESS, Self::CALLER, Self::API_KEY, Self::ROUTE];

    /// Each combination by itself: `By::CALLER.and(By::ROUTE)` gives each caller a quota on each route.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it counts by `other` too.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn is_one(self) -> bool {
        self.0.is_power_of_two()
    }

    /// The key of the request; `None` when it lacks a part.
    pub(super) fn key(self, exchange: &Exchange, ipv6_prefix: u8) -> Option<Key<'_>> {
        if self.is_one() {
            return self.part(exchange, ipv6_prefix);
        }
        let mut parts = Vec::with_capacity(96);
        for kind in Self::ALL.into_iter().filter(|kind| self.has(*kind)) {
            let part = kind.part(exchange, ipv6_prefix)?;
            // With its length, so that no two keys run together. No part is longer than a name.
            let part = &part.as_bytes()[..part.as_bytes().len().min(u8::MAX.into())];
            parts.push(part.len() as u8);
            parts.extend_from_slice(part);
        }
        Some(Key::Parts(parts))
    }

    fn part(self, exchange: &Exchange, ipv6_prefix: u8) -> Option<Key<'_>> {
        match self {
            Self::ADDRESS => Some(Key::Bytes(*exchange.client.rate_key_of(ipv6_prefix).as_bytes())),
            Self::CALLER => {
                let caller = exchange.principal.as_deref()?;
                Some(Key::Text(caller.username.as_str()))
            }
            Self::API_KEY => {
                let caller = exchange.principal.as_deref().filter(|caller| caller.is_api_key())?;
                Some(Key::Bytes(caller.session.bits().to_be_bytes()))
            }
            _ => Some(Key::Text(exchange.contract().name)),
        }
    }

    /// A key as people read it, without what could be a secret.
    pub(super) fn text(self, key: &[u8], ipv6_prefix: u8) -> String {
        if self.is_one() {
            return self.part_text(key, ipv6_prefix);
        }
        let (mut rest, mut texts) = (key, Vec::new());
        for kind in Self::ALL.into_iter().filter(|kind| self.has(*kind)) {
            let Some((length, tail)) = rest.split_first() else { break };
            let (part, tail) = tail.split_at(tail.len().min(usize::from(*length)));
            texts.push(kind.part_text(part, ipv6_prefix));
            rest = tail;
        }
        texts.join(" ")
    }

    fn part_text(self, part: &[u8], ipv6_prefix: u8) -> String {
        match (self, <[u8; 16]>::try_from(part)) {
            (Self::ADDRESS, Ok(bytes)) => RateKeyBytes::from_bytes(bytes).to_text(ipv6_prefix),
            // The key's public name, which lists show too.
            (Self::API_KEY, Ok(bytes)) => format!("{:032x}", u128::from_be_bytes(bytes)),
            _ => redact(&String::from_utf8_lossy(part)).into_owned(),
        }
    }
}

/// Whose quota a request is charged to.
pub(super) enum Key<'e> {
    Bytes([u8; 16]),
    Text(&'e str),
    Parts(Vec<u8>),
}

impl Key<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
            Self::Parts(parts) => parts,
        }
    }
}
