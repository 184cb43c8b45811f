use std::{collections::HashMap, fmt, sync::Arc};

use gabion_auth::{InvalidJwk, VerifyingKey};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::Value;

/// Most entries of a set, usable or not.
const MAX_KEYS: usize = 64;

/// Longest name of a key, in bytes.
const MAX_KID: usize = 256;

const STAND_IN: &str = "outside";

/// A document that is not used as a key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeySet {
    /// It is no JSON object with a list of at most 64 `keys` (RFC 7517 §5).
    #[error(
        "its answer is no key set: an object with a list `keys` of at most 64 entries is expected"
    )]
    Document,
    /// No entry can be used.
    #[error(
        "its key set has no key that can be used: needed is one with a kid, for signatures with EdDSA, ES256 or RS256"
    )]
    NoUsableKey,
}

/// Keys by their names.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<Box<str>, Arc<VerifyingKey>>);

#[derive(Deserialize)]
struct Document {
    keys: Entries,
}

struct Entries(Vec<Value>);

impl Keys {
    pub(super) fn parse(document: &[u8]) -> Result<Self, InvalidKeySet> {
        let document: Document =
            serde_json::from_slice(document).map_err(|_| InvalidKeySet::Document)?;
        let mut keys = HashMap::new();
        for (index, entry) in document.keys.0.iter().enumerate() {
            match usable(entry) {
                Ok((kid, key)) => drop(keys.entry(kid.into()).or_insert_with(|| Arc::new(key))),
                Err(error) => {
                    tracing::debug!(index, %error, "an entry of a key set is passed over");
                }
            }
        }
        if keys.is_empty() { Err(InvalidKeySet::NoUsableKey) } else { Ok(Self(keys)) }
    }

    pub(super) fn get(&self, kid: &str) -> Option<&Arc<VerifyingKey>> {
        self.0.get(kid)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether each key of `self` is in `later`, unchanged.
    pub(super) fn lives_on_in(&self, later: &Self) -> bool {
        self.0
            .iter()
            .all(|(kid, key)| later.0.get(kid).is_some_and(|other| other.to_jwk() == key.to_jwk()))
    }
}

/// The name of a key as the issuer writes it, and the key.
///
/// Any text may be a name (RFC 7517 §4.5), and some issuers use signs that our own key ids do not
/// have. Then the key has a stand-in for its id, and is found by what the issuer wrote all the same.
fn usable(entry: &Value) -> Result<(&str, VerifyingKey), InvalidJwk> {
    let kid = entry.get("kid").and_then(Value::as_str);
    let kid = kid.filter(|kid| (1..=MAX_KID).contains(&kid.len()));
    let kid = kid.ok_or(InvalidJwk::Member("kid"))?;
    let key = match VerifyingKey::from_jwk(entry) {
        Err(InvalidJwk::KeyId(_)) => {
            let mut renamed = entry.clone();
            renamed["kid"] = STAND_IN.into();
            VerifyingKey::from_jwk(&renamed)?
        }
        other => other?,
    };
    Ok((kid, key))
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Entries, A::Error> {
        let mut kept = Vec::new();
        while let Some(entry) = entries.next_element()? {
            if kept.len() == MAX_KEYS {
                return Err(A::Error::custom("too many keys"));
            }
            kept.push(entry);
        }
        Ok(Entries(kept))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_document_is_decided(document: Vec<u8>, text in "[\\[\\]{}\",:a-z0-9 ]{0,60}") {
            let _ = Keys::parse(&document);
            let _ = Keys::parse(format!("{{\"keys\":[{text}]}}").as_bytes());
        }

        #[test]
        fn any_entry_is_decided(
            kty in "OKP|EC|RSA|oct|",
            members in prop::collection::vec(("kid|crv|x|y|n|e|alg|use|key_ops|d", "[A-Za-z0-9_-]{0,50}|Ed25519|P-256|sig"), 0..8),
        ) {
            let mut entry = serde_json::Map::from_iter([("kty".to_owned(), Value::from(kty))]);
            entry.extend(members.into_iter().map(|(name, value)| (name, value.into())));
            if let Ok(keys) = Keys::parse(serde_json::json!({ "keys": [entry.clone()] }).to_string().as_bytes()) {
                prop_assert!(keys.get(entry["kid"].as_str().unwrap()).is_some());
            }
        }
    }
}
