//! Work on the data folder while no server runs.

use std::sync::Arc;

use gabion_auth::{Identity, KeyRing};
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
    let data_dir = context.data_dir()?;
    data_dir.create()?;
    let lock = data_dir.lock()?;
    Ok((data_dir, lock))
}

/// Opens the accounts.
pub(super) async fn open(context: &Context) -> Result<Offline, Failure> {
    let settings = context.settings()?;
    let (data_dir, lock) = lock(context)?;
    let sql = Sql::open(&data_dir.database()).await?;
    let keys =
        KeyRing::open(&data_dir.keys()).map_err(|e| Failure { code: 2, ..Failure::new(e) })?;
    let clock = Arc::new(SystemClock::new());
    let store = Arc::new(sql.clone());
    let identity = Identity::new(store, Arc::new(keys), &settings.auth, 1, clock);
    Ok(Offline { identity: identity.map_err(Failure::new)?, sql, _lock: lock })
}
