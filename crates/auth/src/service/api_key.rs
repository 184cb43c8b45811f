use std::{sync::Arc, time::Duration};

use gabion_clock::Clock;
use gabion_errors::{FieldError, Problem, ToProblem, types};
use zeroize::Zeroizing;

use super::{Identity, IdentityStore, account::role_faults, carry_through};
use crate::{
    ApiKey, ApiKeyId, AuditEvent, Roles, StoreError, Username,
    api_key::{ApiKeys, new_secret},
};

/// An API key is not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateApiKeyError {
    /// What is asked for is not acceptable; every reason at once.
    #[error("the API key is not acceptable")]
    Invalid(Vec<FieldError>),
    /// There are as many as a service may have.
    #[error("there are {} API keys already, revoke one first", ApiKeys::MOST)]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ToProblem for CreateApiKeyError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Invalid(faults) => Problem::faulty(faults.clone()),
            Self::TooMany => Problem::new(&types::CONFLICT).detail(self.to_string()),
            Self::Store(error) => error.to_problem(),
        }
    }
}

/// What a new API key is to be.
#[derive(Debug, Clone)]
pub struct NewApiKey<'a> {
    /// What people call it: 1 to 64 letters, digits, spaces and marks, all of ASCII.
    pub name: &'a str,
    /// The account in whose name it calls.
    pub username: &'a str,
    /// What it may be used for, by name; none: only what asks for no scope.
    pub scopes: Roles,
    /// How long it is good: from a minute to ten years.
    pub expires_in: Duration,
}

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);
const MAX_NAME: usize = 64;

impl<S: IdentityStore> Identity<S> {
    /// Makes an API key and returns it with its secret, which nobody can ask for again. The record
    /// of it names `actor`.
    ///
    /// # Errors
    ///
    /// See [`CreateApiKeyError`].
    pub async fn create_api_key(
        &self,
        new: NewApiKey<'_>,
        actor: &str,
    ) -> Result<(ApiKey, Zeroizing<String>), CreateApiKeyError> {
        let inner = Arc::clone(&self.0);
        let NewApiKey { name, username, scopes, expires_in } = new;
        let mut faults = faults(name, &scopes, expires_in);
        let owner = match Username::parse(username) {
            Ok(username) => inner.store.find(&username).await?.map(|account| account.username),
            Err(_) => None,
        };
        let (Some(username), []) = (&owner, faults.as_slice()) else {
            if owner.is_none() {
                faults.push(FieldError::new("/username", "unknown", "is the name of no account"));
            }
            return Err(CreateApiKeyError::Invalid(faults));
        };
        let (id, created_at) = (ApiKeyId::random(), inner.clock.unix());
        let (secret, secret_hash) = new_secret(id);
        let key = ApiKey {
            id,
            name: name.to_owned(),
            username: username.clone(),
            scopes,
            secret_hash,
            created_at,
            expires_at: created_at + expires_in,
            last_used_at: None,
        };
        let actor = actor.to_owned();
        let key = carry_through(async move {
            let _one = inner.changes.lock().await;
            if inner.api_keys.len() >= ApiKeys::MOST {
                return Err(CreateApiKeyError::TooMany);
            }
            inner.store.add_api_key(&key).await?;
            inner.api_keys.add(key.clone());
            let event = inner.event("api-key.create", "success", &key.username);
            let session = Some(key.id.as_session());
            inner.note(None, AuditEvent { actor: Some(actor), session, ..event });
            Ok(key)
        })
        .await?;
        Ok((key, secret))
    }

    /// All API keys, oldest first.
    #[must_use]
    pub fn api_keys(&self) -> Vec<ApiKey> {
        self.0.api_keys.list()
    }

    /// Ends an API key; `false` when there is none of that name. The record of it names `actor`.
    ///
    /// # Errors
    ///
    /// When the store fails; then the key may still be good.
    pub async fn revoke_api_key(&self, id: ApiKeyId, actor: &str) -> Result<bool, StoreError> {
        let (inner, actor) = (Arc::clone(&self.0), actor.to_owned());
        carry_through(async move {
            let _one = inner.changes.lock().await;
            let Some(key) = inner.store.api_key(id).await? else { return Ok(false) };
            inner.store.remove_api_key(id).await?;
            inner.api_keys.remove(id);
            let event = inner.event("api-key.revoke", "success", &key.username);
            let session = Some(id.as_session());
            inner.note(None, AuditEvent { actor: Some(actor), session, ..event });
            Ok(true)
        })
        .await
    }
}

/// Nothing that a terminal or a page would show as something else.
fn is_plain(letter: char) -> bool {
    letter == ' ' || letter.is_ascii_graphic()
}

/// What is wrong with a new key, its owner aside.
fn faults(name: &str, scopes: &Roles, expires_in: Duration) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let length = name.chars().count();
    if length == 0 || length > MAX_NAME || !name.chars().all(is_plain) {
        let detail = "must be 1 to 64 letters, digits, spaces and marks, all of ASCII";
        faults.push(FieldError::new("/name", "format", detail));
    }
    faults.extend(role_faults(scopes).into_iter().map(|_| {
        let detail =
            "has at most 32 scopes, each of 1 to 64 characters of a-z, 0-9, '.', '_' and '-'";
        FieldError::new("/scopes", "format", detail)
    }));
    if !(SHORTEST..=LONGEST).contains(&expires_in) {
        faults.push(FieldError::new("/expires_in", "range", "is from 1m to 3650d"));
    }
    faults
}
