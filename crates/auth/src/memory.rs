use std::collections::{BTreeMap, HashMap};

use gabion_clock::UnixTime;
use parking_lot::Mutex;

use crate::{
    Account, AccountChange, ApiKey, ApiKeyId, ApiKeyStore, FailureKey, FailureRecord, InsertError,
    RevocationStore, Rotation, Session, SessionId, SessionLife, SessionStore, StoreError,
    UpdateError, UserStore, Username,
};

mod failures;

/// Keeps everything in memory: for tests and examples. Nothing survives the process.
#[derive(Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Default)]
struct State {
    accounts: BTreeMap<Username, Account>,
    sessions: HashMap<SessionId, Kept>,
    api_keys: HashMap<ApiKeyId, ApiKey>,
    failures: HashMap<FailureKey, FailureRecord>,
}

struct Kept {
    session: Session,
    ended_at: Option<UnixTime>,
}

impl Kept {
    fn is_live(&self, now: UnixTime) -> bool {
        self.ended_at.is_none() && now < self.session.expires_at
    }
}

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl UserStore for MemoryStore {
    async fn find(&self, username: &Username) -> Result<Option<Account>, StoreError> {
        Ok(self.0.lock().accounts.get(username).cloned())
    }

    async fn list(&self) -> Result<Vec<Account>, StoreError> {
        Ok(self.0.lock().accounts.values().cloned().collect())
    }

    async fn insert(&self, account: &Account) -> Result<(), InsertError> {
        let accounts = &mut self.0.lock().accounts;
        if accounts.contains_key(&account.username) {
            return Err(InsertError::Exists);
        }
        accounts.insert(account.username.clone(), account.clone());
        Ok(())
    }

    async fn update(
        &self,
        username: &Username,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError> {
        Ok(changed(&mut self.0.lock().accounts, username, change))
    }

    async fn update_but_last(
        &self,
        username: &Username,
        change: AccountChange,
        role: &str,
    ) -> Result<Option<Account>, UpdateError> {
        let accounts = &mut self.0.lock().accounts;
        let has = |account: &Account| account.enabled && account.roles.contains(role);
        let mut trial = accounts.clone();
        let account = changed(&mut trial, username, change);
        if accounts.values().any(has) && !trial.values().any(has) {
            return Err(UpdateError::Last);
        }
        *accounts = trial;
        Ok(account)
    }
}

fn changed(
    accounts: &mut BTreeMap<Username, Account>,
    username: &Username,
    change: AccountChange,
) -> Option<Account> {
    let account = accounts.get_mut(username)?;
    let AccountChange { roles, enabled, password_hash } = change;
    if let Some(roles) = roles {
        account.roles = roles;
    }
    if let Some(enabled) = enabled {
        account.enabled = enabled;
    }
    if let Some(hash) = password_hash {
        account.password_hash = hash;
    }
    Some(account.clone())
}

impl SessionStore for MemoryStore {
    async fn create(&self, session: &Session) -> Result<(), StoreError> {
        let kept = Kept { session: session.clone(), ended_at: None };
        self.0.lock().sessions.insert(session.id, kept);
        Ok(())
    }

    async fn session(&self, id: SessionId, now: UnixTime) -> Result<Option<Session>, StoreError> {
        let state = self.0.lock();
        let kept = state.sessions.get(&id).filter(|kept| kept.is_live(now));
        Ok(kept.map(|kept| kept.session.clone()))
    }

    async fn sessions(
        &self,
        username: &Username,
        now: UnixTime,
    ) -> Result<Vec<Session>, StoreError> {
        let state = self.0.lock();
        let live = state.sessions.values().filter(|kept| kept.is_live(now));
        let own = live.map(|kept| &kept.session).filter(|session| session.username == *username);
        let mut own: Vec<Session> = own.cloned().collect();
        own.sort_by_key(|session| std::cmp::Reverse((session.created_at, session.id)));
        Ok(own)
    }

    async fn rotate(
        &self,
        id: SessionId,
        generation: u32,
        life: SessionLife,
        now: UnixTime,
    ) -> Result<Rotation, StoreError> {
        let sessions = &mut self.0.lock().sessions;
        let Some(kept) = sessions.get_mut(&id).filter(|kept| kept.is_live(now)) else {
            return Ok(Rotation::Gone);
        };
        let expires_at = life.expires_at(kept.session.created_at, now);
        if expires_at <= now {
            return Ok(Rotation::Gone);
        }
        // A generation that was never given out is no better than a spent one.
        let next = generation.checked_add(1).filter(|_| generation == kept.session.generation);
        let Some(next) = next else {
            kept.ended_at = Some(now);
            return Ok(Rotation::Reuse(kept.session.clone()));
        };
        kept.session.generation = next;
        kept.session.refreshed_at = now;
        kept.session.expires_at = expires_at;
        Ok(Rotation::Rotate(kept.session.clone()))
    }

    async fn end(&self, id: SessionId, now: UnixTime) -> Result<bool, StoreError> {
        let sessions = &mut self.0.lock().sessions;
        let Some(kept) = sessions.get_mut(&id).filter(|kept| kept.is_live(now)) else {
            return Ok(false);
        };
        kept.ended_at = Some(now);
        Ok(true)
    }

    async fn end_all(
        &self,
        username: &Username,
        keep: Option<SessionId>,
        now: UnixTime,
    ) -> Result<Vec<SessionId>, StoreError> {
        let sessions = &mut self.0.lock().sessions;
        let live = sessions.values_mut().filter(|kept| kept.is_live(now));
        let ending =
            live.filter(|kept| kept.session.username == *username && Some(kept.session.id) != keep);
        let end = |kept: &mut Kept| {
            kept.ended_at = Some(now);
            kept.session.id
        };
        Ok(ending.map(end).collect())
    }
}

impl RevocationStore for MemoryStore {
    async fn ended_since(&self, since: UnixTime) -> Result<Vec<(SessionId, UnixTime)>, StoreError> {
        let state = self.0.lock();
        let ended = state.sessions.iter().filter_map(|(id, kept)| Some((*id, kept.ended_at?)));
        Ok(ended.filter(|(_, at)| *at >= since).collect())
    }

    async fn prune(&self, before: UnixTime) -> Result<u64, StoreError> {
        let sessions = &mut self.0.lock().sessions;
        let count = sessions.len();
        sessions.retain(|_, kept| {
            kept.ended_at.is_none_or(|at| at >= before) && kept.session.expires_at >= before
        });
        Ok((count - sessions.len()) as u64)
    }
}

impl ApiKeyStore for MemoryStore {
    async fn add_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        self.0.lock().api_keys.insert(key.id, key.clone());
        Ok(())
    }

    async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.0.lock().api_keys.get(&id).cloned())
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let mut keys: Vec<ApiKey> = self.0.lock().api_keys.values().cloned().collect();
        keys.sort_by_key(|key| (key.created_at, key.id));
        Ok(keys)
    }

    async fn remove_api_key(&self, id: ApiKeyId) -> Result<bool, StoreError> {
        Ok(self.0.lock().api_keys.remove(&id).is_some())
    }

    async fn note_api_key_uses(&self, uses: &[(ApiKeyId, UnixTime)]) -> Result<(), StoreError> {
        let keys = &mut self.0.lock().api_keys;
        for (id, at) in uses {
            if let Some(key) = keys.get_mut(id) {
                key.last_used_at = key.last_used_at.max(Some(*at));
            }
        }
        Ok(())
    }

    async fn prune_api_keys(&self, before: UnixTime) -> Result<u64, StoreError> {
        let keys = &mut self.0.lock().api_keys;
        let count = keys.len();
        keys.retain(|_, key| key.expires_at >= before);
        Ok((count - keys.len()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[tokio::test]
    async fn it_keeps_the_promises_of_a_store() {
        conformance::users(&MemoryStore::new()).await;
        conformance::sessions(&MemoryStore::new()).await;
        conformance::revocations(&MemoryStore::new()).await;
        conformance::failures(&MemoryStore::new()).await;
        conformance::api_keys(&MemoryStore::new()).await;
    }
}
