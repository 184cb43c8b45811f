use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use gabion_clock::UnixTime;
use gabion_errors::{Problem, ToProblem, types};
use http::{HeaderValue, header::WWW_AUTHENTICATE};

use crate::{
    Credentials, CredentialsError, Principal, Revocations, Roles, SessionStore, StoreError,
    TokenError, UserStore, Username, VerifiedTokens, Verifier,
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
    /// The account is disabled or gone.
    #[error("the account is disabled or gone")]
    Disabled,
    /// The caller is known but may not do this.
    #[error("the caller lacks the role")]
    Forbidden,
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
            Self::Missing | Self::Credentials(E::Repeated | E::Scheme | E::Empty) => CHALLENGE,
            Self::Credentials(_) | Self::Token(_) | Self::Ended | Self::Disabled => INVALID_TOKEN,
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

/// Authenticates access tokens: verified or remembered, session not ended, account as it is now.
///
/// A token is verified once and then remembered with its principal, so that the usual request
/// costs one look-up each in the cache, in the ended sessions and in `accounts`.
pub struct TokenAuthenticator<A, S> {
    verifier: Verifier,
    verified: VerifiedTokens<Principal>,
    revocations: Arc<Revocations>,
    accounts: A,
    sessions: Arc<S>,
    shared: AtomicBool,
    outcomes: Outcomes,
}

impl<A: Accounts, S: SessionStore> TokenAuthenticator<A, S> {
    /// Joins the parts; `revocations` is where ended sessions are noted, `sessions` is asked only
    /// while the store is shared.
    pub fn new(
        verifier: Verifier,
        revocations: Arc<Revocations>,
        accounts: A,
        sessions: Arc<S>,
    ) -> Self {
        let entries = VerifiedTokens::<Principal>::DEFAULT_ENTRIES;
        let verified = VerifiedTokens::new(entries, verifier.leeway());
        let shared = AtomicBool::new(false);
        Self {
            verifier,
            verified,
            revocations,
            accounts,
            sessions,
            shared,
            outcomes: Outcomes::new(),
        }
    }

    /// From now on another process may change the store: each session is looked up there.
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
        let remembered = self.verified.get(token, now);
        let known = match &remembered {
            Some(principal) => Arc::clone(principal),
            None => Arc::new(self.verifier.verify(token, now)?.into()),
        };
        if self.revocations.ended(known.session) {
            return Err(AuthError::Ended);
        }
        if self.shared.load(Ordering::SeqCst) {
            // Boxed: rare, and large in every request's future otherwise.
            let session = Box::pin(self.sessions.session(known.session, now)).await?;
            session.filter(|session| session.username == known.username).ok_or(AuthError::Ended)?;
        }
        let account = self.accounts.account(&known.username).await?;
        let account = account.filter(|account| account.enabled).ok_or(AuthError::Disabled)?;
        if account.roles == known.roles {
            if remembered.is_none() {
                self.verified.insert(token, Arc::clone(&known));
            }
            return Ok(known);
        }
        let changed = Arc::new(Principal { roles: account.roles, ..Principal::clone(&known) });
        self.verified.insert(token, Arc::clone(&changed));
        Ok(changed)
    }
}

impl<A: Accounts, S: SessionStore> Authenticator for TokenAuthenticator<A, S> {
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
            Err(AuthError::Store(_)) => Outcome::Failed,
            Err(_) => Outcome::Invalid,
        });
        decision
    }
}

#[cfg(test)]
mod tests;
