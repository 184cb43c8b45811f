//! Accounts as requests see them: looked up once, remembered until they change.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gabion_auth::{AccountState, AccountWatch, Accounts, Roles, StoreError, UserStore, Username};
use gabion_cache::{Cache, CacheConfig, CacheSnapshot, LoadError, Loaded};
use gabion_clock::{Clock, Instant};
use gabion_sql::Sql;

use crate::listen::CoarseClock;

/// The cached look-up of accounts. Clones share it.
#[derive(Clone)]
pub struct CachedAccounts {
    cache: Arc<AccountCache>,
    sql: Sql,
    clock: CoarseClock,
    /// Whether another process may change accounts: then nothing is remembered.
    shared: Arc<AtomicBool>,
}

type AccountCache =
    Cache<Username, AccountState, Arc<StoreError>, fn(&Username, &AccountState) -> u64>;

/// What an entry takes beside its texts.
const OVERHEAD: u64 = 160;

fn weigh(name: &Username, state: &AccountState) -> u64 {
    let roles: usize = state.roles.iter().map(|role| role.len() + 32).sum();
    OVERHEAD + (name.as_str().len() + roles) as u64
}

impl CachedAccounts {
    /// A cache of the size in `config` over `sql`.
    #[must_use]
    pub fn new(config: &CacheConfig, sql: Sql, clock: CoarseClock) -> Self {
        let weigher: fn(&Username, &AccountState) -> u64 = weigh;
        let cache = Arc::new(Cache::with_weigher("accounts", config, weigher));
        Self { cache, sql, clock, shared: Arc::default() }
    }

    /// Another process begins or ceases to change accounts; while it does, each look-up reads them.
    pub fn share(&self, shared: bool) {
        if shared {
            self.shared.store(true, Ordering::SeqCst);
        } else {
            self.cache.clear();
            self.shared.store(false, Ordering::SeqCst);
        }
    }

    /// How long accounts are remembered that are read from now on.
    pub fn set_ttl(&self, ttl: Duration) {
        self.cache.set_ttl(ttl);
    }

    /// For the status page.
    #[must_use]
    pub fn snapshot(&self) -> CacheSnapshot {
        self.cache.snapshot()
    }

    async fn load(
        &self,
        username: &Username,
        now: Instant,
    ) -> Result<Option<AccountState>, StoreError> {
        let load = async { Ok(Loaded::from(self.read(username).await.map_err(Arc::new)?)) };
        self.cache.get_or_load(username, now, load).await.map_err(|error| match error {
            LoadError::Failed(error) => StoreError(Box::new(Shared(error))),
            other => StoreError(other.to_string().into()),
        })
    }

    async fn read(&self, username: &Username) -> Result<Option<AccountState>, StoreError> {
        let account = self.sql.find(username).await?;
        Ok(account.map(|account| AccountState { roles: account.roles, enabled: account.enabled }))
    }
}

impl Accounts for CachedAccounts {
    async fn account(&self, username: &Username) -> Result<Option<AccountState>, StoreError> {
        // Boxed: the future of a query is large, and every request would carry room for it.
        if self.shared.load(Ordering::SeqCst) {
            return Box::pin(self.read(username)).await;
        }
        let now = self.clock.now();
        match self.cache.get(username, now) {
            Some(state) => Ok(Some(state)),
            None => Box::pin(self.load(username, now)).await,
        }
    }
}

impl AccountWatch for CachedAccounts {
    fn changed(&self, username: &Username) {
        self.cache.invalidate(username);
    }
}

/// A failure that several requests waited for.
#[derive(Debug, thiserror::Error)]
#[error("the look-up failed")]
struct Shared(#[source] Arc<StoreError>);

/// A hit in the cache copies the state, and every authenticated request is one.
const _: () = assert!(size_of::<Roles>() <= 16);
