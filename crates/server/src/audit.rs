//! The audit trail: every event to the log, and in batches to the database.

use std::sync::Arc;

use gabion_auth::AuditSink;
use gabion_monitor::{AuditEvent, Auditor, LogAuditor, QueueAuditor};
use gabion_sql::{AuditRecord, Sql};
use tracing::error;

/// Events that wait for the database at most; what is beyond them is in the log alone, and counted.
const WAITING: usize = 10_000;
const BATCH: usize = 500;

/// Takes events without ever waiting. Clones share the queue.
#[derive(Clone)]
pub(crate) struct AuditTrail(Arc<QueueAuditor>);

impl AuditTrail {
    pub(crate) fn new() -> Self {
        Self(Arc::new(QueueAuditor::new(WAITING)))
    }

    /// Notes an administrative act of `author`.
    pub(crate) fn note(&self, event: AuditEvent) {
        LogAuditor.record(event.clone());
        self.0.record(event);
    }

    /// Writes to the database until the trail is closed.
    pub(crate) async fn write(&self, sql: &Sql) {
        loop {
            let events = self.0.next_batch(BATCH).await;
            if events.is_empty() {
                return;
            }
            let records: Vec<AuditRecord> = events.into_iter().map(record).collect();
            if let Err(error) = sql.append_audit(&records).await {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                error!(target: "gabion::audit", cause, lost = records.len(), "audit not written");
            }
        }
    }

    /// Lets the writer end when it has written what is left.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

impl AuditSink for AuditTrail {
    fn record(&self, event: gabion_auth::AuditEvent) {
        let mut own = AuditEvent::new(event.at, event.action, event.outcome);
        own.subject = event.subject;
        own.session = event.session.map(|session| session.to_string());
        own.address = event.address.and_then(|address| address.parse().ok());
        self.note(own);
    }
}

fn record(event: AuditEvent) -> AuditRecord {
    AuditRecord {
        id: None,
        at: event.at,
        action: event.action.to_owned(),
        outcome: event.outcome.to_owned(),
        subject: event.subject,
        session: event.session,
        address: event.address.map(|address| address.to_string()),
        detail: event.detail.map(Into::into),
    }
}
