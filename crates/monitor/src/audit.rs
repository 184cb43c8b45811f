//! Who did what, and whether it worked.
//!
//! Unlike the log, which is for those who keep the service running, this is for those who must
//! answer later what happened to an account. Events carry names and ids, never a credential; texts
//! that a client chose are cut to a bound.

use std::{
    borrow::Cow,
    collections::VecDeque,
    future::poll_fn,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use gabion_clock::UnixTime;
use gabion_errors::redact;
use metrics::{Counter, counter};
use serde::Serialize;

use crate::{RequestId, metrics::AUDIT_DROPPED};

/// Longest text of an event in bytes; what is longer is cut.
pub const MAX_TEXT: usize = 256;

/// One thing that somebody did or tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditEvent {
    /// When.
    #[serde(serialize_with = "crate::rfc3339::serialize")]
    pub at: UnixTime,
    /// What, as `login` or `user.disable`.
    pub action: &'static str,
    /// How it ended, as `success` or `invalid-credentials`.
    pub outcome: &'static str,
    /// Whose: an account, or what somebody gave as its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Who did it, where that is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// By which request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// What else there is to know, as why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'static, str>>,
}

impl AuditEvent {
    /// `action` ended with `outcome`.
    #[must_use]
    pub const fn new(at: UnixTime, action: &'static str, outcome: &'static str) -> Self {
        Self {
            at,
            action,
            outcome,
            subject: None,
            actor: None,
            session: None,
            address: None,
            request_id: None,
            detail: None,
        }
    }

    /// Whose; cut to [`MAX_TEXT`].
    #[must_use]
    pub fn subject(mut self, subject: impl AsRef<str>) -> Self {
        self.subject = Some(cut(subject.as_ref()).to_owned());
        self
    }

    /// Who did it; cut to [`MAX_TEXT`].
    #[must_use]
    pub fn actor(mut self, actor: impl AsRef<str>) -> Self {
        self.actor = Some(cut(actor.as_ref()).to_owned());
        self
    }

    /// In which session; cut to [`MAX_TEXT`].
    #[must_use]
    pub fn session(mut self, session: impl AsRef<str>) -> Self {
        self.session = Some(cut(session.as_ref()).to_owned());
        self
    }

    /// From where.
    #[must_use]
    pub const fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// By which request.
    #[must_use]
    pub const fn request_id(mut self, request_id: RequestId) -> Self {
        self.request_id = Some(request_id);
        self
    }

