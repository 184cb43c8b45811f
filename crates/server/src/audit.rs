//! The audit trail: every event to the log, and in batches to the database.

mod pace;

use std::{net::IpAddr, sync::Arc, time::Duration};

use gabion_auth::{AuditSink, StoreError};
use gabion_clock::{Clock, SystemClock, UnixTime};
use gabion_errors::Rejection;
use gabion_monitor::{AuditEvent, Auditor, LogAuditor, QueueAuditor, RequestId};
use gabion_sql::{AuditRecord, Sql};
use gabion_tower::Exchange;
use tracing::{error, warn};

pub(crate) use self::pace::Pace;
use crate::routes::caller;

/// Events that wait for the database at most; what is beyond them is in the log alone, and counted.
const WAITING: usize = 10_000;
const BATCH: usize = 500;
/// How long the database keeps an event.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// How long the writer waits before it tries again.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(4)];
/// How often it forgets those that are older.
const PRUNE: Duration = Duration::from_secs(3600);

/// Who does something to the server as a whole.
pub(crate) struct Actor {
    name: String,
    address: Option<IpAddr>,
    request_id: Option<RequestId>,
}

impl Actor {
    /// Whoever calls in `exchange`, on a route that lets nobody in without being known.
    ///
    /// # Errors
    ///
    /// 401 for an unknown caller.
    pub(crate) fn of(exchange: &Exchange) -> Result<Self, Rejection> {
        let name = caller(exchange)?.username.to_string();
        let address = Some(exchange.client.ip()).filter(|address| !address.is_unspecified());
        Ok(Self { name, address, request_id: Some(exchange.request_id) })
    }

    /// Something that is no caller, as `signal` or `file`.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), address: None, request_id: None }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The record of its doing `action`.
    pub(crate) fn did(
        &self,
        action: &'static str,
        outcome: &'static str,
        at: UnixTime,
    ) -> AuditEvent {
        let mut event = AuditEvent::new(at, action, outcome).actor(&self.name);
        event.address = self.address;
        event.request_id = self.request_id;
        event
    }
}

/// Takes events without ever waiting. Clones share the queue.
#[derive(Clone)]
pub(crate) struct AuditTrail {
    queue: Arc<QueueAuditor>,
    /// Of logins that were not even tried, which a flood has without number.
    throttled: Arc<Pace>,
}

impl AuditTrail {
    pub(crate) fn new() -> Self {
        Self { queue: Arc::new(QueueAuditor::new(WAITING)), throttled: Arc::default() }
    }

    /// Keeps `event`.
    pub(crate) fn note(&self, event: AuditEvent) {
        LogAuditor.record(event.clone());
        self.queue.record(event);
    }

    /// Writes to the database, and forgets there what is old, until the trail is closed.
    pub(crate) async fn write(&self, sql: &Sql) {
        let clock = SystemClock::new();
        let mut prunes = tokio::time::interval(PRUNE);
        loop {
            let events = tokio::select! {
                events = self.queue.next_batch(BATCH) => events,
                _ = prunes.tick() => {
                    if let Err(error) = forget(sql, clock.unix()).await {
                        warn!(target: "gabion::audit", %error, "old events could not be pruned");
                    }
                    continue;
                }
            };
            if events.is_empty() {
                return;
            }
            let records: Vec<AuditRecord> = events.into_iter().map(record).collect();
            if let Err(error) = append(sql, &records).await {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                error!(target: "gabion::audit", cause, lost = records.len(), "audit not written");
            }
        }
    }

    /// Lets the writer end when it has written what is left.
    pub(crate) fn close(&self) {
        self.queue.close();
    }
}

impl AuditSink for AuditTrail {
    fn record(&self, event: gabion_auth::AuditEvent) {
        let mut own = AuditEvent::new(event.at, event.action, event.outcome);
        own.subject = event.subject;
        own.session = event.session.map(|session| session.to_string());
        own.actor = event.actor;
        own.address = event.address.and_then(|address| address.parse().ok());
        let own = if is_free(own.outcome) { self.throttled.limit(own) } else { Some(own) };
        if let Some(event) = own {
            self.note(event);
        }
    }
}

/// Writes, and tries again for some seconds where a disk is full or the database busy; meanwhile the
/// queue holds what comes.
async fn append(sql: &Sql, records: &[AuditRecord]) -> Result<(), StoreError> {
    for pause in PAUSES {
        match sql.append_audit(records).await {
            Ok(()) => return Ok(()),
            Err(_) => tokio::time::sleep(pause).await,
        }
    }
    sql.append_audit(records).await
}

/// Whether causing an event of this outcome costs next to nothing.
fn is_free(outcome: &str) -> bool {
    outcome.starts_with("too-many-attempts") || outcome == "overloaded" || outcome == "invalid"
}

/// Forgets what is too old to be kept at `now`; returns how many events that were.
async fn forget(sql: &Sql, now: UnixTime) -> Result<u64, StoreError> {
    let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
    sql.prune_audit(UnixTime::from_millis(now.as_millis().saturating_sub(kept))).await
}

fn record(event: AuditEvent) -> AuditRecord {
    AuditRecord {
        id: None,
        at: event.at,
        action: event.action.to_owned(),
        outcome: event.outcome.to_owned(),
        subject: event.subject,
        actor: event.actor,
        session: event.session,
        request_id: event.request_id.map(|id| id.to_string()),
        address: event.address.map(|address| address.to_string()),
        detail: event.detail.map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use gabion_sql::AuditQuery;

    use super::*;

    #[tokio::test]
    async fn events_are_forgotten_after_ninety_days_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let sql = Sql::open(&folder.path().join("data.sqlite3")).await.unwrap();
        let event = || AuditRecord { at: UnixTime::from_secs(1_000_000), ..AuditRecord::default() };
        sql.append_audit(&[event()]).await.unwrap();
        let last = UnixTime::from_secs(1_000_000) + KEPT;
        assert_eq!(forget(&sql, last).await.unwrap(), 0);
        assert_eq!(forget(&sql, last + Duration::from_millis(1)).await.unwrap(), 1);
        assert_eq!(sql.audit(&AuditQuery::default(), 9).await.unwrap(), []);
    }

    #[tokio::test]
    async fn whoever_writes_the_trail_prunes_it_too() {
        let folder = tempfile::tempdir().unwrap();
        let sql = Sql::open(&folder.path().join("data.sqlite3")).await.unwrap();
        let old = AuditRecord { at: UnixTime::from_secs(1), ..AuditRecord::default() };
        sql.append_audit(&[old]).await.unwrap();
        let trail = AuditTrail::new();
        let forgotten = async {
            while !sql.audit(&AuditQuery::default(), 9).await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            trail.close();
        };
        tokio::join!(trail.write(&sql), forgotten);
    }
}
