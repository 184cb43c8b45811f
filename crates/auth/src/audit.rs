use std::sync::Arc;

use gabion_clock::UnixTime;

use crate::{SessionId, Username};

/// Something worth keeping a record of. There are no secrets in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it happened.
    pub at: UnixTime,
    /// What was tried: `login`, `refresh`, `logout`, `session.end`, `password.change`,
    /// `user.create` or `user.update`.
    pub action: &'static str,
    /// What became of it: `success`, or why it was refused.
    pub outcome: &'static str,
    /// The account concerned, where there is a valid name.
    pub subject: Option<String>,
    /// Who did it, where that is not the account concerned.
    pub actor: Option<String>,
    /// The session concerned.
    pub session: Option<SessionId>,
    /// The address of the client, where it is known.
    pub address: Option<String>,
}

/// Keeps records of what happened. It is called on the path of a request and must not block.
pub trait AuditSink: Send + Sync + 'static {
    /// Takes note of `event`.
    fn record(&self, event: AuditEvent);
}

impl<K: AuditSink + ?Sized> AuditSink for Arc<K> {
    fn record(&self, event: AuditEvent) {
        K::record(self, event);
    }
}

/// Wants to know of changed accounts, as whoever remembers them does.
///
/// It is told after the change is durable and before it is acknowledged. A cache that is filled at
/// the same time must not keep what it read before it was told.
pub trait AccountWatch: Send + Sync + 'static {
    /// The account is not what it was.
    fn changed(&self, username: &Username);
}

impl<W: AccountWatch + ?Sized> AccountWatch for Arc<W> {
    fn changed(&self, username: &Username) {
        W::changed(self, username);
    }
}
