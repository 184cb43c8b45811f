use std::sync::Arc;

use gabion_clock::Clock;
use gabion_errors::{Problem, ToProblem, types};
use http::header::WWW_AUTHENTICATE;

use super::{Identity, IdentityStore, Inner, Tokens, carry_through};
use crate::{
    AuditEvent, Rotation, Session, SessionId, StoreError, authenticate::CHALLENGE,
    metrics::Outcome, refresh::InvalidRefreshToken,
};

/// A refresh is refused. The client is never told why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The token is not one of ours.
    #[error(transparent)]
    Invalid(#[from] InvalidRefreshToken),
    /// The session has ended or expired.
    #[error("the session has ended")]
    Gone,
    /// The token was spent before; its session has been ended, since one of the two who have the
    /// token stole it (RFC 9700 §4.14.2).
    #[error("the refresh token was used before")]
    Reused,
    /// The account is disabled or gone.
    #[error("the account is disabled or gone")]
    Disabled,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ToProblem for RefreshError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Store(error) => error.to_problem(),
            Self::Invalid(_) | Self::Gone | Self::Reused | Self::Disabled => {
                Problem::new(&types::UNAUTHENTICATED)
                    .detail("the refresh token is not accepted; log in again")
                    .header(WWW_AUTHENTICATE, CHALLENGE)
            }
        }
    }
}

impl RefreshError {
    fn outcome(&self) -> (Outcome, &'static str) {
        match self {
            Self::Invalid(_) => (Outcome::RefreshRefused, "invalid"),
            Self::Gone => (Outcome::RefreshRefused, "ended"),
            Self::Reused => (Outcome::RefreshReused, "reused"),
            Self::Disabled => (Outcome::RefreshRefused, "disabled"),
            Self::Store(_) => (Outcome::Failed, "failed"),
        }
    }
}

impl<S: IdentityStore> Identity<S> {
    /// Spends a refresh token for the next pair. A token that was spent before ends its session.
    ///
    /// # Errors
    ///
    /// See [`RefreshError`].
    pub async fn refresh(&self, token: &str) -> Result<Tokens, RefreshError> {
        let inner = &self.0;
        let read = inner.refresh.read(token);
        let refreshed = match read {
            Ok((id, generation)) => {
                carry_through(Inner::refresh(Arc::clone(inner), id, generation)).await
            }
            Err(invalid) => Err(invalid.into()),
        };
        let (outcome, told) = match &refreshed {
            Ok(_) => (Outcome::Refresh, "success"),
            Err(error) => error.outcome(),
        };
        let event = AuditEvent {
            at: inner.clock.unix(),
            action: "refresh",
            outcome: told,
            actor: None,
            subject: refreshed.as_ref().ok().map(|(session, _)| session.username.to_string()),
            session: read.ok().map(|(id, _)| id),
            address: None,
        };
        inner.note(Some(outcome), event);
        refreshed.map(|(_, tokens)| tokens)
    }
}

impl<S: IdentityStore> Inner<S> {
    async fn refresh(
        self: Arc<Self>,
        id: SessionId,
        generation: u32,
    ) -> Result<(Session, Tokens), RefreshError> {
        let now = self.clock.unix();
        let session = match self.store.rotate(id, generation, self.session_life(), now).await? {
            Rotation::Rotate(session) => session,
            Rotation::Reuse(session) => {
                self.revocations.end(session.id, now + self.token_life());
                return Err(RefreshError::Reused);
            }
            Rotation::Gone => return Err(RefreshError::Gone),
        };
        let account = self.store.find(&session.username).await?;
        let Some(account) = account.filter(|account| account.enabled) else {
            self.store.end(id, now).await?;
            self.revocations.end(id, now + self.token_life());
            return Err(RefreshError::Disabled);
        };
        let tokens = self.tokens(&session, &account.roles);
        Ok((session, tokens))
    }
}
