//! Work on the data folder while no server runs.

use std::sync::Arc;

use gabion_auth::{Account, ApiKey, ApiKeyStore, Identity, StoreError, UserStore};
use gabion_clock::{Clock, SystemClock};
use gabion_sql::Sql;

use super::{Context, Failure};
use crate::{
    audit::{Actor, AuditTrail},
    data_dir::{DataDir, DataLock},
    keys,
};

/// The accounts of a data folder that nobody else works in.
pub(super) struct Offline {
    pub(super) identity: Identity<Sql>,
    pub(super) sql: Sql,
    audit: AuditTrail,
    _lock: DataLock,
}

impl Offline {
    /// Records something that was done to the service itself.
    pub(super) fn note(
        &self,
        action: &'static str,
        outcome: &'static str,
        subject: Option<String>,
    ) {
        let now = SystemClock::new().unix();
        let mut event = Actor::named("local").did(action, outcome, now);
        event.subject = subject;
        self.audit.note(event);
    }

    /// Writes down what was done, and leaves the folder to others.
    pub(super) async fn close(self) {
        self.audit.close();
        self.audit.write(&self.sql).await;
        self.sql.close().await;
    }
}

/// The data folder, for this command alone.
pub(super) fn lock(context: &Context) -> Result<(DataDir, DataLock), Failure> {
    let data_dir = context.data_dir();
    data_dir.create()?;
    let lock = data_dir.lock()?;
    Ok((data_dir, lock))
}

/// Opens the accounts, to change them.
pub(super) async fn open(context: &Context) -> Result<Offline, Failure> {
    let settings = context.settings()?;
    let (data_dir, lock) = lock(context)?;
    let sql = Sql::open(&data_dir.database()).await?;
    let clock = Arc::new(SystemClock::new());
    let keys = keys::open(&data_dir, &settings.auth, clock.unix())?;
    let store = Arc::new(sql.clone());
    let identity = Identity::new(store, Arc::new(keys), &settings.auth, 1, clock);
    let audit = AuditTrail::new();
    let identity = identity.map_err(Failure::new)?.with_audit(audit.clone());
    identity.restore().await?;
    Ok(Offline { identity, sql, audit, _lock: lock })
}

/// The accounts that there are; makes nothing where there are none.
pub(super) async fn accounts(context: &Context) -> Result<Vec<Account>, Failure> {
    read(context, async |sql| sql.list().await).await
}

/// The API keys that there are; makes nothing where there are none.
pub(super) async fn api_keys(context: &Context) -> Result<Vec<ApiKey>, Failure> {
    read(context, async |sql| sql.api_keys().await).await
}

async fn read<T>(
    context: &Context,
    list: impl AsyncFnOnce(&Sql) -> Result<Vec<T>, StoreError>,
) -> Result<Vec<T>, Failure> {
    // A mistake may have named another folder.
    context.settings()?;
    let data_dir = context.data_dir();
    if !data_dir.database().exists() {
        return Ok(Vec::new());
    }
    data_dir.check()?;
    let _lock = data_dir.lock()?;
    let sql = Sql::open(&data_dir.database()).await?;
    let found = list(&sql).await;
    sql.close().await;
    Ok(found?)
}
