use std::{fmt, time::Duration};

use gabion_clock::Clock;
use gabion_errors::{Problem, ToProblem, types};
use http::header::WWW_AUTHENTICATE;

use super::{Identity, IdentityStore, Inner, attempt::Attempt};
use crate::{
    Account, AccountChange, AuditEvent, Roles, Session, SessionId, StoreError, TooManyAttempts,
    Username,
    authenticate::CHALLENGE,
    metrics::Outcome,
    password::{HashError, NormalPassword},
};

/// What a login or a refresh gives.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// How long it is good.
    pub expires_in: Duration,
    /// Good once, for the next pair.
    pub refresh_token: String,
    /// How long that is good.
    pub refresh_expires_in: Duration,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Tokens");
        debug.field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// A login is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// No such account, a wrong password or a disabled account: nobody is told which.
    #[error("the user name or the password is wrong, or the account is disabled")]
    InvalidCredentials,
    /// Too many logins of this name failed.
    #[error(transparent)]
    TooManyAttempts(#[from] TooManyAttempts),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ToProblem for LoginError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::InvalidCredentials => {
                Problem::new(&types::INVALID_CREDENTIALS).header(WWW_AUTHENTICATE, CHALLENGE)
            }
            Self::TooManyAttempts(error) => error.to_problem(),
            Self::Hash(error) => error.to_problem(),
            Self::Store(error) => error.to_problem(),
        }
    }
}

impl LoginError {
    fn outcome(&self) -> (Outcome, &'static str) {
        match self {
            Self::InvalidCredentials => (Outcome::LoginRefused, "invalid-credentials"),
            Self::TooManyAttempts(_) => (Outcome::LoginThrottled, "too-many-attempts"),
            Self::Hash(HashError::Busy) => (Outcome::LoginOverloaded, "overloaded"),
            Self::Hash(_) | Self::Store(_) => (Outcome::Failed, "failed"),
        }
    }
}

/// Most sessions of one account; a login beyond that ends the oldest.
const MAX_SESSIONS: usize = 100;
/// Most bytes of an address that are kept.
const MAX_ADDRESS: usize = 64;

impl<S: IdentityStore> Identity<S> {
    /// Begins a session for whoever knows the password of `username`; `address` is where from, for
    /// the account's owner to recognise.
    ///
    /// Unknown names, wrong passwords and disabled accounts take the same work and get the same
    /// answer.
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
    pub async fn login(
        &self,
        username: &str,
        password: &str,
        address: &str,
    ) -> Result<Tokens, LoginError> {
        let inner = &self.0;
        let name = Username::parse(username).ok();
        let login = inner.login(name.as_ref(), username, password, address).await;
        let (outcome, told) = match &login {
            Ok(_) => (Outcome::Login, "success"),
            Err(error) => error.outcome(),
        };
        let event = AuditEvent {
            at: inner.clock.unix(),
            action: "login",
            outcome: told,
            // What is no name may be a password in the wrong field.
            subject: name.map(|name| name.to_string()),
            actor: None,
            session: login.as_ref().ok().map(|(session, _)| *session),
            address: Some(head(address)),
        };
        inner.note(Some(outcome), event);
        login.map(|(_, tokens)| tokens)
    }
}

impl<S: IdentityStore> Inner<S> {
    async fn login(
        &self,
        name: Option<&Username>,
        typed: &str,
        password: &str,
        address: &str,
    ) -> Result<(SessionId, Tokens), LoginError> {
        let throttled = name.map_or(typed, Username::as_str);
        let (account, password) = self.prove(name, throttled, password).await?;
        let now = self.clock.unix();
        let session = Session {
            id: SessionId::random(),
            username: account.username.clone(),
            generation: 0,
            created_at: now,
            refreshed_at: now,
            expires_at: now + self.config.refresh_ttl,
            address: head(address),
        };
        self.store.create(&session).await?;
        // A change of the password or of the account that came meanwhile has not seen this session.
        if !self.still_proves(&account, &password).await? {
            self.store.end(session.id, now).await?;
            return Err(LoginError::InvalidCredentials);
        }
        let sessions = self.store.sessions(&account.username, now).await?;
        for old in sessions.iter().skip(MAX_SESSIONS).filter(|old| old.id != session.id) {
            self.store.end(old.id, now).await?;
            self.revocations.end(old.id, now + self.token_life());
        }
        Ok((session.id, self.tokens(&session, &account.roles)))
    }

    /// The account of that name, if `password` is its own and it is enabled.
    pub(super) async fn prove(
        &self,
        name: Option<&Username>,
        throttled: &str,
        password: &str,
    ) -> Result<(Account, NormalPassword), LoginError> {
        let attempt = Attempt::begin(&self.throttle, throttled, self.clock.now())?;
        // Longer than any password: no account's, so nothing is given away by not looking.
        let password = NormalPassword::new(password).map_err(|_| LoginError::InvalidCredentials)?;
        let account = match name {
            Some(name) => self.store.find(name).await?,
            None => None,
        };
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let verdict = self.hashes.verify(password.clone(), hash).await?;
        let Some(mut account) = account.filter(|account| verdict.matches && account.enabled) else {
            attempt.failed(&*self.clock);
            return Err(LoginError::InvalidCredentials);
        };
        attempt.succeeded();
        if verdict.rehash {
            self.rehash(&mut account, password.clone()).await?;
        }
        Ok((account, password))
    }

    /// Whether what was proved for `account` holds for the account as it is now.
    pub(super) async fn still_proves(
        &self,
        account: &Account,
        password: &NormalPassword,
    ) -> Result<bool, LoginError> {
        let present = self.store.find(&account.username).await?;
        let Some(present) = present.filter(|present| present.enabled) else { return Ok(false) };
        if present.password_hash == account.password_hash {
            return Ok(true);
        }
        // Another password, or the same under a hash of today's cost.
        let verdict = self.hashes.verify(password.clone(), Some(present.password_hash)).await?;
        Ok(verdict.matches)
    }

    /// Gives the account a hash of today's cost. When there is no room for it now, or the account
    /// has changed, the next login tries again.
    async fn rehash(
        &self,
        account: &mut Account,
        password: NormalPassword,
    ) -> Result<(), LoginError> {
        let Ok(hash) = self.hashes.hash(password).await else { return Ok(()) };
        let _one = self.changes.lock().await;
        let present = self.store.find(&account.username).await?;
        if present.is_some_and(|present| present.password_hash == account.password_hash) {
            let change =
                AccountChange { password_hash: Some(hash.clone()), ..AccountChange::default() };
            self.store.update(&account.username, change).await?;
            account.password_hash = hash;
        }
        Ok(())
    }

    /// The pair of tokens of the session's present generation.
    pub(super) fn tokens(&self, session: &Session, roles: &Roles) -> Tokens {
        let now = self.clock.unix();
        let refresh_expires_in = session.expires_at.saturating_since(now);
        Tokens {
            access_token: self.issuer.issue(session, roles, now),
            expires_in: self.issuer.ttl().min(refresh_expires_in),
            refresh_token: self.refresh.issue(session),
            refresh_expires_in,
        }
    }
}

/// As much of an address as is kept.
fn head(address: &str) -> String {
    let end = address.floor_char_boundary(MAX_ADDRESS);
    address[..end].to_owned()
}
