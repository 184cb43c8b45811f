//! From login to logout, without HTTP.

mod account;
mod api_key;
mod failures;
mod login;
mod refresh;
mod session;

use std::{
    future::Future,
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use gabion_clock::{Clock, UnixTime};

pub use self::{
    account::{ChangePasswordError, CreateUserError, UpdateUserError, UserChange},
    api_key::{CreateApiKeyError, NewApiKey},
    login::{LoginError, Tokens},
    refresh::RefreshError,
};
use crate::{
    Accounts, ApiKeyStore, AuditEvent, AuditSink, AuthConfig, FailureStore, Issuer, KeyRing,
    LoginThrottle, RefreshTokens, RevocationStore, Revocations, SessionId, SessionLife,
    SessionStore, StoreError, TokenAuthenticator, UserStore, Username, Verifier,
    api_key::ApiKeys,
    audit::AccountWatch,
    metrics::{Outcome, Outcomes},
    password::{Blocklist, BlocklistError, HashPool, HashPoolError, InvalidPolicy, PasswordPolicy},
};

/// How far the machine's clock may have been ahead when it was asked what can be forgotten.
const CLOCK_ERROR: Duration = Duration::from_secs(86_400);

const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// A store of all that an [`Identity`] keeps.
pub trait IdentityStore:
    UserStore + SessionStore + RevocationStore + ApiKeyStore + FailureStore
{
}

impl<S> IdentityStore for S where
    S: UserStore + SessionStore + RevocationStore + ApiKeyStore + FailureStore
{
}

/// Logins, sessions and accounts of a service. Clones share everything.
///
/// What changes is written first, then known in memory, then answered: a change holds for every
/// request that begins after its answer, also when the process was killed in between. A change that
/// was begun is carried through even when the client leaves; that takes a tokio runtime.
pub struct Identity<S>(Arc<Inner<S>>);

impl<S> Clone for Identity<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<S> {
    store: Arc<S>,
    keys: Arc<KeyRing>,
    config: AuthConfig,
    clock: Arc<dyn Clock>,
    issuer: Issuer,
    refresh: RefreshTokens,
    revocations: Arc<Revocations>,
    api_keys: Arc<ApiKeys>,
    /// Tokens that are verified at once.
    verifications: NonZeroUsize,
    hashes: HashPool,
    policy: Arc<PasswordPolicy>,
    throttle: LoginThrottle,
    /// One write of failed logins at a time.
    flushing: tokio::sync::Mutex<()>,
    /// One change of an account at a time: what is decided by reading it must hold when it is
    /// written.
    changes: tokio::sync::Mutex<()>,
    audit: OnceLock<Box<dyn AuditSink>>,
    watch: OnceLock<Box<dyn AccountWatch>>,
    outcomes: Outcomes,
}

/// The identity service could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The hashing threads did not start.
    #[error(transparent)]
    Hashing(#[from] HashPoolError),
    /// No password could be good enough.
    #[error(transparent)]
    Policy(#[from] InvalidPolicy),
    /// The operator's list of passwords is of no use.
    #[error(transparent)]
    Blocklist(#[from] BlocklistError),
}

impl<S: IdentityStore> Identity<S> {
    /// Joins the parts. `cores` is how many this process may use.
    ///
    /// Call [`restore`](Self::restore) before the first request.
    ///
    /// # Errors
    ///
    /// When the configuration cannot work.
    pub fn new(
        store: Arc<S>,
        keys: Arc<KeyRing>,
        config: &AuthConfig,
        cores: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IdentityError> {
        let blocklist = match config.password.blocklist_file.as_str() {
            "" => Blocklist::shipped(),
            file => Blocklist::with_file(Path::new(file))?,
        };
        let (issuer, audience) = (config.issuer.as_str(), config.audience.as_str());
        Ok(Self(Arc::new(Inner {
            store,
            issuer: Issuer::new(Arc::clone(&keys), issuer, audience, config.access_ttl),
            refresh: RefreshTokens::new(&keys),
            throttle: LoginThrottle::new(&config.login, &keys),
            flushing: tokio::sync::Mutex::default(),
            keys,
            clock,
            revocations: Arc::default(),
            api_keys: Arc::default(),
            verifications: NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN),
            hashes: HashPool::new(&config.password, cores)?,
            policy: Arc::new(PasswordPolicy::new(&config.password, blocklist)?),
            changes: tokio::sync::Mutex::default(),
            audit: OnceLock::new(),
            watch: OnceLock::new(),
            outcomes: Outcomes::new(),
            config: config.clone(),
        })))
    }

    /// Tells `sink` what happens; only the first sink is told.
    #[must_use]
    pub fn with_audit(self, sink: impl AuditSink) -> Self {
        let _ = self.0.audit.set(Box::new(sink));
        self
    }

    /// Tells `watch` of changed accounts; only the first watch is told.
    #[must_use]
    pub fn with_watch(self, watch: impl AccountWatch) -> Self {
        let _ = self.0.watch.set(Box::new(watch));
        self
    }

    /// Learns from the store which sessions have ended whose tokens might still be good, which API
    /// keys there are, and which logins have failed.
    ///
    /// # Errors
    ///
    /// When the store fails; then no request may be let through.
    pub async fn restore(&self) -> Result<(), StoreError> {
        // What is revoked or forgiven while the store tells of it must not come back.
        let _one = self.0.changes.lock().await;
        let ended = self.0.store.ended_since(self.0.horizon()).await?;
        for (session, at) in ended {
            self.0.revocations.end(session, at + self.0.token_life());
        }
        self.0.api_keys.replace(self.0.store.api_keys().await?);
        self.0.restore_failures().await
    }

    /// Forgets, here and in the store, what no token can ask for any more, and writes down when API
    /// keys were used; returns how many sessions the store forgot. Worth doing every few minutes, and
    /// before the end.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn prune(&self) -> Result<u64, StoreError> {
        let (now, horizon) = (self.0.clock.unix(), self.0.horizon());
        self.0.revocations.prune(now);
        self.0.api_keys.prune(now);
        // One that fails keeps no other from its turn.
        let steps = [
            self.0.write_uses().await,
            self.0.store.prune_api_keys(horizon).await.map(drop),
            self.0.prune_failures().await,
        ];
        let pruned = self.0.store.prune(self.0.forgettable()).await?;
        steps.into_iter().collect::<Result<(), _>>()?;
        Ok(pruned)
    }

    /// What checks the tokens that this service issues. Each has a cache of its own: make one and
    /// share it.
    pub fn authenticator<A: Accounts>(&self, accounts: A) -> TokenAuthenticator<A, S> {
        let inner = &self.0;
        let (issuer, audience) = (inner.config.issuer.as_str(), inner.config.audience.as_str());
        let keys = Arc::clone(&inner.keys);
        let verifier = Verifier::new(keys, issuer, audience, inner.config.leeway);
        let verifier = verifier.longest(inner.issuer.ttl());
        let revocations = Arc::clone(&inner.revocations);
        TokenAuthenticator::new(verifier, revocations, accounts, Arc::clone(&inner.store))
            .with_api_keys(Arc::clone(&inner.api_keys))
            .with_verifications(inner.verifications)
    }

    /// How long after its issue a token may be taken at most: as long as a key has to verify that signs
    /// no more.
    #[must_use]
    pub fn token_life(&self) -> Duration {
        self.0.token_life()
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.0.keys
    }

    /// The sessions that ended.
    #[must_use]
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.0.revocations
    }

    /// The threads that hash, for their memory and their queue.
    #[must_use]
    pub fn hashes(&self) -> &HashPool {
        &self.0.hashes
    }

    /// What passwords must be.
    #[must_use]
    pub fn policy(&self) -> &PasswordPolicy {
        &self.0.policy
    }
}

impl<S: IdentityStore> Inner<S> {
    /// How long after its issue a token might be taken at most.
    fn token_life(&self) -> Duration {
        self.issuer.ttl() + self.config.leeway
    }

    /// How long sessions last.
    fn session_life(&self) -> SessionLife {
        SessionLife { idle: self.config.refresh_ttl, absolute: self.config.session_ttl }
    }

    /// What ended before this time concerns no token any more, also where the clock was wrong by
    /// some hours and has been put right since.
    fn horizon(&self) -> UnixTime {
        self.before(self.token_life() + CLOCK_ERROR)
    }

    /// What ended before this time can be forgotten for good. Tokens of a month are as long as they
    /// get; whoever makes them short and long again finds what ended meanwhile.
    fn forgettable(&self) -> UnixTime {
        self.before(self.token_life().max(MONTH) + CLOCK_ERROR)
    }

    fn before(&self, span: Duration) -> UnixTime {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        UnixTime::from_millis(self.clock.unix().as_millis().saturating_sub(span))
    }

    /// Writes down when API keys were used.
    async fn write_uses(&self) -> Result<(), StoreError> {
        let uses = self.api_keys.unwritten();
        if !uses.is_empty() {
            self.store.note_api_key_uses(&uses).await?;
            self.api_keys.written(&uses);
        }
        Ok(())
    }

    /// Ends every session of an account but `keep`, in the store and then here.
    async fn end_all(
        &self,
        username: &Username,
        keep: Option<SessionId>,
    ) -> Result<(), StoreError> {
        let now = self.clock.unix();
        for session in self.store.end_all(username, keep, now).await? {
            self.revocations.end(session, now + self.token_life());
        }
        Ok(())
    }

    /// Counts and records what became of an action.
    fn note(&self, outcome: Option<Outcome>, event: AuditEvent) {
        if let Some(outcome) = outcome {
            self.outcomes.count(outcome);
        }
        if let Some(sink) = self.audit.get() {
            sink.record(event);
        }
    }

    /// The record of an action on the account of that name.
    fn event(
        &self,
        action: &'static str,
        outcome: &'static str,
        username: &Username,
    ) -> AuditEvent {
        AuditEvent {
            at: self.clock.unix(),
            action,
            outcome,
            subject: Some(username.to_string()),
            actor: None,
            session: None,
            address: None,
        }
    }
}

/// Runs a change to its end, even when whoever asked for it is gone: half of one would leave the
/// store and the memory with different truths.
async fn carry_through<T, E>(
    change: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let carried = tokio::spawn(change).await;
    carried.unwrap_or_else(|panicked| Err(StoreError(panicked.into()).into()))
}

#[cfg(test)]
mod tests;
