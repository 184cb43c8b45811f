use std::{fmt, sync::Arc};

use gabion_clock::UnixTime;

/// What an account may do, by name; the names are the service's own but for [`ADMIN`](Self::ADMIN).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles(Arc<[Arc<str>]>);

impl Roles {
    /// Who manages accounts: an [`Identity`](crate::Identity) never disables the last enabled account
    /// with this role, nor takes the role from it.
    pub const ADMIN: &str = "admin";

    /// These roles, sorted, each once.
    pub fn new<R: AsRef<str>>(roles: impl IntoIterator<Item = R>) -> Self {
        let mut roles: Vec<Arc<str>> = roles.into_iter().map(|role| role.as_ref().into()).collect();
        roles.sort_unstable();
        roles.dedup();
        Self(roles.into())
    }

    /// Whether `role` is among them.
    #[must_use]
    pub fn contains(&self, role: &str) -> bool {
        self.0.iter().any(|own| &**own == role)
    }

    /// All of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|role| &**role)
    }
}

/// An account as its store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Unique, already in the form of [`Username`].
    pub username: Username,
    /// The password's hash as a PHC string; never shown.
    pub password_hash: String,
    /// What it may do.
    pub roles: Roles,
    /// Whether it may log in and its tokens are taken.
    pub enabled: bool,
    /// When it was made.
    pub created_at: UnixTime,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("username", &self.username)
            .field("roles", &self.roles)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// The name of an account: 1 to 64 of `a-z 0-9 . _ - @`, lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(Arc<str>);

/// Not a user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user name has 1 to 64 characters of a-z, 0-9, '.', '_', '-' and '@'")]
pub struct InvalidUsername;

impl Username {
    /// Longest name, in bytes.
    pub const MAX: usize = 64;

    /// Reads a name; capital letters become small ones, so that each name exists once.
    ///
    /// # Errors
    ///
    /// When it is empty, too long or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidUsername> {
        let accepted = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(accepted) {
            return Err(InvalidUsername);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
