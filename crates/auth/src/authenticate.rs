mod bulkhead;

use std::{
    future::Future,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gabion_clock::UnixTime;
use gabion_errors::{Problem, ToProblem, types};
use http::{HeaderValue, header::WWW_AUTHENTICATE};

use self::bulkhead::Bulkhead;
use crate::{
    ApiKeyStore, Credentials, CredentialsError, Principal, Revocations, Roles, SessionStore,
    StoreError, TokenError, UserStore, Username, VerifiedTokens, Verifier,
    api_key::{ApiKeys, PREFIX, Presented},
    metrics::{Outcome, Outcomes},
};

/// A caller is not let through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// There are no credentials where some are needed.
    #[error("no credentials")]
    Missing,
    /// The `Authorization` header is of no use.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The token is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The session of the token has ended.
    #[error("the session has ended")]
    Ended,
    /// It looks like an API key and is none, or none any more.
    #[error("there is no such API key, or it has expired")]
    ApiKey,
    /// The account is disabled or gone.
    #[error("the account is disabled or gone")]
    Disabled,
    /// The caller is known but may not do this.
    #[error("the caller lacks the role")]
    Forbidden,
    /// Too many tokens wait to be verified.
    #[error("too many tokens wait to be verified")]
    Busy,
    /// Whether the caller may pass could not be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What RFC 6750 §3 sends where no token was given.
pub(crate) const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer");
/// What it sends where one was.
const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

impl ToProblem for AuthError {
    fn to_problem(&self) -> Problem {
        use CredentialsError as E;
        let challenge = match self {
            Self::Forbidden => return Problem::new(&types::FORBIDDEN),
            Self::Store(error) => return error.to_problem(),
            Self::Busy => {
                return Problem::new(&types::OVERLOADED).retry_after(Duration::from_secs(1));
            }
            Self::Missing | Self::Credentials(E::Repeated | E::Scheme | E::Empty) => CHALLENGE,
            Self::Credentials(_) | Self::Token(_) | Self::Ended | Self::ApiKey | Self::Disabled => {
                INVALID_TOKEN
            }
        };
        Problem::new(&types::UNAUTHENTICATED).header(WWW_AUTHENTICATE, challenge)
    }
}

/// Finds out who a request comes from.
pub trait Authenticator: Send + Sync + 'static {
    /// The principal that `credentials` prove at `now`.
    ///
    /// # Errors
    ///
    /// When they prove nobody, or nobody who may pass.
    fn authenticate(
        &self,
        credentials: Credentials<'_>,
        now: UnixTime,
    ) -> impl Future<Output = Result<Arc<Principal>, AuthError>> + Send;
}

impl<A: Authenticator> Authenticator for Arc<A> {
    async fn authenticate(
        &self,
        credentials: Credentials<'_>,
        now: UnixTime,
    ) -> Result<Arc<Principal>, AuthError> {
        A::authenticate(self, credentials, now).await
    }
}

/// What an account is at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// What it may do.
    pub roles: Roles,
    /// Whether its tokens are taken.
    pub enabled: bool,
}

/// Knows accounts as they are now; asked once for each authenticated request.
///
/// An implementation that remembers answers must forget an account before a change of it is
/// acknowledged: see [`AccountWatch`](crate::AccountWatch).
pub trait Accounts: Send + Sync + 'static {
    /// The account of this name.
    fn account(
        &self,
        username: &Username,
    ) -> impl Future<Output = Result<Option<AccountState>, StoreError>> + Send;
}

impl<A: Accounts> Accounts for Arc<A> {
    async fn account(&self, username: &Username) -> Result<Option<AccountState>, StoreError> {
        A::account(self, username).await
    }
}

/// Asks the store each time: right for every service, fast enough for small ones.
#[derive(Debug)]
pub struct StoredAccounts<S>(pub Arc<S>);

impl<S: UserStore> Accounts for StoredAccounts<S> {
    async fn account(&self, username: &Username) -> Result<Option<AccountState>, StoreError> {
        let account = self.0.find(username).await?;
        Ok(account.map(|account| AccountState { roles: account.roles, enabled: account.enabled }))
    }
}

/// Authenticates access tokens: verified or remembered, session not ended, account as it is now; and
/// API keys, in the same way, where it is told of them.
///
/// A token is verified once and then remembered with its principal, so that the usual request
/// costs one look-up each in the cache, in the ended sessions and in `accounts`.
pub struct TokenAuthenticator<A, S> {
    verifier: Verifier,
    verified: VerifiedTokens<Principal>,
    revocations: Arc<Revocations>,
    accounts: A,
    store: Arc<S>,
    api_keys: Arc<ApiKeys>,
    bulkhead: Bulkhead,
    shared: AtomicBool,
    outcomes: Outcomes,
}

/// Verifications at once where nobody says.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN;

