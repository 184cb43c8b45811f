use gabion_clock::Clock;

use super::{Identity, IdentityStore, Inner};
use crate::{LoginThrottle, Moment, StoreError};

impl<S: IdentityStore> Identity<S> {
    /// Writes the failed logins that the store does not have yet. Worth doing every second, and
    /// before the end: what was not written when the process is killed is forgotten.
    ///
    /// # Errors
    ///
    /// When the store fails; the next call tries again.
    ///
    /// # Cancel safety
    ///
    /// What was not written is written by the next call.
    pub async fn flush_failures(&self) -> Result<(), StoreError> {
        self.0.flush_failures().await
    }
}

/// Records of one write: a full table holds up no other write for long.
const BATCH: usize = 1000;

impl<S: IdentityStore> Inner<S> {
    async fn flush_failures(&self) -> Result<(), StoreError> {
        // One at a time: an older state must not be written over a newer one.
        let _one = self.flushing.lock().await;
        let unsaved = self.throttle.unsaved(self.moment());
        for batch in unsaved.records().chunks(BATCH) {
            self.store.save_failures(batch).await?;
        }
        self.throttle.saved(&unsaved);
        Ok(())
    }

    /// Forgives an account its failures, here and in the store.
    pub(super) async fn forgive(&self, name: &str) -> Result<(), StoreError> {
        self.throttle.reset(name, self.clock.now());
        self.flush_failures().await
    }

    /// Learns which logins failed before this process.
    pub(super) async fn restore_failures(&self) -> Result<(), StoreError> {
        let limit = u32::try_from(LoginThrottle::MAX_RECORDS).unwrap_or(u32::MAX);
        let records = self.store.failures(limit).await?;
        self.throttle.restore(&records, self.moment());
        Ok(())
    }

    /// Forgets in the store what is worth nothing any more, and what is beyond the throttle's own
    /// bound.
    pub(super) async fn prune_failures(&self) -> Result<(), StoreError> {
        let keep = u32::try_from(LoginThrottle::MAX_RECORDS).unwrap_or(u32::MAX);
        self.store.prune_failures(self.horizon(), keep).await?;
        Ok(())
    }

    fn moment(&self) -> Moment {
        Moment { now: self.clock.now(), unix: self.clock.unix() }
    }
}
