//! The first account.

use std::path::{Path, PathBuf};

use gabion_auth::{
    Account, AuthConfig, CreateUserError, HashError, Identity, Roles, StoreError, Username,
};
use gabion_config::{Secret, SecretFileError};
use gabion_sql::Sql;
use rand::seq::IndexedRandom;

/// The first account could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The file with its password cannot be read.
    #[error("auth.bootstrap.password_file: {}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why it cannot.
        source: SecretFileError,
    },
    /// Their passwords could not be verified, right or wrong.
    #[error(
        "auth.password.pepper_file does not hold the pepper that the password of {first} and of \
         {others} other accounts was hashed with; put it back as a line of that file, or set new \
         passwords with gabion user passwd"
    )]
    Pepper {
        /// One of the accounts.
        first: Username,
        /// How many more there are.
        others: usize,
    },
    /// The password or the name breaks a rule.
    #[error("the first account cannot be made from auth.bootstrap: {0}")]
    Refused(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Hashing failed.
    #[error("the password could not be hashed")]
    Hash(#[source] CreateUserError),
}

/// Letters of a random password: none that look alike.
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXY34679";

/// Makes the first account if there is none yet, and returns its name with the password where that
/// was made up.
///
/// # Errors
///
/// When its password breaks the policy, an account was hashed with a pepper that is not there, or the
/// store fails.
pub async fn first_account(
    identity: &Identity<Sql>,
    config: &AuthConfig,
) -> Result<Option<(String, Secret)>, BootstrapError> {
    let accounts = identity.list_users().await?;
    let lacks = |account: &&Account| {
        identity.hashes().check(&account.password_hash) == Err(HashError::Pepper)
    };
    let mut lacking = accounts.iter().filter(lacks).map(|account| account.username.clone());
    if let Some(first) = lacking.next() {
        return Err(BootstrapError::Pepper { first, others: lacking.count() });
    }
    if !accounts.is_empty() {
        return Ok(None);
    }
    let (password, made_up) = match config.bootstrap.password_file.as_str() {
        "" => (random_password(), true),
        file => (read_password(Path::new(file))?, false),
    };
    let name = &config.bootstrap.username;
    let roles = Roles::new(["admin"]);
    match identity.create_user(name, password.expose(), roles, "start").await {
        // Another process was faster: its account stands.
        Ok(_) | Err(CreateUserError::Exists) => {}
        Err(CreateUserError::Invalid(faults)) => {
            let faults: Vec<String> =
                faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect();
            return Err(BootstrapError::Refused(faults.join("; ")));
        }
        Err(CreateUserError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(BootstrapError::Hash(error)),
    }
    Ok(made_up.then(|| (name.clone(), password)))
}

/// 24 letters in groups of six: 135 bits.
fn random_password() -> Secret {
    let mut rng = rand::rng();
    let letter = |_| LETTERS.choose(&mut rng).copied().map_or('x', char::from);
    let letters: Vec<char> = (0..24).map(letter).collect();
    let groups: Vec<String> = letters.chunks(6).map(|group| group.iter().collect()).collect();
    Secret::new(groups.join("-"))
}

fn read_password(file: &Path) -> Result<Secret, BootstrapError> {
    let wrong = |source| BootstrapError::File { file: file.to_owned(), source };
    let secret = Secret::read(file).map_err(wrong)?;
    Ok(Secret::new(secret.expose().trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_password_is_long_and_new_each_time() {
        let (one, other) = (random_password(), random_password());
        assert_eq!(one.expose().len(), 27);
        assert_ne!(one.expose(), other.expose());
    }
}
