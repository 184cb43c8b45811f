//! What is told of accounts, backups and configurations, by routes and commands alike.

use gabion_auth::{Account, ApiKey};
use gabion_sql::backup::Backup;
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::Accepted;

/// An account.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserItem {
    username: String,
    roles: Vec<String>,
    enabled: bool,
    #[schema(format = "date-time")]
    created_at: String,
}

/// An API key, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyItem {
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    name: String,
    /// In whose name it calls.
    username: String,
    /// What it may be used for.
    scopes: Vec<String>,
    #[schema(format = "date-time")]
    created_at: String,
    #[schema(format = "date-time")]
    expires_at: String,
    /// To some minutes after a crash.
    #[schema(format = "date-time", required = true)]
    last_used_at: Option<String>,
}

/// A new API key; its secret is shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewApiKeyItem {
    #[serde(flatten)]
    #[schema(inline)]
    pub(crate) key: ApiKeyItem,
    /// What the machine sends as its bearer token.
    pub(crate) secret: String,
}

/// A backup.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackupItem {
    #[schema(pattern = "^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$")]
    id: String,
    #[schema(format = "date-time")]
    created_at: String,
    bytes: u64,
}

/// A configuration that was taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct AcceptedItem {
    pub(crate) version: u64,
    /// Keys that have another value now.
    changed: Vec<String>,
    /// Keys that hold only after a restart: the process has other values, from this change or from one
    /// before it.
    needs_restart: Vec<String>,
    /// Until when it has to be confirmed.
    #[schema(format = "date-time")]
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm_by: Option<String>,
    /// The version that comes back otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    otherwise: Option<u64>,
}

impl From<&ApiKey> for ApiKeyItem {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            username: key.username.to_string(),
            scopes: key.scopes.iter().map(str::to_owned).collect(),
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.to_string(),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
        }
    }
}

impl From<&Account> for UserItem {
    fn from(account: &Account) -> Self {
        Self {
            username: account.username.to_string(),
            roles: account.roles.iter().map(str::to_owned).collect(),
            enabled: account.enabled,
            created_at: account.created_at.to_string(),
        }
    }
}

impl From<&Backup> for BackupItem {
    fn from(backup: &Backup) -> Self {
        Self {
            id: backup.id.to_string(),
            created_at: backup.created_at.to_string(),
            bytes: backup.bytes,
        }
    }
}

/// Without a running process: everything holds from the next start.
impl From<Accepted> for AcceptedItem {
    fn from(accepted: Accepted) -> Self {
        let needs_restart = accepted.changed.needs_restart().map(str::to_owned).collect();
        Self::of(&accepted, needs_restart)
    }
}

impl AcceptedItem {
    /// In a process where `needs_restart` wait.
    pub(crate) fn of(accepted: &Accepted, needs_restart: Vec<String>) -> Self {
        Self {
            version: accepted.version,
            changed: accepted.changed.iter().map(|changed| changed.key.clone()).collect(),
            needs_restart,
            confirm_by: accepted.trial.map(|trial| trial.until.to_string()),
            otherwise: accepted.trial.map(|trial| trial.before),
        }
    }
}
