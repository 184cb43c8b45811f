use std::borrow::Cow;

use serde::de::{Error, MapAccess};

use super::strict::{Members, Strict, Text, ignore};

/// The members of a JOSE header that decide; all others are ignored, and so are `jku`, `jwk`,
/// `x5u` and `x5c`: a key comes from where it was configured and from nowhere else.
#[derive(Default)]
pub(super) struct Header<'a> {
    pub(super) algorithm: Option<Cow<'a, str>>,
    pub(super) kind: Option<Cow<'a, str>>,
    pub(super) key: Option<Cow<'a, str>>,
}

/// The `typ` of access tokens (RFC 9068 §4).
pub(super) const ACCESS_TOKEN: &str = "at+jwt";

impl<'a> Header<'a> {
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Strict<Self>>(json).map(|strict| strict.0)
    }

    /// Whether `typ` is one of `types`, which may have lost their `application/` (RFC 7515 §4.1.9).
    pub(super) fn is_of(&self, types: &[&str]) -> bool {
        let own = self.kind.as_deref().unwrap_or_default();
        let short = own
            .split_once('/')
            .filter(|(class, _)| class.eq_ignore_ascii_case("application"))
            .map_or(own, |(_, short)| short);
        types.iter().any(|kind| short.eq_ignore_ascii_case(kind))
    }
}

impl<'de> Members<'de> for Header<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let slot = match name {
            "alg" => &mut self.algorithm,
            "typ" => &mut self.kind,
            "kid" => &mut self.key,
            // We implement no extension that could be critical (RFC 7515 §4.1.11).
            "crit" => return Err(A::Error::custom("a critical extension")),
            _ => return ignore(map),
        };
        *slot = Some(map.next_value::<Text<'de>>()?.0);
        Ok(())
    }
}
