use gabion_auth::{CreateApiKeyError, CreateUserError, KeyRingError, UpdateUserError};
use gabion_config::HistoryError;
use gabion_errors::{BoxError, FieldError, error_chain};

use crate::{config::ConfigError, control::ControlError, data_dir::DataDirError, run::RunError};

/// Why a command failed: the exit code with what is told.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    pub(super) told: String,
}

/// Configuration and usage.
pub(super) const USAGE: u8 = 2;

impl Failure {
    pub(super) fn usage(told: impl Into<String>) -> Self {
        Self { code: USAGE, told: told.into() }
    }

    /// What it is was told already.
    pub(super) fn told(code: u8) -> Self {
        Self { code, told: String::new() }
    }

    /// The same, with a line more.
    pub(super) fn and(mut self, line: &str) -> Self {
        self.told.push_str("\n  ");
        self.told.push_str(line);
        self
    }

    pub(super) fn new(error: impl Into<BoxError>) -> Self {
        Self { code: 1, told: error_chain(&*error.into()) }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Findings(ref findings) => {
                let mut told = error.to_string();
                for finding in findings {
                    told.push_str(&format!("\n  {finding}"));
                }
                Self::usage(told)
            }
            // In the words of a running server.
            ConfigError::NoSuchVersion | ConfigError::History(HistoryError::NoSuchVersion(_)) => {
                Self::new(ConfigError::NoSuchVersion)
            }
            error => Self::new(error),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Config(error) => error.into(),
            RunError::Refused(error) => Self { code: USAGE, ..Self::new(error) },
            RunError::Failed(error) => Self::new(error),
        }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let code = match &error {
            ControlError::Refused(status, _) if status.as_u16() == 422 => USAGE,
            _ => 1,
        };
        Self { code, ..Self::new(error) }
    }
}

/// Each fault on a line of its own, as the running server tells them.
fn faults(error: impl std::error::Error, faults: &[FieldError]) -> Failure {
    let lines = faults.iter().map(|fault| format!("\n  {} {}", fault.pointer, fault.detail));
    Failure::usage(format!("{error}{}", lines.collect::<String>()))
}

impl From<CreateUserError> for Failure {
    fn from(error: CreateUserError) -> Self {
        match &error {
            CreateUserError::Invalid(list) => faults(&error, list),
            _ => Self::new(error),
        }
    }
}

impl From<UpdateUserError> for Failure {
    fn from(error: UpdateUserError) -> Self {
        match &error {
            UpdateUserError::Invalid(list) => faults(&error, list),
            _ => Self::new(error),
        }
    }
}

impl From<CreateApiKeyError> for Failure {
    fn from(error: CreateApiKeyError) -> Self {
        match &error {
            CreateApiKeyError::Invalid(list) => faults(&error, list),
            _ => Self::new(error),
        }
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        match error {
            DataDirError::Shared(_) => Self { code: USAGE, ..Self::new(error) },
            _ => Self::new(error),
        }
    }
}

impl From<KeyRingError> for Failure {
    fn from(error: KeyRingError) -> Self {
        Self { code: USAGE, ..Self::new(error) }
    }
}

macro_rules! failures {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error)
            }
        }
    )*};
}

failures!(
    std::io::Error,
    serde_json::Error,
    gabion_auth::StoreError,
    HistoryError,
    gabion_sql::OpenError,
    gabion_sql::backup::BackupError
);
