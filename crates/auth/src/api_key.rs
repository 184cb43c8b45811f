use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use foldhash::quality::RandomState;
use gabion_clock::UnixTime;
use parking_lot::RwLock;
use zeroize::Zeroizing;

use crate::{Principal, Roles, SessionId, Username, Via};

/// The name of an API key: 128 random bits, shown as 32 hexadecimal digits. It is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyId(SessionId);

/// Not the name of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an API key: 32 lower-case hexadecimal digits")]
pub struct InvalidApiKeyId;

impl ApiKeyId {
    /// A new one, from the thread's cryptographic generator.
    #[must_use]
    pub fn random() -> Self {
        Self(SessionId::random())
    }

    /// The name that requests with this key have where others have that of their session.
    #[must_use]
    pub const fn as_session(self) -> SessionId {
        self.0
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ApiKeyId {
    type Err = InvalidApiKeyId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| InvalidApiKeyId)
    }
}

/// A key with which a machine calls in the name of an account, as its store keeps it.
///
/// It never does more than the account may at that moment, and of that only what its scopes name.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name; part of what the machine sends.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// In whose name it calls.
    pub username: Username,
    /// What it may be used for.
    pub scopes: Roles,
    /// SHA-256 of its secret. The secret has 256 random bits, so nothing slower is needed.
    pub secret_hash: [u8; 32],
    /// When it was made.
    pub created_at: UnixTime,
    /// When it ends by itself.
    pub expires_at: UnixTime,
    /// When it was last used, to the minutes that its owner takes to write it down.
    pub last_used_at: Option<UnixTime>,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("username", &self.username)
            .field("scopes", &self.scopes)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What every API key begins with, so that a scanner of leaked secrets knows it; an access token never
/// does.
pub const PREFIX: &str = "gabion_";

/// Bytes of a secret.
const SECRET: usize = 32;
/// The length of a key: prefix, 32 digits, `_`, 32 bytes in base64url.
const LENGTH: usize = PREFIX.len() + 32 + 1 + 43;

/// Makes the secret of a key: what the machine sends, and its hash.
pub(crate) fn new_secret(id: ApiKeyId) -> (Zeroizing<String>, [u8; 32]) {
    let mut secret = Zeroizing::new([0; SECRET]);
    rand::fill(&mut secret[..]);
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(&secret[..]));
    (Zeroizing::new(format!("{PREFIX}{id}_{}", *encoded)), hash(&secret[..]))
}

/// What somebody presents as an API key.
#[derive(PartialEq, Eq)]
pub(crate) struct Presented {
    pub(crate) id: ApiKeyId,
    hash: [u8; 32],
}

impl Presented {
    /// Reads the one spelling of a key; anything else is none of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let mut bytes = Zeroizing::new([0; SECRET]);
        let read = URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes[..]).ok()?;
        (read == SECRET).then_some(())?;
        Some(Self { id: id.parse().ok()?, hash: hash(&bytes[..]) })
    }

    /// Whether it is `key`, compared in constant time, and good at `now`.
    pub(crate) fn proves(&self, key: &ApiKey, now: UnixTime) -> bool {
        let same = verify_slices_are_equal(&self.hash, &key.secret_hash).is_ok();
        same && self.id == key.id && now < key.expires_at
    }
}

fn hash(secret: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
    hash
}

impl From<&ApiKey> for Principal {
    /// Without the roles of its account, which whoever looks that up fills in.
    fn from(key: &ApiKey) -> Self {
        Self {
            username: key.username.clone(),
            session: key.id.as_session(),
            roles: Roles::default(),
            via: Via::ApiKey { scopes: key.scopes.clone() },
            issued_at: key.created_at,
            not_before: key.created_at,
            expires_at: key.expires_at,
        }
    }
}

/// Every API key that may be used, in memory: what a request asks costs one look-up.
///
/// Bounded by [`MOST`](Self::MOST). Filled and changed by an [`Identity`](crate::Identity).
#[derive(Default)]
pub(crate) struct ApiKeys {
    keys: RwLock<HashMap<SessionId, Arc<Known>, RandomState>>,
}

