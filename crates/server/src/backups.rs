//! Backups of the running server: made on request and on schedule, kept in number.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gabion_clock::{Clock, SystemClock};
use gabion_errors::Rejection;
use gabion_sql::{
    Sql,
    backup::{self, Backup, BackupError, BackupId},
};
use tracing::{info, warn};

use crate::{
    config::{ConfigError, ConfigKeeper},
    metrics::BACKUP_AGE,
};

/// Makes and looks after backups.
pub struct BackupKeeper {
    dir: PathBuf,
    sql: Sql,
    config: Arc<ConfigKeeper>,
    clock: SystemClock,
}

impl BackupKeeper {
    /// Keeps backups in `dir`.
    #[must_use]
    pub fn new(dir: PathBuf, sql: Sql, config: Arc<ConfigKeeper>, clock: SystemClock) -> Self {
        Self { dir, sql, config, clock }
    }

    /// All backups, newest first.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub async fn list(&self) -> Result<Vec<Backup>, BackupError> {
        backup::list(&self.dir).await
    }

    /// Makes a backup; it counts only once it was opened and checked. Older ones beyond
    /// `backup.keep` are removed then.
    ///
    /// # Errors
    ///
    /// When it could not be made or does not check.
    pub async fn create(&self) -> Result<Backup, Rejection> {
        let config = self.config.text().map_err(ConfigError::History)?;
        let made = backup::create(&self.sql, &self.dir, &config, self.clock.unix()).await?;
        let keep = self.config.live().load().backup.keep;
        if let Err(error) = backup::retain(&self.dir, keep).await {
            warn!(%error, "older backups could not be removed");
        }
        Ok(made)
    }

    /// Checks a backup.
    ///
    /// # Errors
    ///
    /// When there is none of this name, or it is damaged.
    pub async fn verify(&self, id: &str) -> Result<(), BackupError> {
        let id: BackupId = id.parse().map_err(|_| BackupError::InvalidId)?;
        backup::verify(&self.dir, &id).await.map(|_| ())
    }

    /// Makes a backup whenever the newest is older than `backup.every`, and tells the newest's age.
    pub async fn run(&self) {
        let age_gauge = metrics::gauge!(BACKUP_AGE);
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            let newest = backup::newest_verified(&self.dir).await;
            let now = self.clock.unix();
            let age = newest.map(|newest| now.saturating_since(newest));
            age_gauge.set(age.map_or(f64::NAN, |age| age.as_secs_f64()));
            let every = self.config.live().load().backup.every;
            // The first one only after a while: a server that was just begun has little to lose.
            if age.is_none_or(|age| age >= every) && self.clock.now().as_nanos() > FIRST {
                match self.create().await {
                    Ok(made) => info!(id = %made.id, bytes = made.bytes, "backup made"),
                    Err(error) => warn!(cause = error.cause_chain(), "backup failed"),
                }
            }
        }
    }
}

const LOOK: Duration = Duration::from_secs(30);
const FIRST: u64 = 300_000_000_000;
