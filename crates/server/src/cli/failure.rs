use gabion_auth::{CreateApiKeyError, CreateUserError, KeyRingError, UpdateUserError};
use gabion_config::HistoryError;
use gabion_errors::{BoxError, FieldError, error_chain};
use serde_json::{Map, Value, json};

use crate::{config::ConfigError, control::ControlError, data_dir::DataDirError, run::RunError};

/// Why a command failed: the exit code with what is told.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    /// In words, with the lines below the first.
    pub(super) told: String,
    /// What scripts get besides.
    pub(super) parts: Map<String, Value>,
}

/// Configuration and usage.
pub(super) const USAGE: u8 = 2;

impl Failure {
    pub(super) fn usage(told: impl Into<String>) -> Self {
        Self { code: USAGE, told: told.into(), parts: Map::new() }
    }

    /// For scripts: `error`, in words, and what is known in parts. Of a configuration these are
    /// `mistakes` and `findings`, of what the running server refused its `problem`.
    pub(super) fn document(self) -> Value {
        let mut document = self.parts;
        document.entry("error").or_insert(Value::String(self.told));
        Value::Object(document)
    }

    fn with(mut self, name: &str, part: Value) -> Self {
        self.parts.insert(name.to_owned(), part);
        self
    }

    /// The same, with a line more.
    pub(super) fn and(mut self, line: &str) -> Self {
        self.told.push_str("\n  ");
        self.told.push_str(line);
        self
    }

    pub(super) fn new(error: impl Into<BoxError>) -> Self {
        Self { code: 1, told: error_chain(&*error.into()), parts: Map::new() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Findings(ref findings) => {
                let title = error.to_string();
                let lines = findings.iter().map(|finding| format!("\n  {finding}"));
                Self::usage(format!("{title}{}", lines.collect::<String>()))
                    .with("error", title.into())
                    .with("mistakes", findings.len().into())
                    .with("findings", json!(findings))
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
        let ControlError::Refused(status, problem) = &error else { return Self::new(error) };
        let (code, problem) = (if status.as_u16() == 422 { USAGE } else { 1 }, problem.clone());
        Self { code, ..Self::new(error) }.with("problem", problem)
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
