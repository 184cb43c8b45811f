//! What the login and the checks need of storage, no SQL in sight.
//!
//! Every write is durable when its future is ready: a change that was acknowledged survives
//! `kill -9`. The suite in `conformance` (feature of that name) holds each backend to the words here.

use std::future::Future;

use gabion_clock::UnixTime;
use gabion_errors::{BoxError, Problem, ToProblem, types};

use crate::{Account, ApiKey, ApiKeyId, Roles, Session, SessionId, SessionLife, Username};

/// The store failed; what it was asked for may or may not have happened.
#[derive(Debug, thiserror::Error)]
#[error("the store failed")]
pub struct StoreError(#[source] pub BoxError);

impl ToProblem for StoreError {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::DEPENDENCY_UNAVAILABLE).retry_after(std::time::Duration::from_secs(1))
    }
}

/// An account was not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// There is one of this name.
    #[error("the account exists")]
    Exists,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// It is the last enabled one with the role, and would not be any more.
    #[error("the account is the last one with the role")]
    Last,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What changes about an account; `None` stays as it is.
#[derive(Clone, Default)]
pub struct AccountChange {
    /// New roles.
    pub roles: Option<Roles>,
    /// Enabled or not.
    pub enabled: Option<bool>,
    /// A new password's hash.
    pub password_hash: Option<String>,
}

/// Keeps accounts.
pub trait UserStore: Send + Sync + 'static {
    /// The account of this name.
    fn find(
        &self,
        username: &Username,
    ) -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;

    /// All accounts, by name.
    fn list(&self) -> impl Future<Output = Result<Vec<Account>, StoreError>> + Send;

    /// Adds an account; exactly one of several at the same time succeeds.
    fn insert(&self, account: &Account) -> impl Future<Output = Result<(), InsertError>> + Send;

    /// Changes an account and returns what it is now; `None` when there is none.
    fn update(
        &self,
        username: &Username,
        change: AccountChange,
    ) -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;

    /// The same, unless it would take the last enabled account with `role` away: then nothing
    /// changes. Of several such changes at the same time one is refused.
    fn update_but_last(
        &self,
        username: &Username,
        change: AccountChange,
        role: &str,
    ) -> impl Future<Output = Result<Option<Account>, UpdateError>> + Send;
}

/// What became of a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The token was the present one; this is the session with its next generation.
    Rotate(Session),
    /// The token was used before: the store has ended the session.
    Reuse(Session),
    /// There is no such session, it has ended, or it has expired.
    Gone,
}

/// Keeps sessions.
pub trait SessionStore: Send + Sync + 'static {
    /// Adds a session.
    fn create(&self, session: &Session) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The session, unless it has ended or expired at `now`.
    fn session(
        &self,
        id: SessionId,
        now: UnixTime,
    ) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send;

    /// The sessions of an account that have neither ended nor expired at `now`, newest first.
    fn sessions(
        &self,
        username: &Username,
        now: UnixTime,
    ) -> impl Future<Output = Result<Vec<Session>, StoreError>> + Send;

    /// Spends the refresh token of `generation`: of several at the same time exactly one rotates.
    /// The session then lasts as `life` says; one that has outlived it is gone.
    fn rotate(
        &self,
        id: SessionId,
        generation: u32,
        life: SessionLife,
        now: UnixTime,
    ) -> impl Future<Output = Result<Rotation, StoreError>> + Send;

    /// Ends one session; `false` when it had ended, expired or never was.
    fn end(
        &self,
        id: SessionId,
        now: UnixTime,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends every session of an account but `keep`, and returns those it ended.
    fn end_all(
        &self,
        username: &Username,
        keep: Option<SessionId>,
        now: UnixTime,
    ) -> impl Future<Output = Result<Vec<SessionId>, StoreError>> + Send;
}

/// Knows which sessions ended before their tokens expired.
pub trait RevocationStore: Send + Sync + 'static {
    /// Every session that ended at `since` or later, with the time of its end: what a new process
    /// must refuse.
    fn ended_since(
        &self,
        since: UnixTime,
    ) -> impl Future<Output = Result<Vec<(SessionId, UnixTime)>, StoreError>> + Send;

    /// Forgets sessions that ended or expired before `before`; returns how many.
    fn prune(&self, before: UnixTime) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// Keeps API keys.
pub trait ApiKeyStore: Send + Sync + 'static {
    /// Adds a key.
    fn add_api_key(&self, key: &ApiKey) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The key of this name, also when it has expired.
    fn api_key(
        &self,
        id: ApiKeyId,
    ) -> impl Future<Output = Result<Option<ApiKey>, StoreError>> + Send;

    /// All keys, oldest first.
    fn api_keys(&self) -> impl Future<Output = Result<Vec<ApiKey>, StoreError>> + Send;

    /// Removes a key; `false` when there is none of this name.
    fn remove_api_key(&self, id: ApiKeyId)
    -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Writes down when keys were last used; never an earlier time than is there, and nothing for
    /// keys that are gone.
    fn note_api_key_uses(
        &self,
        uses: &[(ApiKeyId, UnixTime)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets keys that expired before `before`; returns how many.
    fn prune_api_keys(
        &self,
        before: UnixTime,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
