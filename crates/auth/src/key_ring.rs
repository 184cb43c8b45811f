use std::{fmt, path::Path, sync::Arc};

use gabion_clock::{Clock, SystemClock, UnixTime};
use serde_json::{Value, json};
use zeroize::Zeroizing;

mod file;

pub use self::file::KeyRingError;
use self::file::{Folder, KeyFile};
use crate::token::{Algorithm, KeyId, KeyResolver, SigningKey, VerifyingKey};

/// The keys of a service: those that sign and verify access tokens, and the one of refresh tokens.
///
/// They live as JSON Web Keys (RFC 7517), one file each, in a folder that only the service's own
/// user may look into.
pub struct KeyRing {
    signing: SigningKey,
    created_at: Option<UnixTime>,
    refresh: Zeroizing<[u8; 32]>,
}

/// What may be told of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its name.
    pub kid: KeyId,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// When it was made, where that is known.
    pub created_at: Option<UnixTime>,
    /// Whether new tokens are signed with it; otherwise it only verifies.
    pub signs: bool,
}

const SIGNING_FILE: &str = "signing.jwk";
const REFRESH_FILE: &str = "refresh.jwk";

impl KeyRing {
    /// Opens the key ring in `folder`; what is missing is made: the folder (mode 0700), an HS256 key
    /// of 256 bits and the key of refresh tokens (mode 0600 each). Processes that open it at the
    /// same time end up with the same keys.
    ///
    /// # Errors
    ///
    /// When a key file may be read by others than its owner, is malformed or too short, or the
    /// folder cannot be used. The message names the file and the way out.
    pub fn open(folder: &Path) -> Result<Self, KeyRingError> {
        let folder = Folder::open(folder)?;
        let now = SystemClock::new().unix();
        let signing = folder.key(SIGNING_FILE, now)?;
        let refresh = folder.key(REFRESH_FILE, now)?;
        let mut ring = Self::from_files(&signing, &refresh).map_err(|weak| folder.weak(weak))?;
        ring.created_at = signing.created_at;
        Ok(ring)
    }

    /// Random keys in memory only: every token ends with the process. For tests and trials.
    #[must_use]
    pub fn ephemeral() -> Self {
        let (signing, refresh) = (KeyFile::random(None), KeyFile::random(None));
        Self::from_files(&signing, &refresh)
            .unwrap_or_else(|file| unreachable!("{file}: random keys have 32 bytes"))
    }

    /// The keys, or the name of the file whose secret is too short.
    fn from_files(signing: &KeyFile, refresh: &KeyFile) -> Result<Self, &'static str> {
        let secret: &[u8] = &signing.secret;
        let key = match &signing.id {
            Some(id) => SigningKey::hs256_named(id.clone(), secret),
            None => SigningKey::hs256(secret),
        };
        let mut ring = Self {
            signing: key.map_err(|_| SIGNING_FILE)?,
            created_at: None,
            refresh: Zeroizing::default(),
        };
        if refresh.secret.len() != ring.refresh.len() {
            return Err(REFRESH_FILE);
        }
        ring.refresh.copy_from_slice(&refresh.secret);
        Ok(ring)
    }

    /// The key that signs new tokens.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        self.signing.clone()
    }

    /// The key of refresh tokens.
    pub(crate) fn refresh_key(&self) -> &[u8; 32] {
        &self.refresh
    }

    /// All keys of access tokens.
    #[must_use]
    pub fn list(&self) -> Vec<KeyInfo> {
        vec![KeyInfo {
            kid: self.signing.id().clone(),
            algorithm: self.signing.algorithm(),
            created_at: self.created_at,
            signs: true,
        }]
    }

    /// The public keys as a JWK set (RFC 7517 §5); a secret key has no public half, so the set is
    /// empty with HS256.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": [] })
    }
}

/// Every token of ours names its key, so one that names none is not ours.
impl KeyResolver for KeyRing {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        (kid? == self.signing.id().as_str()).then(|| self.signing.verifying_key())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("signing", &self.signing).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