impl<A: Accounts, S: SessionStore + ApiKeyStore> TokenAuthenticator<A, S> {
    /// Joins the parts; `revocations` is where ended sessions are noted, `store` is asked only while
    /// it is shared. Knows no API keys: for those let an
    /// [`Identity`](crate::Identity::authenticator) make it.
    pub fn new(
        verifier: Verifier,
        revocations: Arc<Revocations>,
        accounts: A,
        store: Arc<S>,
    ) -> Self {
        let entries = VerifiedTokens::<Principal>::DEFAULT_ENTRIES;
        let verified = VerifiedTokens::new(entries, verifier.leeway());
        let shared = AtomicBool::new(false);
        Self {
            verifier,
            verified,
            revocations,
            accounts,
            store,
            api_keys: Arc::default(),
            bulkhead: Bulkhead::new(AT_ONCE),
            shared,
            outcomes: Outcomes::new(),
        }
    }

    /// The same, knowing these API keys.
    pub(crate) fn with_api_keys(self, api_keys: Arc<ApiKeys>) -> Self {
        Self { api_keys, ..self }
    }

    /// Verifies so many tokens at once that are not remembered, by default one; 1024 more wait, and
    /// what comes beyond is refused. Half of the cores is a good number: the others then serve callers
    /// who are known, whatever is forged.
    #[must_use]
    pub fn with_verifications(self, at_once: NonZeroUsize) -> Self {
        Self { bulkhead: Bulkhead::new(at_once), ..self }
    }

    /// From now on another process may change the store: each session and each API key is looked up there.
    pub fn begin_sharing(&self) {
        self.shared.store(true, Ordering::SeqCst);
    }

    /// The store is ours alone again. What others ended meanwhile must be known by now: call
    /// [`Identity::restore`](crate::Identity::restore) first.
    pub fn end_sharing(&self) {
        self.shared.store(false, Ordering::SeqCst);
    }

    /// The accounts that it asks.
    pub fn accounts(&self) -> &A {
        &self.accounts
    }

    async fn decide(&self, token: &str, now: UnixTime) -> Result<Arc<Principal>, AuthError> {
        let epoch = self.verifier.epoch();
        let remembered = self.verified.get(token, epoch, now);
        let known = match &remembered {
            Some(principal) => Arc::clone(principal),
            None if token.starts_with(PREFIX) => Arc::new(self.api_key(token, now).await?),
            None => {
                let _place = self.bulkhead.enter().await.ok_or(AuthError::Busy)?;
                Arc::new(self.verifier.verify(token, now)?.into())
            }
        };
        let shared = self.shared.load(Ordering::SeqCst);
        if known.is_api_key() {
            let there = self.api_keys.used(known.session, now);
            // Boxed: rare, and large in every request's future otherwise.
            let there = if shared { Box::pin(self.is_stored(token, now)).await? } else { there };
            there.then_some(()).ok_or(AuthError::ApiKey)?;
        } else {
            if self.revocations.ended(known.session) {
                return Err(AuthError::Ended);
            }
            if shared {
                let session = Box::pin(self.store.session(known.session, now)).await?;
                let own = session.filter(|session| session.username == known.username);
                own.ok_or(AuthError::Ended)?;
            }
        }
        let account = self.accounts.account(&known.username).await?;
        let account = account.filter(|account| account.enabled).ok_or(AuthError::Disabled)?;
        if account.roles == known.roles {
            if remembered.is_none() {
                self.verified.insert(token, epoch, Arc::clone(&known));
            }
            return Ok(known);
        }
        let changed = Arc::new(Principal { roles: account.roles, ..Principal::clone(&known) });
        self.verified.insert(token, epoch, Arc::clone(&changed));
        Ok(changed)
    }

    /// Whoever `token` is the API key of.
    async fn api_key(&self, token: &str, now: UnixTime) -> Result<Principal, AuthError> {
        let presented = Presented::parse(token).ok_or(AuthError::ApiKey)?;
        let mut key = self.api_keys.find(&presented, now);
        if key.is_none() && self.shared.load(Ordering::SeqCst) {
            // Another process may have made it.
            let stored = Box::pin(self.store.api_key(presented.id)).await?;
            key = stored.filter(|key| presented.proves(key, now));
        }
        key.as_ref().map(Principal::from).ok_or(AuthError::ApiKey)
    }

    /// Whether the store still has the API key.
    async fn is_stored(&self, token: &str, now: UnixTime) -> Result<bool, AuthError> {
        let presented = Presented::parse(token).ok_or(AuthError::ApiKey)?;
        let stored = self.store.api_key(presented.id).await?;
        Ok(stored.is_some_and(|key| presented.proves(&key, now)))
    }
}

impl<A: Accounts, S: SessionStore + ApiKeyStore> Authenticator for TokenAuthenticator<A, S> {
    async fn authenticate(
        &self,
        credentials: Credentials<'_>,
        now: UnixTime,
    ) -> Result<Arc<Principal>, AuthError> {
        let Credentials::Bearer(token) = credentials;
        let decision = self.decide(token, now).await;
        self.outcomes.count(match &decision {
            Ok(_) => Outcome::Accepted,
            Err(AuthError::Token(TokenError::Expired)) => Outcome::Expired,
            Err(AuthError::Ended) => Outcome::Ended,
            Err(AuthError::Disabled) => Outcome::Disabled,
            Err(AuthError::Busy) => Outcome::Overloaded,
            Err(AuthError::Store(_)) => Outcome::Failed,
            Err(_) => Outcome::Invalid,
        });
        decision
    }
}

#[cfg(test)]
mod tests;
