use std::{mem, sync::Arc, time::Duration};

use gabion_clock::UnixTime;
use serde_json::{Value, json};

use super::{KeyInfo, KeyRing};
use crate::token::{Algorithm, InvalidKey, KeyId, SigningKey, VerifyingKey};

/// The keys of a ring: one signs, the others were superseded and verify for a while.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) signer: Signer,
    /// In the order of their making.
    pub(super) older: Vec<Older>,
}

#[derive(Clone)]
pub(super) struct Signer {
    pub(super) key: SigningKey,
    pub(super) created_at: Option<UnixTime>,
}

#[derive(Clone)]
pub(super) struct Older {
    pub(super) half: Half,
    pub(super) created_at: Option<UnixTime>,
    /// When it ceases to verify.
    pub(super) until: UnixTime,
}

/// As much of a key as it takes to verify.
#[derive(Clone)]
pub(super) enum Half {
    /// A secret is whole or nothing.
    Secret(SigningKey),
    Public(Arc<VerifyingKey>),
}

/// Why there is no new key.
pub(super) enum NoKey {
    Full,
    Invalid(InvalidKey),
}

impl Signer {
    pub(super) fn generate(
        algorithm: Algorithm,
        created_at: Option<UnixTime>,
    ) -> Result<Self, InvalidKey> {
        // A file holds whole seconds.
        let created_at = created_at.map(|at| UnixTime::from_secs(at.as_secs()));
        loop {
            let key = SigningKey::generate(algorithm)?;
            // One in 64 thumbprints looks like an option on a command line.
            if !key.id().as_str().starts_with('-') {
                return Ok(Self { key, created_at });
            }
        }
    }

    /// Forgets the private half of a key pair.
    fn supersede(self, until: UnixTime) -> Older {
        let half = match self.key.algorithm() {
            Algorithm::Hs256 => Half::Secret(self.key),
            _ => Half::Public(self.key.verifying_key()),
        };
        // To the end of the second: a file holds whole ones.
        let until = UnixTime::from_millis(until.as_millis().div_ceil(1000).saturating_mul(1000));
        Older { half, created_at: self.created_at, until }
    }
}

impl Older {
    pub(super) fn verifying_key(&self) -> Arc<VerifyingKey> {
        match &self.half {
            Half::Secret(key) => key.verifying_key(),
            Half::Public(key) => Arc::clone(key),
        }
    }

    fn id(&self) -> &KeyId {
        match &self.half {
            Half::Secret(key) => key.id(),
            Half::Public(key) => key.id(),
        }
    }
}

impl Keys {
    pub(super) fn of(signer: Signer) -> Self {
        Self { signer, older: Vec::new() }
    }

    /// A new key signs; the one before verifies for `keep` from `now` on.
    pub(super) fn renew(
        &mut self,
        algorithm: Algorithm,
        keep: Duration,
        now: UnixTime,
    ) -> Result<(), NoKey> {
        if self.older.len() + 1 >= KeyRing::MAX_KEYS {
            return Err(NoKey::Full);
        }
        let next = Signer::generate(algorithm, Some(now)).map_err(NoKey::Invalid)?;
        let before = mem::replace(&mut self.signer, next);
        self.older.push(before.supersede(now + keep));
        Ok(())
    }

    /// Takes the key of that name away, with a new one in its place if it signs; `false` when there is
    /// none.
    pub(super) fn retire(
        &mut self,
        kid: &str,
        algorithm: Algorithm,
        now: UnixTime,
    ) -> Result<bool, NoKey> {
        if self.signer.key.id().as_str() == kid {
            self.signer = Signer::generate(algorithm, Some(now)).map_err(NoKey::Invalid)?;
            return Ok(true);
        }
        let before = self.older.len();
        self.older.retain(|key| key.id().as_str() != kid);
        Ok(self.older.len() < before)
    }

    /// Forgets what verifies no more; returns how many.
    pub(super) fn forget_ended(&mut self, now: UnixTime) -> usize {
        let before = self.older.len();
        self.older.retain(|key| now < key.until);
        before - self.older.len()
    }

    pub(super) fn any_ended(&self, now: UnixTime) -> bool {
        self.older.iter().any(|key| key.until <= now)
    }

    /// A handful of keys: nothing is faster than to look at each. Names are no secrets.
    pub(super) fn find(&self, kid: &str) -> Option<Arc<VerifyingKey>> {
        if self.signer.key.id().as_str() == kid {
            return Some(self.signer.key.verifying_key());
        }
        Some(self.older.iter().find(|key| key.id().as_str() == kid)?.verifying_key())
    }

    /// From the newest to the oldest.
    pub(super) fn verifying_keys(&self) -> impl Iterator<Item = Arc<VerifyingKey>> {
        let older = self.older.iter().rev().map(Older::verifying_key);
        [self.signer.key.verifying_key()].into_iter().chain(older)
    }

    /// Whether it takes what `key` takes.
    pub(super) fn has(&self, key: &VerifyingKey) -> bool {
        self.find(key.id().as_str()).is_some_and(|own| own.is(key))
    }

    pub(super) fn signer_info(&self) -> KeyInfo {
        let Signer { key, created_at } = &self.signer;
        KeyInfo {
            kid: key.id().clone(),
            algorithm: key.algorithm(),
            created_at: *created_at,
            signs: true,
            verifies_until: None,
        }
    }

    /// The one that signs first, then from the newest to the oldest.
    pub(super) fn list(&self) -> Vec<KeyInfo> {
        let older = self.older.iter().rev().map(|older| KeyInfo {
            kid: older.id().clone(),
            algorithm: older.verifying_key().algorithm(),
            created_at: older.created_at,
            signs: false,
            verifies_until: Some(older.until),
        });
        [self.signer_info()].into_iter().chain(older).collect()
    }

    pub(super) fn jwks(&self) -> Arc<str> {
        let public: Vec<Value> = self.verifying_keys().filter_map(|key| key.to_jwk()).collect();
        json!({ "keys": public }).to_string().into()
    }
}