struct Known {
    key: ApiKey,
    /// Milliseconds since the epoch; 0: never.
    last_used: AtomicU64,
    /// As much of it as the store has.
    stored: AtomicU64,
}

impl Known {
    fn new(key: ApiKey) -> Arc<Self> {
        let last_used = key.last_used_at.map_or(0, UnixTime::as_millis);
        Arc::new(Self { key, last_used: last_used.into(), stored: last_used.into() })
    }
}

/// Uses within this time of each other are one; else every request would write to memory that all
/// threads read.
const SAME_USE: u64 = 1000;

impl ApiKeys {
    /// Most keys of a service.
    pub(crate) const MOST: usize = 10_000;

    /// Takes these in place of all others; what is known of their use and not written yet stays.
    pub(crate) fn replace(&self, keys: Vec<ApiKey>) {
        let mut known = self.keys.write();
        let fresh = keys.into_iter().map(|key| {
            let id = key.id.as_session();
            let fresh = Known::new(key);
            if let Some(old) = known.get(&id) {
                fresh.last_used.fetch_max(old.last_used.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            (id, fresh)
        });
        *known = fresh.collect();
    }

    pub(crate) fn add(&self, key: ApiKey) {
        self.keys.write().insert(key.id.as_session(), Known::new(key));
    }

    pub(crate) fn remove(&self, id: ApiKeyId) {
        self.keys.write().remove(&id.as_session());
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.read().len()
    }

    /// The key that `presented` proves at `now`.
    pub(crate) fn find(&self, presented: &Presented, now: UnixTime) -> Option<ApiKey> {
        let keys = self.keys.read();
        let known = keys.get(&presented.id.as_session())?;
        presented.proves(&known.key, now).then(|| known.key.clone())
    }

    /// Whether the key of that name is still good; if so it was used at `now`.
    pub(crate) fn used(&self, id: SessionId, now: UnixTime) -> bool {
        let keys = self.keys.read();
        let Some(known) = keys.get(&id).filter(|known| now < known.key.expires_at) else {
            return false;
        };
        let now = now.as_millis();
        if now >= known.last_used.load(Ordering::Relaxed).saturating_add(SAME_USE) {
            known.last_used.store(now, Ordering::Relaxed);
        }
        true
    }

    /// All of them with their last use, oldest first.
    pub(crate) fn list(&self) -> Vec<ApiKey> {
        let keys = self.keys.read();
        let told = |known: &Arc<Known>| {
            let last_used = known.last_used.load(Ordering::Relaxed);
            let last_used_at = (last_used > 0).then(|| UnixTime::from_millis(last_used));
            ApiKey { last_used_at, ..known.key.clone() }
        };
        let mut list: Vec<ApiKey> = keys.values().map(told).collect();
        list.sort_by_key(|key| (key.created_at, key.id));
        list
    }

    /// The uses that the store does not have yet; forgotten here by [`written`](Self::written).
    pub(crate) fn unwritten(&self) -> Vec<(ApiKeyId, UnixTime)> {
        let keys = self.keys.read();
        let changed = keys.values().filter_map(|known| {
            let last_used = known.last_used.load(Ordering::Relaxed);
            let new = last_used > known.stored.load(Ordering::Relaxed);
            new.then(|| (known.key.id, UnixTime::from_millis(last_used)))
        });
        changed.collect()
    }

    /// The store has these uses.
    pub(crate) fn written(&self, uses: &[(ApiKeyId, UnixTime)]) {
        let keys = self.keys.read();
        for (id, at) in uses {
            if let Some(known) = keys.get(&id.as_session()) {
                known.stored.fetch_max(at.as_millis(), Ordering::Relaxed);
            }
        }
    }

    /// Forgets those that have expired.
    pub(crate) fn prune(&self, now: UnixTime) {
        self.keys.write().retain(|_, known| now < known.key.expires_at);
    }
}

#[cfg(test)]
mod tests;
