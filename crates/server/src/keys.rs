//! The signing keys: how they are opened, and what administrators do to them.

use std::{sync::Arc, time::Duration};

use gabion_auth::{Algorithm, AuthConfig, KeyId, KeyInfo, KeyRing, KeyRingError};
use gabion_clock::{Clock, UnixTime};
use gabion_errors::{Problem, Rejection, types};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::App, audit::Actor, data_dir::DataDir};

/// Its name in the audit trail.
pub(crate) const ROTATE: &str = "key.rotate";
/// The same of the other act.
pub(crate) const RETIRE: &str = "key.retire";

/// A signing key, as far as it may be told.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyItem {
    kid: String,
    /// HS256, EdDSA, ES256 or RS256.
    algorithm: &'static str,
    #[schema(format = "date-time", required = true)]
    created_at: Option<String>,
    /// Whether new tokens are signed with it.
    signs: bool,
    /// When it is forgotten, once another one signs.
    #[schema(format = "date-time", required = true)]
    verifies_until: Option<String>,
}

impl From<&KeyInfo> for KeyItem {
    fn from(key: &KeyInfo) -> Self {
        Self {
            kid: key.kid.to_string(),
            algorithm: key.algorithm.as_str(),
            created_at: key.created_at.map(|at| at.to_string()),
            signs: key.signs,
            verifies_until: key.verifies_until.map(|at| at.to_string()),
        }
    }
}

/// Opens the key ring of `data_dir`, and makes it where there is none.
///
/// # Errors
///
/// See [`KeyRing::open`].
pub(crate) fn open(
    data_dir: &DataDir,
    auth: &AuthConfig,
    now: UnixTime,
) -> Result<KeyRing, KeyRingError> {
    KeyRing::open(&data_dir.keys(), algorithm(auth), longest_life(auth), now)
}

fn algorithm(auth: &AuthConfig) -> Algorithm {
    // The settings take the names of algorithms and no others.
    auth.algorithm.parse().unwrap_or(Algorithm::Hs256)
}

/// How long the last token that a key has signed may be taken: to the whole second above, since times
/// in tokens are of whole seconds.
fn longest_life(auth: &AuthConfig) -> Duration {
    auth.access_ttl + Duration::from_secs(1) + auth.leeway
}

impl App {
    /// Begins to sign with a new key.
    ///
    /// # Errors
    ///
    /// 409 while two processes share the keys, or when the ring is full.
    pub(crate) async fn rotate_keys(&self, actor: &Actor) -> Result<KeyInfo, Rejection> {
        let keep = self.identity.token_life();
        let rotated = self.change_keys(move |keys, now| keys.rotate(now, keep)).await;
        let made = rotated.as_ref().ok().map(|key| key.kid.clone());
        self.note_key(ROTATE, actor, made, rotated)
    }

    /// Takes a key away at once; returns the one that signs now.
    ///
    /// # Errors
    ///
    /// 404 when there is none of that name, 409 while two processes share the keys.
    pub(crate) async fn retire_key(&self, kid: &str, actor: &Actor) -> Result<KeyInfo, Rejection> {
        let name = KeyId::parse(kid).ok();
        let retired = match name.clone() {
            Some(name) => self.change_keys(move |keys, now| keys.retire(name.as_str(), now)).await,
            None => Ok(None),
        };
        let unknown = || Problem::new(&types::NOT_FOUND).detail("there is no such key").into();
        let retired = retired.and_then(|signs| signs.ok_or_else(unknown));
        self.note_key(RETIRE, actor, name, retired)
    }

    /// Forgets keys whose last tokens have expired.
    ///
    /// # Errors
    ///
    /// When their folder cannot be used.
    pub(crate) async fn prune_keys(&self) -> Result<usize, Rejection> {
        let (keys, now) = (Arc::clone(&self.keys), self.clock.unix());
        let pruned = tokio::task::spawn_blocking(move || keys.prune(now)).await;
        pruned.map_err(Rejection::internal)?.map_err(rejected)
    }

    /// Runs `change` beside the requests, since it waits for the disk and for large numbers, and to
    /// its end, also when whoever asked is gone.
    async fn change_keys<T: Send + 'static>(
        &self,
        change: impl FnOnce(&KeyRing, UnixTime) -> Result<T, KeyRingError> + Send + 'static,
    ) -> Result<T, Rejection> {
        let (keys, restarter) = (Arc::clone(&self.keys), Arc::clone(&self.restarter));
        let now = self.clock.unix();
        let changed = tokio::task::spawn_blocking(move || restarter.alone(|| change(&keys, now)));
        let changed = changed.await.map_err(Rejection::internal)?;
        let shared = || {
            let detail = "a hand-over is under way and two processes use the keys: try again when \
                          gabion status tells that it has ended";
            Rejection::from(Problem::new(&types::CONFLICT).detail(detail))
        };
        changed.ok_or_else(shared)?.map_err(rejected)
    }

    /// Keeps a record of what was done to a key, also if it was refused.
    fn note_key<T>(
        &self,
        action: &'static str,
        actor: &Actor,
        kid: Option<KeyId>,
        done: Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let outcome = done.as_ref().err().map_or("success", |refused| refused.problem().code());
        let mut event = actor.did(action, outcome, self.clock.unix());
        event.subject = kid.map(|kid| kid.to_string());
        self.audit.note(event);
        done
    }
}

fn rejected(error: KeyRingError) -> Rejection {
    match error {
        KeyRingError::Full(_) => {
            let detail = "the key ring is full: retire keys that are no longer needed, or wait until \
                          their last tokens have expired";
            Problem::new(&types::CONFLICT).detail(detail).into()
        }
        error => Rejection::internal(error),
    }
}
