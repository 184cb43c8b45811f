use std::sync::Arc;

use gabion_clock::Clock;

use super::{Identity, IdentityStore, Inner, carry_through};
use crate::{AuditEvent, Principal, Session, SessionId, StoreError, metrics::Outcome};

impl<S: IdentityStore> Identity<S> {
    /// Ends the principal's session, or all sessions of its account.
    ///
    /// # Errors
    ///
    /// When the store fails; then nothing may have ended.
    pub async fn logout(&self, principal: &Principal, everywhere: bool) -> Result<(), StoreError> {
        let (inner, principal) = (Arc::clone(&self.0), principal.clone());
        carry_through(async move {
            if everywhere {
                inner.end_all(&principal.username, None).await?;
            }
            inner.end(principal.session).await?;
            let outcome = if everywhere { "everywhere" } else { "success" };
            let event = inner.event("logout", outcome, &principal.username);
            let event = AuditEvent { session: Some(principal.session), ..event };
            inner.note(Some(Outcome::Logout), event);
            Ok(())
        })
        .await
    }

    /// Ends another session of the principal's account; `false` when it has none of that name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn end_session(
        &self,
        principal: &Principal,
        session: SessionId,
    ) -> Result<bool, StoreError> {
        let found = self.0.store.session(session, self.0.clock.unix()).await?;
        if found.is_none_or(|found| found.username != principal.username) {
            return Ok(false);
        }
        let (inner, username) = (Arc::clone(&self.0), principal.username.clone());
        carry_through(async move {
            inner.end(session).await?;
            let event = inner.event("session.end", "success", &username);
            inner.note(Some(Outcome::Logout), AuditEvent { session: Some(session), ..event });
            Ok(true)
        })
        .await
    }

    /// The principal's sessions, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn sessions(&self, principal: &Principal) -> Result<Vec<Session>, StoreError> {
        self.0.store.sessions(&principal.username, self.0.clock.unix()).await
    }
}

impl<S: IdentityStore> Inner<S> {
    /// Ends a session in the store and then here, also when the store has ended it before.
    async fn end(&self, session: SessionId) -> Result<(), StoreError> {
        let now = self.clock.unix();
        self.store.end(session, now).await?;
        self.revocations.end(session, now + self.token_life());
        Ok(())
    }
}
