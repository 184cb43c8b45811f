use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gabion_clock::UnixTime;
use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

mod error;
mod file;
mod folder;
mod keys;

pub use self::error::KeyRingError;
use self::{
    folder::Folder,
    keys::{Keys, NoKey, Signer},
};
use crate::token::{
    Algorithm, InvalidKey, KeyId, KeyResolver, SigningKey, SigningKeys, VerifyingKey,
};

/// The keys of a service: those that sign and verify access tokens, and the one of refresh tokens.
///
/// One key signs; others verify until the last token that they signed has expired. Keys come
/// ([`rotate`](Self::rotate)) and go ([`retire`](Self::retire)) while the service runs: an
/// [`Issuer`](crate::Issuer) and a [`Verifier`](crate::Verifier) that share the ring follow at once.
///
/// In its folder the ring is one file, `ring.jwks`, a private JWK set (RFC 7517 §5) that only its
/// owner may read. It is replaced as a whole and reaches the disk before a change is answered: a
/// crash leaves the ring before or the ring after. The private half of a key pair is forgotten when
/// it ceases to sign.
pub struct KeyRing {
    /// Where it is kept, unless it is in memory only.
    folder: Option<PathBuf>,
    /// What new keys sign with.
    algorithm: Algorithm,
    state: RwLock<Arc<State>>,
    /// Counts the times that a key went away.
    epoch: AtomicU64,
    /// One change at a time, from reading the file to knowing what it says.
    changes: Mutex<()>,
    refresh: Zeroizing<[u8; 32]>,
}

/// The keys at one time.
struct State {
    keys: Keys,
    jwks: Arc<str>,
}

impl State {
    fn new(keys: Keys) -> Self {
        Self { jwks: keys.jwks(), keys }
    }
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
    /// Until when it verifies, once another one signs.
    pub verifies_until: Option<UnixTime>,
}

impl KeyRing {
    /// Most keys of a ring.
    pub const MAX_KEYS: usize = 64;

    /// Opens the key ring in `folder`, whose new keys are for `algorithm`.
    ///
    /// What is missing is made: the folder (mode 0700), a signing key and the key of refresh tokens
    /// (mode 0600 each). If the key that signs is for another algorithm, a new one takes its place,
    /// and it goes on verifying for `keep`, the longest life of a token. A folder with a single
    /// `signing.jwk`, the form before there were several keys, is taken over; that key keeps its
    /// name. Processes that open the ring at the same time end up with the same keys.
    ///
    /// # Errors
    ///
    /// When a key file may be read by others than its owner, is malformed, has a weak key, two keys of
    /// one name or too many, or the folder cannot be used. The message names the file and the way out.
    pub fn open(
        folder: &Path,
        algorithm: Algorithm,
        keep: Duration,
        now: UnixTime,
    ) -> Result<Self, KeyRingError> {
        let locked = Folder::lock(folder)?;
        let refresh = locked.refresh_key(now)?;
        let full = |no_key| failed(&no_key, &locked.ring());
        let mut changed = !locked.has_ring();
        let keys = match locked.keys()? {
            Some(mut keys) => {
                changed |= keys.forget_ended(now) > 0;
                if keys.signer.key.algorithm() != algorithm {
                    keys.renew(algorithm, keep, now).map_err(full)?;
                    changed = true;
                }
                keys
            }
            None => Keys::of(Signer::generate(algorithm, Some(now)).map_err(KeyRingError::Key)?),
        };
        if changed {
            locked.write(&keys)?;
        }
        locked.forget_single(&keys)?;
        Ok(Self::new(Some(folder.to_owned()), algorithm, keys, refresh))
    }

