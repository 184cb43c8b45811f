use std::cmp::Reverse;

use gabion_clock::UnixTime;

use super::MemoryStore;
use crate::{FailureRecord, FailureStore, StoreError};

impl FailureStore for MemoryStore {
    async fn save_failures(&self, records: &[FailureRecord]) -> Result<(), StoreError> {
        let own = records.iter().map(|record| (record.key, record.clone()));
        self.0.lock().failures.extend(own);
        Ok(())
    }

    async fn failures(&self, limit: u32) -> Result<Vec<FailureRecord>, StoreError> {
        let mut all: Vec<_> = self.0.lock().failures.values().cloned().collect();
        all.sort_unstable_by_key(|record| Reverse(worth(record)));
        all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(all)
    }

    async fn prune_failures(&self, now: UnixTime, keep: u32) -> Result<u64, StoreError> {
        let kept = self.failures(keep).await?;
        let failures = &mut self.0.lock().failures;
        let count = failures.len();
        let good = kept.into_iter().filter(|record| record.kept_until >= now);
        *failures = good.map(|record| (record.key, record)).collect();
        Ok((count - failures.len()) as u64)
    }
}

fn worth(record: &FailureRecord) -> (UnixTime, u32) {
    (record.kept_until, record.consecutive)
}
