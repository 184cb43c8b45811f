use gabion_errors::{FieldError, Problem, ToProblem, types};

use crate::{InsertError, LoginError, StoreError, UpdateError, password::HashError};

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
    /// Nobody could manage accounts any more.
    #[error("{LAST}")]
    LastAdministrator,
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ToProblem for ChangePasswordError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Current(error) => error.to_problem(),
            Self::Invalid(faults) => Problem::faulty(faults.clone()),
            Self::Hash(error) => error.to_problem(),
            Self::Store(error) => error.to_problem(),
        }
    }
}

impl ToProblem for CreateUserError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Invalid(faults) => Problem::faulty(faults.clone()),
            Self::Exists => Problem::new(&types::CONFLICT).detail("an account of this name exists"),
            Self::Hash(error) => error.to_problem(),
            Self::Store(error) => error.to_problem(),
        }
    }
}

impl ToProblem for UpdateUserError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Invalid(faults) => Problem::faulty(faults.clone()),
            Self::Unknown => Problem::new(&types::NOT_FOUND).detail("there is no such account"),
            Self::LastAdministrator => Problem::new(&types::CONFLICT).detail(LAST),
            Self::Hash(error) => error.to_problem(),
            Self::Store(error) => error.to_problem(),
        }
    }
}

impl From<UpdateError> for UpdateUserError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Last => Self::LastAdministrator,
            UpdateError::Store(error) => Self::Store(error),
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

const LAST: &str = "this is the last enabled account with the role admin; make another account an \
                    administrator first";