    /// The keys in `folder`; changes nothing, and finds none where there is no ring.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn peek(folder: &Path) -> Result<Vec<KeyInfo>, KeyRingError> {
        Ok(Folder::peek(folder)?.map(|keys| keys.list()).unwrap_or_default())
    }

    /// A random key for HS256, in memory only: every token ends with the process. For tests and
    /// trials.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self::ephemeral_with(Algorithm::Hs256)
            .unwrap_or_else(|error| unreachable!("{error}: a secret is random bytes"))
    }

    /// The same for any algorithm.
    ///
    /// # Errors
    ///
    /// When the cryptography library cannot make a key.
    pub fn ephemeral_with(algorithm: Algorithm) -> Result<Self, InvalidKey> {
        let mut refresh = Zeroizing::new([0; 32]);
        rand::fill(&mut refresh[..]);
        let keys = Keys::of(Signer::generate(algorithm, None)?);
        Ok(Self::new(None, algorithm, keys, refresh))
    }

    fn new(
        folder: Option<PathBuf>,
        algorithm: Algorithm,
        keys: Keys,
        refresh: Zeroizing<[u8; 32]>,
    ) -> Self {
        let state = RwLock::new(Arc::new(State::new(keys)));
        let (epoch, changes) = (AtomicU64::new(0), Mutex::new(()));
        Self { folder, algorithm, state, epoch, changes, refresh }
    }

    /// Begins to sign with a new key. The one before verifies for `keep`, the longest life of a token,
    /// from `now` on, and is then forgotten.
    ///
    /// It waits for the disk, and for the making of an RSA key.
    ///
    /// # Errors
    ///
    /// When the ring is full or its folder cannot be used; nothing has changed then.
    pub fn rotate(&self, now: UnixTime, keep: Duration) -> Result<KeyInfo, KeyRingError> {
        self.change(|keys| {
            keys.forget_ended(now);
            keys.renew(self.algorithm, keep, now).map(|()| true)
        })?;
        Ok(self.state().keys.signer_info())
    }

    /// Takes the key of that name away at once: its tokens are refused from now on, also those that
    /// were verified before and are remembered. If it is the one that signs, a new one takes its
    /// place. Returns the key that signs now, or `None` when no key has that name.
    ///
    /// Sessions go on: their refresh tokens have a key of their own.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used; nothing has changed then.
    pub fn retire(&self, kid: &str, now: UnixTime) -> Result<Option<KeyInfo>, KeyRingError> {
        let retired = self.change(|keys| keys.retire(kid, self.algorithm, now))?;
        Ok(retired.then(|| self.state().keys.signer_info()))
    }

    /// Forgets the keys that have verified for long enough at `now`; returns how many. Worth doing
    /// every few minutes: nothing is read or written as long as there is none.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used.
    pub fn prune(&self, now: UnixTime) -> Result<usize, KeyRingError> {
        if !self.state().keys.any_ended(now) {
            return Ok(0);
        }
        let mut forgotten = 0;
        self.change(|keys| {
            forgotten = keys.forget_ended(now);
            Ok(forgotten > 0)
        })?;
        Ok(forgotten)
    }

    /// Takes the keys as they are in the folder, where another process may have changed them.
    ///
    /// # Errors
    ///
    /// When they cannot be read; the ring stays as it was then.
    pub fn reload(&self) -> Result<(), KeyRingError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let _one = self.changes.lock();
        let locked = Folder::lock(folder)?;
        self.install(locked.present_keys()?);
        Ok(())
    }

    /// Changes the keys, in the folder and then here; `change` tells whether it changed anything.
    fn change(
        &self,
        change: impl FnOnce(&mut Keys) -> Result<bool, NoKey>,
    ) -> Result<bool, KeyRingError> {
        let _one = self.changes.lock();
        let Some(folder) = &self.folder else {
            let mut keys = self.state().keys.clone();
            let changed =
                change(&mut keys).map_err(|no_key| failed(&no_key, Path::new("memory")))?;
            self.install(keys);
            return Ok(changed);
        };
        let locked = Folder::lock(folder)?;
        // As they are now: another process may have been here.
        let mut keys = locked.present_keys()?;
        let changed = change(&mut keys).map_err(|no_key| failed(&no_key, &locked.ring()))?;
        if changed {
            locked.write(&keys)?;
        }
        self.install(keys);
        Ok(changed)
    }

    fn install(&self, keys: Keys) {
        let mut state = self.state.write();
        let gone = state.keys.verifying_keys().any(|key| !keys.has(&key));
        *state = Arc::new(State::new(keys));
        // After the keys: whoever reads the new number finds the new keys, so that nothing is
        // remembered under it that a retired key has verified.
        if gone {
            self.epoch.fetch_add(1, Ordering::Release);
        }
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read())
    }

    /// The key that signs new tokens.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        self.state.read().keys.signer.key.clone()
    }

    /// The key of refresh tokens.
    pub(crate) fn refresh_key(&self) -> &[u8; 32] {
        &self.refresh
    }

    /// All keys of access tokens, the one that signs first.
    #[must_use]
    pub fn list(&self) -> Vec<KeyInfo> {
        self.state().keys.list()
    }

    /// The public keys of all keys that verify, as the text of a JWK set (RFC 7517 §5), made once for
    /// each change. A secret key has no public half, so the set is empty with HS256 alone.
    #[must_use]
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.state.read().jwks)
    }
}

/// Every token of ours names its key, so one that names none is not ours.
impl KeyResolver for KeyRing {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        self.state.read().keys.find(kid?)
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }
}

impl SigningKeys for KeyRing {
    fn signing_key(&self) -> SigningKey {
        Self::signing_key(self)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.list()).finish_non_exhaustive()
    }
}

fn failed(no_key: &NoKey, ring: &Path) -> KeyRingError {
    match no_key {
        NoKey::Full => KeyRingError::Full(ring.to_owned()),
        NoKey::Invalid(error) => KeyRingError::Key(*error),
    }
}

#[cfg(test)]
mod tests;
