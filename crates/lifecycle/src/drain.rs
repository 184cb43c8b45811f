use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout},
};

use crate::{Readiness, State};

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything ended by itself.
    Clean,
    /// Time was up.
    Cut {
        /// How many connections were open still.
        connections: usize,
    },
}

/// Counts what is open and ends it in order; clones share the count.
///
/// While draining, a request on an open connection is still served and its answer closes the
/// connection; an idle connection is kept until its next request or the end of the drain. So a
/// client that sends a request never finds its connection just closed.
#[derive(Debug, Clone)]
pub struct Drain(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    readiness: Readiness,
    open: AtomicUsize,
    /// Told whenever `open` reaches zero.
    empty: Notify,
    accepting: watch::Sender<Accepting>,
}

#[derive(Debug, Clone, Copy)]
enum Accepting {
    Open,
    Until(Instant),
    Ended,
}

impl Drain {
    /// A drain that has not begun; beginning it moves `readiness` to [`State::Draining`].
    #[must_use]
    pub fn new(readiness: Readiness) -> Self {
        Self(Arc::new(Shared {
            readiness,
            open: AtomicUsize::new(0),
            empty: Notify::new(),
            accepting: watch::Sender::new(Accepting::Open),
        }))
    }

    /// Counts one more connection, for as long as the guard lives.
    pub fn busy(&self) -> Busy {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.0))
    }

    /// How many guards live.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::Acquire)
    }

    /// Begins, and ends accepting at once: a successor serves the port, or nobody shall.
    pub fn begin(&self) {
        self.0.accepting.send_replace(Accepting::Ended);
        self.0.readiness.advance(State::Draining);
    }

    /// Begins, and ends accepting after `notice`: load balancers need a moment to see that the
    /// process is not ready any more, and whom they send meanwhile is served.
    ///
    /// Once begun, only [`begin`](Self::begin) changes when accepting ends.
    pub fn begin_with_notice(&self, notice: Duration) {
        self.0.accepting.send_if_modified(|accepting| {
            let first = matches!(accepting, Accepting::Open);
            if first {
                *accepting = Accepting::Until(Instant::now() + notice);
            }
            first
        });
        self.0.readiness.advance(State::Draining);
    }

    /// Whether it has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.readiness.is_draining()
    }

    /// Waits until it has begun: connections close after their next answer from then on.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn begun(&self) {
        self.0.readiness.wait_for(State::Draining).await;
    }

    /// Waits until accepting should end.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn accepting_ended(&self) {
        let mut changes = self.0.accepting.subscribe();
        loop {
            let accepting = *changes.borrow_and_update();
            match accepting {
                Accepting::Ended => return,
                Accepting::Until(end) => tokio::select! {
                    () = sleep_until(end) => return,
                    _ = changes.changed() => {}
                },
                // The sender lives as long as `self`, so the error cannot happen.
                Accepting::Open => drop(changes.changed().await),
            }
        }
    }

    /// Waits until nothing is open, at most `within`; then the process is [`State::Stopped`].
    ///
    /// To be called once accepting has ended, else a connection may be counted afterwards. What is
    /// still open at the end is for the caller to close.
    pub async fn finished(&self, within: Duration) -> Outcome {
        let ended = timeout(within, self.emptied()).await;
        self.0.readiness.advance(State::Stopped);
        match (ended, self.open()) {
            (Ok(()), _) | (Err(_), 0) => Outcome::Clean,
            (Err(_), connections) => Outcome::Cut { connections },
        }
    }

    async fn emptied(&self) {
        loop {
            let mut told = pin!(self.0.empty.notified());
            // Listening begins before the look, so that no end falls between the two.
            told.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            told.await;
        }
    }
}

/// One open connection. See [`Drain::busy`].
#[derive(Debug)]
#[must_use = "it counts only while it lives"]
pub struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> (Readiness, Drain) {
        let readiness = Readiness::new();
        readiness.advance(State::Ready);
        (readiness.clone(), Drain::new(readiness))
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_cleanly_with_the_last_connection() {
        let (readiness, drain) = ready();
        let (first, second) = (drain.busy(), drain.busy());
        drain.begin();
        let waiter = tokio::spawn({
            let drain = drain.clone();
            async move { drain.finished(Duration::from_secs(30)).await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        drop(second);
        assert_eq!(waiter.await.unwrap(), Outcome::Clean);
        assert_eq!(readiness.state(), State::Stopped);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_open_at_the_deadline_is_reported() {
        let (_, drain) = ready();
        let _open = [drain.busy(), drain.busy()];
        drain.begin();
        let outcome = drain.finished(Duration::from_secs(30)).await;
        assert_eq!(outcome, Outcome::Cut { connections: 2 });
    }

    #[tokio::test(start_paused = true)]
    async fn accepting_goes_on_for_the_notice_and_readiness_does_not() {
        let (readiness, drain) = ready();
        let begun = Instant::now();
        drain.begin_with_notice(Duration::from_secs(1));
        assert!(!readiness.is_ready());
        drain.accepting_ended().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_successor_ends_the_notice_at_once() {
        let (_, drain) = ready();
        let begun = Instant::now();
        drain.begin_with_notice(Duration::from_secs(1));
        let waiter = tokio::spawn({
            let drain = drain.clone();
            async move { drain.accepting_ended().await }
        });
        tokio::task::yield_now().await;
        drain.begin();
        waiter.await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_notice_does_not_prolong_the_first() {
        let (_, drain) = ready();
        let begun = Instant::now();
        drain.begin_with_notice(Duration::from_secs(1));
        drain.begin_with_notice(Duration::from_secs(9));
        drain.accepting_ended().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn connections_learn_that_it_has_begun() {
        let (_, drain) = ready();
        let waiter = tokio::spawn({
            let drain = drain.clone();
            async move { drain.begun().await }
        });
        assert!(!drain.is_draining());
        drain.begin();
        waiter.await.unwrap();
        assert!(drain.is_draining());
    }
}
