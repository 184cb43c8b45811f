use std::{fmt, sync::Arc, time::Duration};

use gabion_clock::Clock;
use gabion_errors::{Problem, ToProblem, types};
use http::header::WWW_AUTHENTICATE;

use super::{Identity, IdentityStore, Inner, carry_through};
use crate::{
    Account, AccountChange, AuditEvent, FailureScope, Roles, Session, SessionId, StoreError,
    TooManyAttempts, Username,
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
    /// Too many logins of this name or from this address failed: nobody is told which.
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
            // A stored hash that is of no use is the operator's affair: a client that was told would
            // know that there is such an account.
            Self::InvalidCredentials | Self::Hash(HashError::Stored | HashError::Pepper) => {
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
            Self::TooManyAttempts(error) => (Outcome::LoginThrottled, told(error.scope)),
            Self::Hash(HashError::Busy) => (Outcome::LoginOverloaded, "overloaded"),
            Self::Hash(HashError::Stored | HashError::Pepper) => {
                (Outcome::Failed, "stored-hash-unusable")
            }
            Self::Hash(_) | Self::Store(_) => (Outcome::Failed, "failed"),
        }
    }
}

/// What the record of a throttled login says.
fn told(scope: FailureScope) -> &'static str {
    match scope {
        FailureScope::Account => "too-many-attempts-on-account",
        FailureScope::Address => "too-many-attempts-from-address",
    }
}

/// Most sessions of one account; a login beyond that ends the oldest.
const MAX_SESSIONS: usize = 100;
/// Most bytes of an address that are kept.
const MAX_ADDRESS: usize = 64;

impl<S: IdentityStore> Identity<S> {
    /// Begins a session for whoever knows the password of `username`. `address` is the client's, as
    /// text of an IP address: failures are counted by it, and the account's owner recognises the
    /// session by it. Of anything else nothing is counted.
    ///
    /// In this order:
    ///
    /// 1. Throttle by address, then by account ([`LoginThrottle`](crate::LoginThrottle)): who has to
    ///    wait is told so before any work, with the same answer for either reason.
    /// 2. Look the account up, or none of that name, and hash the password once: against the
    ///    account's own hash, or against a dummy of today's cost. Unknown names, names that can be
    ///    none, wrong passwords and disabled accounts take the same work, count the same as failures
    ///    and get the same answer.
    /// 3. After a success: forgive the account its failures, and hash the password anew where the
    ///    stored hash has not today's cost.
    /// 4. Write the session, and only then look whether the account is still enabled and the
    ///    password still its own; end its oldest sessions beyond 100.
    /// 5. Count what became of it, and tell the audit; also of a login that was not evaluated.
    ///
    /// Failures reach the store by [`flush_failures`](Self::flush_failures), not here.
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
        let throttled = name.as_ref().map_or(username, Username::as_str);
        match inner.prove_from(address, name.as_ref(), throttled, password).await {
            Ok((account, password)) => {
                let begun = Inner::begin(Arc::clone(inner), account, password, head(address));
                carry_through(begun).await
            }
            Err(refused) => {
                // What is no name may be a password in the wrong field.
                let name = name.map(|name| name.to_string());
                inner.note_login(refused.outcome(), name, None, address);
                Err(refused)
            }
        }
    }
}

impl<S: IdentityStore> Inner<S> {
    /// Begins a session of an account whose password was proved.
    async fn begin(
        self: Arc<Self>,
        account: Account,
        password: NormalPassword,
        address: String,
    ) -> Result<Tokens, LoginError> {
        let now = self.clock.unix();
        let session = Session {
            id: SessionId::random(),
            username: account.username.clone(),
            generation: 0,
            created_at: now,
            refreshed_at: now,
            expires_at: self.session_life().expires_at(now, now),
            address,
        };
        let begun = self.begin_session(&session, &account, &password).await;
        let name = Some(account.username.to_string());
        match begun {
            Ok(()) => {
                let outcome = (Outcome::Login, "success");
                self.note_login(outcome, name, Some(session.id), &session.address);
                Ok(self.tokens(&session, &account.roles))
            }
            Err(refused) => {
                self.note_login(refused.outcome(), name, None, &session.address);
                Err(refused)
            }
        }
    }

    async fn begin_session(
        &self,
        session: &Session,
        account: &Account,
        password: &NormalPassword,
    ) -> Result<(), LoginError> {
        let now = session.created_at;
        self.store.create(session).await?;
        // A change of the password or of the account that came meanwhile has not seen this session.
        if !self.still_proves(account, password).await? {
            self.store.end(session.id, now).await?;
            return Err(LoginError::InvalidCredentials);
        }
        let sessions = self.store.sessions(&account.username, now).await?;
        for old in sessions.iter().skip(MAX_SESSIONS).filter(|old| old.id != session.id) {
            self.store.end(old.id, now).await?;
            self.revocations.end(old.id, now + self.token_life());
        }
        Ok(())
    }

    fn note_login(
        &self,
        (outcome, told): (Outcome, &'static str),
        subject: Option<String>,
        session: Option<SessionId>,
        address: &str,
    ) {
        let event = AuditEvent {
            at: self.clock.unix(),
            action: "login",
            outcome: told,
            subject,
            actor: None,
            session,
            address: Some(head(address)),
        };
        self.note(Some(outcome), event);
    }

    /// The account of that name, if `password` is its own and it is enabled.
    pub(super) async fn prove(
        &self,
        name: Option<&Username>,
        throttled: &str,
        password: &str,
    ) -> Result<(Account, NormalPassword), LoginError> {
        self.prove_from("", name, throttled, password).await
    }

    /// The same for whoever comes from `address`, which is throttled too.
    async fn prove_from(
        &self,
        address: &str,
        name: Option<&Username>,
        throttled: &str,
        password: &str,
    ) -> Result<(Account, NormalPassword), LoginError> {
        let attempt = self.throttle.begin(throttled, address, self.clock.now())?;
        // Longer than any password: no account's, so nothing is given away by not looking.
        let password = NormalPassword::new(password).map_err(|_| LoginError::InvalidCredentials)?;
        let account = match name {
            Some(name) => self.store.find(name).await?,
            None => {
                // Looked up for its time alone.
                if let Ok(nobody) = Username::parse("-") {
                    self.store.find(&nobody).await?;
                }
                None
            }
        };
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let verdict = match self.hashes.verify(password.clone(), hash).await {
            // Who guesses is told and slowed as with any other account.
            Err(error @ (HashError::Stored | HashError::Pepper)) => {
                attempt.failed(self.clock.now());
                return Err(error.into());
            }
            verdict => verdict?,
        };
        let Some(mut account) = account.filter(|account| verdict.matches && account.enabled) else {
            attempt.failed(self.clock.now());
            return Err(LoginError::InvalidCredentials);
        };
        attempt.succeeded(self.clock.now());
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
pub(super) fn head(address: &str) -> String {
    let end = address.floor_char_boundary(MAX_ADDRESS);
    address[..end].to_owned()
}
