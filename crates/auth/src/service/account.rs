use std::sync::Arc;

use gabion_clock::Clock;
use gabion_errors::{FieldError, Problem, ToProblem, types};
use zeroize::Zeroizing;

use super::{Identity, IdentityStore, Inner, LoginError, carry_through};
use crate::{
    Account, AccountChange, AuditEvent, InsertError, Principal, Roles, SessionId, StoreError,
    Username,
    metrics::Outcome,
    password::{HashError, NormalPassword, PolicyFault},
};

/// A password is not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangePasswordError {
    /// The present password is wrong, or was wrong too often.
    #[error(transparent)]
    Current(#[from] LoginError),
    /// The new one is not good enough.
    #[error("the new password breaks the policy")]
    Invalid(Vec<FieldError>),
    /// It could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account is not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateUserError {
    /// What was asked for is not acceptable.
    #[error("the account is not acceptable")]
    Invalid(Vec<FieldError>),
    /// There is one of this name.
    #[error("the account exists")]
    Exists,
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account is not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateUserError {
    /// What was asked for is not acceptable.
    #[error("the change is not acceptable")]
    Invalid(Vec<FieldError>),
    /// There is none of this name.
    #[error("there is no such account")]
    Unknown,
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn invalid(faults: &[FieldError]) -> Problem {
    Problem::new(&types::INVALID_BODY).errors(faults.to_vec())
}

impl ToProblem for ChangePasswordError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Current(error) => error.to_problem(),
            Self::Invalid(faults) => invalid(faults),
            Self::Hash(error) => error.to_problem(),
            Self::Store(error) => error.to_problem(),
        }
    }
}

impl ToProblem for CreateUserError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Invalid(faults) => invalid(faults),
            Self::Exists => Problem::new(&types::CONFLICT).detail("an account of this name exists"),
            Self::Hash(error) => error.to_problem(),
            Self::Store(error) => error.to_problem(),
        }
    }
}

impl ToProblem for UpdateUserError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Invalid(faults) => invalid(faults),
            Self::Unknown => Problem::new(&types::NOT_FOUND).detail("there is no such account"),
            Self::Hash(error) => error.to_problem(),
            Self::Store(error) => error.to_problem(),
        }
    }
}

impl From<InsertError> for CreateUserError {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::Exists => Self::Exists,
            InsertError::Store(error) => Self::Store(error),
        }
    }
}

/// What an administrator changes about an account; `None` stays as it is.
#[derive(Clone, Default)]
pub struct UserChange<'a> {
    /// New roles; they hold for the next request, with the old token as well.
    pub roles: Option<Roles>,
    /// Enabled or not; disabling ends every session.
    pub enabled: Option<bool>,
    /// A new password; it ends every session and forgives failed logins.
    pub password: Option<&'a str>,
}

/// Most roles of one account, and most characters of one role: they travel in each token.
const MAX_ROLES: usize = 32;
const MAX_ROLE: usize = 64;

impl<S: IdentityStore> Identity<S> {
    /// Changes the principal's own password. Every other session of the account ends.
    ///
    /// # Errors
    ///
    /// See [`ChangePasswordError`].
    pub async fn change_password(
        &self,
        principal: &Principal,
        current: &str,
        new: &str,
    ) -> Result<(), ChangePasswordError> {
        let (inner, name) = (&self.0, &principal.username);
        let changed = self.replace_password(principal, current, new).await;
        let (counted, told) = match &changed {
            Ok(()) => (Some(Outcome::PasswordChanged), "success"),
            Err(ChangePasswordError::Current(LoginError::TooManyAttempts(_))) => {
                (None, "too-many-attempts")
            }
            Err(ChangePasswordError::Current(_)) => (None, "invalid-credentials"),
            Err(ChangePasswordError::Invalid(_)) => (None, "invalid"),
            Err(_) => (None, "failed"),
        };
        let event = inner.event("password.change", told, name);
        inner.note(counted, AuditEvent { session: Some(principal.session), ..event });
        changed
    }

    async fn replace_password(
        &self,
        principal: &Principal,
        current: &str,
        new: &str,
    ) -> Result<(), ChangePasswordError> {
        let (inner, name) = (&self.0, &principal.username);
        let (account, current) = inner.prove(Some(name), name.as_str(), current).await?;
        let judged = inner.judge(new, name.as_str()).await?;
        let new = judged.map_err(|faults| ChangePasswordError::Invalid(at("/new", &faults)))?;
        let hash = inner.hashes.hash(new).await?;
        let (inner, session) = (Arc::clone(inner), principal.session);
        carry_through(async move {
            let _one = inner.changes.lock().await;
            if !inner.still_proves(&account, &current).await? {
                return Err(LoginError::InvalidCredentials.into());
            }
            let change = AccountChange { password_hash: Some(hash), ..AccountChange::default() };
            inner.apply(&account.username, change, Sessions::EndAllBut(session)).await?;
            Ok(())
        })
        .await
    }