    /// What else there is to know; cut to [`MAX_TEXT`].
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(match detail.into() {
            Cow::Borrowed(text) => Cow::Borrowed(cut(text)),
            Cow::Owned(text) => Cow::Owned(cut(&text).to_owned()),
        });
        self
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Keeps audit events. It must not block: what takes time is queued.
pub trait Auditor: Send + Sync {
    /// Keeps `event`.
    fn record(&self, event: AuditEvent);
}

impl<A: Auditor + ?Sized> Auditor for Arc<A> {
    fn record(&self, event: AuditEvent) {
        (**self).record(event);
    }
}

/// Writes events to the log, target `gabion::audit`, level info.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogAuditor;

impl Auditor for LogAuditor {
    fn record(&self, event: AuditEvent) {
        tracing::info!(
            target: "gabion::audit",
            at = %event.at,
            action = event.action,
            outcome = event.outcome,
            subject = event.subject.as_deref().map(redact).as_deref(),
            actor = event.actor.as_deref().map(redact).as_deref(),
            session = event.session.as_deref().map(redact).as_deref(),
            address = event.address.map(tracing::field::display),
            request_id = event.request_id.map(tracing::field::display),
            detail = event.detail.as_deref().map(redact).as_deref(),
            "audit"
        );
    }
}

/// Holds events in memory until a task takes them to where they are kept.
///
/// It is bounded: what comes when it is full is dropped and counted, and the request goes on. An
/// event that must be on disk before the answer is written by whoever answers, not here.
pub struct QueueAuditor {
    queue: Mutex<Queue>,
    capacity: usize,
    dropped: Counter,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<AuditEvent>,
    closed: bool,
    /// The task that waits for events.
    waiting: Option<Waker>,
}

impl QueueAuditor {
    /// An empty queue for at most `capacity` events, at least one; binds to the recorder installed
    /// now.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            queue: Mutex::default(),
            capacity: capacity.max(1),
            dropped: counter!(AUDIT_DROPPED),
        }
    }

    /// The oldest events, at most `limit`, as soon as there are any; none when the queue is closed
    /// and empty. One task takes them: of two that wait, one would wait for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event.
    pub async fn next_batch(&self, limit: usize) -> Vec<AuditEvent> {
        poll_fn(|cx| {
            let mut queue = self.queue();
            if queue.events.is_empty() && !queue.closed {
                queue.waiting = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let count = limit.max(1).min(queue.events.len());
            Poll::Ready(queue.events.drain(..count).collect())
        })
        .await
    }

    /// Takes no more events: the task gets what is left, then an empty batch.
    pub fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        let waiting = queue.waiting.take();
        drop(queue);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Each change is complete before anything that could panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Auditor for QueueAuditor {
    fn record(&self, event: AuditEvent) {
        let mut queue = self.queue();
        if queue.closed || queue.events.len() >= self.capacity {
            drop(queue);
            self.dropped.increment(1);
            return;
        }
        queue.events.push_back(event);
        let waiting = queue.waiting.take();
        drop(queue);
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering},
        task::{Context, Wake},
    };

    use super::*;
    use crate::recorded::Recorded;

    fn event(action: &'static str) -> AuditEvent {
        AuditEvent::new(UnixTime::from_secs(1), action, "success")
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn take(queue: &QueueAuditor, limit: usize) -> Option<Vec<&'static str>> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(queue.next_batch(limit)).poll(&mut context) {
            Poll::Ready(events) => Some(events.iter().map(|event| event.action).collect()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn events_come_out_in_order_and_in_batches() {
        let queue = QueueAuditor::new(8);
        ["a", "b", "c"].into_iter().for_each(|action| queue.record(event(action)));
        assert_eq!(take(&queue, 2).unwrap(), ["a", "b"]);
        assert_eq!(take(&queue, 2).unwrap(), ["c"]);
        assert_eq!(take(&queue, 2), None);
    }

    #[test]
    fn what_comes_when_it_is_full_is_dropped_and_counted() {
        let recorder = Recorded::default();
        let queue = metrics::with_local_recorder(&recorder, || QueueAuditor::new(2));
        ["a", "b", "c"].into_iter().for_each(|action| queue.record(event(action)));
        assert_eq!(take(&queue, 9).unwrap(), ["a", "b"]);
        assert_eq!(recorder.values("gabion_audit_dropped_total{}"), [1.0]);
    }

    #[test]
    fn a_closed_queue_gives_what_is_left_and_then_nothing() {
        let queue = QueueAuditor::new(8);
        queue.record(event("a"));
        queue.close();
        queue.record(event("late"));
        assert_eq!(take(&queue, 9).unwrap(), ["a"]);
        assert!(take(&queue, 9).unwrap().is_empty());
    }

    #[test]
    fn an_event_and_the_close_each_wake_the_task_that_waits() {
        let (queue, wakes) = (QueueAuditor::new(8), Arc::new(Wakes::default()));
        let waker = Waker::from(Arc::clone(&wakes));
        let wait = || {
            let _ = pin!(queue.next_batch(1)).poll(&mut Context::from_waker(&waker));
        };
        wait();
        queue.record(event("a"));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        wait();
        wait();
        queue.close();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn texts_of_clients_are_cut_at_a_character() {
        let long = "\u{e4}".repeat(MAX_TEXT);
        let event = event("login").subject(&long).session(&long).detail(long.clone());
        assert_eq!(event.subject.unwrap().len(), MAX_TEXT);
        assert_eq!(event.session.unwrap().len(), MAX_TEXT);
        assert_eq!(event.detail.unwrap().len(), MAX_TEXT);
    }

    #[test]
    fn an_event_is_a_document_without_what_it_does_not_know() {
        let json = r#"{"at":"1970-01-01T00:00:01.000Z","action":"login","outcome":"success","subject":"eve"}"#;
        assert_eq!(serde_json::to_string(&event("login").subject("eve")).unwrap(), json);
    }
}
