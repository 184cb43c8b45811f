//! Work on the data folder while no server runs.

use std::sync::Arc;

use gabion_auth::{Account, Identity, KeyRing, UserStore};
use gabion_clock::SystemClock;
use gabion_sql::Sql;

use super::{Context, Failure};
use crate::data_dir::{DataDir, DataLock};

/// The accounts of a data folder that nobody else works in.
pub(super) struct Offline {
    pub(super) identity: Identity<Sql>,
    pub(super) sql: Sql,
    _lock: DataLock,
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
    let keys = KeyRing::open(&data_dir.keys())?;
    let clock = Arc::new(SystemClock::new());
    let store = Arc::new(sql.clone());
    let identity = Identity::new(store, Arc::new(keys), &settings.auth, 1, clock);
    Ok(Offline { identity: identity.map_err(Failure::new)?, sql, _lock: lock })
}

/// The accounts that there are; makes nothing where there are none.
pub(super) async fn accounts(context: &Context) -> Result<Vec<Account>, Failure> {
    // A mistake may have named another folder.
    context.settings()?;
    let data_dir = context.data_dir();
    if !data_dir.database().exists() {
        return Ok(Vec::new());
    }
    data_dir.check()?;
    let _lock = data_dir.lock()?;
    let sql = Sql::open(&data_dir.database()).await?;
    let accounts = sql.list().await;
    sql.close().await;
    Ok(accounts?)
}
