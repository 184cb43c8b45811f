use std::sync::Arc;

use gabion_clock::Clock;
use gabion_errors::{Problem, ToProblem, types};
use http::header::WWW_AUTHENTICATE;

use super::{Identity, IdentityStore, Inner, Tokens, carry_through, login::head};
use crate::{
    AuditEvent, Rotation, SessionId, StoreError, Username, authenticate::CHALLENGE,
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
    /// `address` is the client's, for the record.
    ///
    /// # Errors
    ///
    /// See [`RefreshError`].
    pub async fn refresh(&self, token: &str, address: &str) -> Result<Tokens, RefreshError> {
        let inner = &self.0;
        match inner.refresh.read(token) {
            Ok((id, generation)) => {
                let address = head(address);
                carry_through(Inner::refresh(Arc::clone(inner), id, generation, address)).await
            }
            Err(invalid) => {
                let refused = RefreshError::from(invalid);
                inner.note_refresh(refused.outcome(), None, None, head(address));
                Err(refused)
            }
        }
    }
}

impl<S: IdentityStore> Inner<S> {
    async fn refresh(
        self: Arc<Self>,
        id: SessionId,
        generation: u32,
        address: String,
    ) -> Result<Tokens, RefreshError> {
        let mut owner = None;
        let refreshed = self.rotate(id, generation, &mut owner).await;
        let outcome = match &refreshed {
            Ok(_) => (Outcome::Refresh, "success"),
            Err(refused) => refused.outcome(),
        };
        self.note_refresh(outcome, owner, Some(id), address);
        refreshed
    }

    /// The next pair of tokens; `owner` is whose session it is, also where it is refused.
    async fn rotate(
        &self,
        id: SessionId,
        generation: u32,
        owner: &mut Option<Username>,
    ) -> Result<Tokens, RefreshError> {
        let now = self.clock.unix();
        let session = match self.store.rotate(id, generation, self.session_life(), now).await? {
            Rotation::Rotate(session) => session,
            Rotation::Reuse(session) => {
                self.revocations.end(session.id, now + self.token_life());
                *owner = Some(session.username);
                return Err(RefreshError::Reused);
            }
            Rotation::Gone => return Err(RefreshError::Gone),
        };
        *owner = Some(session.username.clone());
        let account = self.store.find(&session.username).await?;
        let Some(account) = account.filter(|account| account.enabled) else {
            self.store.end(id, now).await?;
            self.revocations.end(id, now + self.token_life());
            return Err(RefreshError::Disabled);
        };
        Ok(self.tokens(&session, &account.roles))
    }

    fn note_refresh(
        &self,
        (outcome, told): (Outcome, &'static str),
        subject: Option<Username>,
        session: Option<SessionId>,
        address: String,
    ) {
        let event = AuditEvent {
            at: self.clock.unix(),
            action: "refresh",
            outcome: told,
            actor: None,
            subject: subject.map(|name| name.to_string()),
            session,
            address: Some(address).filter(|address| !address.is_empty()),
        };
        self.note(Some(outcome), event);
    }
}