    /// Makes an enabled account. The record of it names `actor`.
    ///
    /// # Errors
    ///
    /// See [`CreateUserError`].
    pub async fn create_user(
        &self,
        username: &str,
        password: &str,
        roles: Roles,
        actor: &str,
    ) -> Result<Account, CreateUserError> {
        let inner = &self.0;
        let mut faults = role_faults(&roles);
        let name = Username::parse(username);
        if let Err(error) = &name {
            faults.push(FieldError::new("/username", "format", error.to_string()));
        }
        let own = name.as_ref().map_or("", Username::as_str);
        let judged = inner.judge(password, own).await?;
        let (Ok(username), Ok(password), []) = (&name, &judged, faults.as_slice()) else {
            faults.extend(at("/password", &judged.err().unwrap_or_default()));
            return Err(CreateUserError::Invalid(faults));
        };
        let account = Account {
            username: username.clone(),
            password_hash: inner.hashes.hash(password.clone()).await?,
            roles,
            enabled: true,
            created_at: inner.clock.unix(),
        };
        inner.store.insert(&account).await?;
        if let Some(watch) = inner.watch.get() {
            watch.changed(username);
        }
        let event = inner.event("user.create", "success", username);
        inner.note(None, AuditEvent { actor: Some(actor.to_owned()), ..event });
        Ok(account)
    }

    /// Changes an account and returns what it is now. Disabling it and a new password end every
    /// session. The record of it names `actor`.
    ///
    /// # Errors
    ///
    /// See [`UpdateUserError`].
    pub async fn update_user(
        &self,
        username: &Username,
        change: UserChange<'_>,
        actor: &str,
    ) -> Result<Account, UpdateUserError> {
        let UserChange { roles, enabled, password } = change;
        let mut faults = roles.as_ref().map(role_faults).unwrap_or_default();
        let password = match password {
            Some(password) => match self.0.judge(password, username.as_str()).await? {
                Ok(password) => Some(password),
                Err(more) => {
                    faults.extend(at("/password", &more));
                    None
                }
            },
            None => None,
        };
        if !faults.is_empty() {
            return Err(UpdateUserError::Invalid(faults));
        }
        if self.0.store.find(username).await?.is_none() {
            return Err(UpdateUserError::Unknown);
        }
        let password_hash = match password {
            Some(password) => Some(self.0.hashes.hash(password).await?),
            None => None,
        };
        let (inner, name, actor) = (Arc::clone(&self.0), username.clone(), actor.to_owned());
        carry_through(async move {
            let _one = inner.changes.lock().await;
            let new_password = password_hash.is_some();
            let ends = new_password || enabled == Some(false);
            let sessions = if ends { Sessions::EndAll } else { Sessions::Keep };
            let change = AccountChange { roles, enabled, password_hash };
            let updated = inner.apply(&name, change, sessions).await?;
            if new_password {
                inner.throttle.reset(name.as_str());
            }
            let event = inner.event("user.update", "success", &name);
            inner.note(None, AuditEvent { actor: Some(actor), ..event });
            updated.ok_or(UpdateUserError::Unknown)
        })
        .await
    }

    /// All accounts, by name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_users(&self) -> Result<Vec<Account>, StoreError> {
        self.0.store.list().await
    }
}

/// What a change does to the sessions of its account.
#[derive(Clone, Copy)]
enum Sessions {
    Keep,
    EndAll,
    EndAllBut(SessionId),
}

impl<S: IdentityStore> Inner<S> {
    /// Whether `password` is good enough for the account of that name.
    async fn judge(
        &self,
        password: &str,
        name: &str,
    ) -> Result<Result<NormalPassword, Vec<PolicyFault>>, HashError> {
        if password.len() > NormalPassword::MAX_BYTES {
            return Ok(Err(vec![PolicyFault::TooManyBytes]));
        }
        let policy = Arc::clone(&self.policy);
        let (password, name) = (Zeroizing::new(password.to_owned()), name.to_owned());
        let service = self.config.issuer.clone();
        let judged =
            self.hashes.judge(move || policy.check(&password, &own_words(&name, &service)));
        judged.await
    }

    /// Writes a change of an account and ends its sessions.
    async fn apply(
        &self,
        name: &Username,
        change: AccountChange,
        sessions: Sessions,
    ) -> Result<Option<Account>, StoreError> {
        let keep = match sessions {
            Sessions::Keep => None,
            Sessions::EndAll => Some(None),
            Sessions::EndAllBut(session) => Some(Some(session)),
        };
        // Before the change, so that a crash never leaves it with the sessions it should have
        // ended; and after it, for those that began in between.
        if let Some(keep) = keep {
            self.end_all(name, keep).await?;
        }
        let updated = self.store.update(name, change).await?;
        if let Some(watch) = self.watch.get() {
            watch.changed(name);
        }
        if let Some(keep) = keep {
            self.end_all(name, keep).await?;
        }
        Ok(updated)
    }
}

/// The faults of the password at `pointer`.
fn at(pointer: &str, faults: &[PolicyFault]) -> Vec<FieldError> {
    faults.iter().map(|fault| fault.at(pointer)).collect()
}

/// What an account is known by, whole and in parts.
fn own_words<'a>(name: &'a str, service: &'a str) -> Vec<&'a str> {
    let parts = name.split(['.', '_', '-', '@']).filter(|part| part.len() > 2);
    parts.chain([name, service]).take(16).collect()
}

fn role_faults(roles: &Roles) -> Vec<FieldError> {
    let accepted = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let fits =
        |role: &str| !role.is_empty() && role.len() <= MAX_ROLE && role.bytes().all(accepted);
    let detail = "has at most 32 roles, each of 1 to 64 characters of a-z, 0-9, '.', '_' and '-'";
    let well = roles.iter().count() <= MAX_ROLES && roles.iter().all(fits);
    if well { Vec::new() } else { vec![FieldError::new("/roles", "format", detail)] }
}
