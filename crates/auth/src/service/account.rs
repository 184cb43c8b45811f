mod error;

use std::{future::Future, sync::Arc};

use gabion_clock::Clock;
use gabion_errors::FieldError;
use zeroize::Zeroizing;

pub use self::error::{ChangePasswordError, CreateUserError, UpdateUserError};
use super::{Identity, IdentityStore, Inner, LoginError, carry_through};
use crate::{
    Account, AccountChange, AuditEvent, InvalidUsername, Principal, Roles, SessionId, StoreError,
    Username,
    metrics::Outcome,
    password::{HashError, NormalPassword, PolicyFault},
};

/// What an administrator changes about an account; `None` stays as it is.
#[derive(Clone, Default)]
pub struct UserChange<'a> {
    /// New roles; they hold for the next request, with the old token as well.
    pub roles: Option<Roles>,
    /// Enabled or not; disabling ends every session, enabling forgives failed logins.
    pub enabled: Option<bool>,
    /// A new password; it ends every session and forgives failed logins.
    pub password: Option<&'a str>,
}

/// Most roles of one account, and most characters of one role: they travel in each token.
const MAX_ROLES: usize = 32;
const MAX_ROLE: usize = 64;

/// Under these names a service acts by itself in its records: at its start, on a signal, on a changed
/// file, and for whoever is at its machine.
const RESERVED: [&str; 4] = ["local", "start", "signal", "file"];

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
        let changed = self.replace_password(principal, current, new).await;
        let told = match &changed {
            // Told where it was carried through.
            Ok(()) => return changed,
            Err(ChangePasswordError::Current(LoginError::TooManyAttempts(_))) => {
                "too-many-attempts"
            }
            Err(ChangePasswordError::Current(_)) => "invalid-credentials",
            Err(ChangePasswordError::Invalid(_)) => "invalid",
            Err(_) => "failed",
        };
        let event = self.0.event("password.change", told, &principal.username);
        self.0.note(None, AuditEvent { session: Some(principal.session), ..event });
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
            let name = &account.username;
            let update = inner.store.update(name, change);
            inner.apply(name, Sessions::EndAllBut(session), update).await?;
            let event = inner.event("password.change", "success", name);
            let event = AuditEvent { session: Some(session), ..event };
            inner.note(Some(Outcome::PasswordChanged), event);
            Ok(())
        })
        .await
    }

    /// Everything that is not acceptable about a name and a password for it; the password is judged
    /// also where the name cannot be.
    ///
    /// For an answer that names faults of other kinds too: [`create_user`](Self::create_user) and
    /// [`update_user`](Self::update_user) judge by themselves.
    ///
    /// # Errors
    ///
    /// When the password could not be judged now.
    pub async fn faults(
        &self,
        username: Option<&str>,
        password: Option<&str>,
    ) -> Result<Vec<FieldError>, HashError> {
        let name = username.map(Username::parse);
        let mut faults = Vec::new();
        faults.extend(name.as_ref().and_then(name_fault));
        if let Some(password) = password {
            let own = name.as_ref().and_then(|name| name.as_ref().ok());
            let judged = self.0.judge(password, own.map_or("", Username::as_str)).await?;
            faults.extend(at("/password", &judged.err().unwrap_or_default()));
        }
        Ok(faults)
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
        faults.extend(name_fault(&name));
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
        let (inner, actor) = (Arc::clone(inner), actor.to_owned());
        carry_through(async move {
            let _one = inner.changes.lock().await;
            inner.store.insert(&account).await?;
            if let Some(watch) = inner.watch.get() {
                watch.changed(&account.username);
            }
            let event = inner.event("user.create", "success", &account.username);
            inner.note(None, AuditEvent { actor: Some(actor), ..event });
            Ok(account)
        })
        .await
    }

    /// Changes an account and returns what it is now. Disabling it and a new password end every
    /// session. The last enabled account with the role [`Roles::ADMIN`] stays one. The record of it
    /// names `actor`.
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
            // Told before the sessions end: who is refused keeps them. The store asks again, for
            // another process.
            if inner.would_lock_out(&name, &change).await? {
                return Err(UpdateUserError::LastAdministrator);
            }
            let update = inner.store.update_but_last(&name, change, Roles::ADMIN);
            let updated = inner.apply(&name, sessions, update).await?;
            let event = inner.event("user.update", "success", &name);
            inner.note(None, AuditEvent { actor: Some(actor), ..event });
            if new_password || enabled == Some(true) {
                // The change itself is done; what the store has not taken yet is written later.
                let _ = inner.forgive(name.as_str()).await;
            }
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
        let judged = self.hashes.judge(move || policy.check(&password, &[&name, &service]));
        judged.await
    }

    /// Whether nobody could manage accounts any more after `change`.
    async fn would_lock_out(
        &self,
        name: &Username,
        change: &AccountChange,
    ) -> Result<bool, StoreError> {
        let roles = change.roles.as_ref();
        let stays = change.enabled != Some(false) && roles.is_none_or(|r| r.contains(Roles::ADMIN));
        if stays {
            return Ok(false);
        }
        let accounts = self.store.list().await?;
        let manages = |account: &&Account| account.enabled && account.roles.contains(Roles::ADMIN);
        let mut managers = accounts.iter().filter(manages).map(|account| &account.username);
        Ok(managers.next() == Some(name) && managers.next().is_none())
    }

    /// Ends the sessions of an account whose change is written by `update`.
    async fn apply<E: From<StoreError>>(
        &self,
        name: &Username,
        sessions: Sessions,
        update: impl Future<Output = Result<Option<Account>, E>>,
    ) -> Result<Option<Account>, E> {
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
        let updated = update.await?;
        if let Some(watch) = self.watch.get() {
            watch.changed(name);
        }
        if let Some(keep) = keep {
            self.end_all(name, keep).await?;
        }
        Ok(updated)
    }
}

/// What is wrong with the name of a new account.
fn name_fault(name: &Result<Username, InvalidUsername>) -> Option<FieldError> {
    let fault = |code, detail: String| Some(FieldError::new("/username", code, detail));
    match name {
        Err(error) => fault("format", error.to_string()),
        Ok(name) if RESERVED.contains(&name.as_str()) => {
            let detail = "is a name under which the server itself acts; choose another one";
            fault("reserved", detail.to_owned())
        }
        Ok(_) => None,
    }
}

/// The faults of the password at `pointer`.
fn at(pointer: &str, faults: &[PolicyFault]) -> Vec<FieldError> {
    faults.iter().map(|fault| fault.at(pointer)).collect()
}

pub(super) fn role_faults(roles: &Roles) -> Vec<FieldError> {
    let accepted = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let fits =
        |role: &str| !role.is_empty() && role.len() <= MAX_ROLE && role.bytes().all(accepted);
    let detail = "has at most 32 roles, each of 1 to 64 characters of a-z, 0-9, '.', '_' and '-'";
    let well = roles.iter().count() <= MAX_ROLES && roles.iter().all(fits);
    if well { Vec::new() } else { vec![FieldError::new("/roles", "format", detail)] }
}
