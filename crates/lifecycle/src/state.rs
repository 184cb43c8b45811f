use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::sync::watch;

/// Where a process is in its life; the order is the order of the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Not yet: stores open, keys load.
    Starting,
    /// Requests are welcome.
    Ready,
    /// What is open is served, with `Connection: close`; nothing new should come.
    Draining,
    /// Nothing is served any more.
    Stopped,
}

/// The one answer to "may requests be sent here?"; clones share it.
///
/// It only moves forward. Reading it costs one relaxed load.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// A copy of `changes`, for readers that ask on every request; written under its lock.
    now: AtomicU8,
    changes: watch::Sender<State>,
}

impl Readiness {
    /// A process that is starting.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            now: AtomicU8::new(State::Starting as u8),
            changes: watch::Sender::new(State::Starting),
        }))
    }

    /// Moves on to `next`; returns whether that was a step forward. A step back is not taken.
    pub fn advance(&self, next: State) -> bool {
        self.0.changes.send_if_modified(|state| {
            let forward = *state < next;
            if forward {
                *state = next;
                self.0.now.store(next as u8, Ordering::Relaxed);
            }
            forward
        })
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> State {
        match self.0.now.load(Ordering::Relaxed) {
            0 => State::Starting,
            1 => State::Ready,
            2 => State::Draining,
            _ => State::Stopped,
        }
    }

    /// Whether `/readyz` should say yes.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state() == State::Ready
    }

    /// Whether the end has begun: draining or stopped.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.state() >= State::Draining
    }

    /// Waits until the state is `state` or a later one, and returns which.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn wait_for(&self, state: State) -> State {
        let mut changes = self.0.changes.subscribe();
        // The sender lives as long as `self`, so the error cannot happen.
        changes.wait_for(|now| *now >= state).await.map_or(State::Stopped, |now| *now)
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back() {
        let readiness = Readiness::new();
        assert!(readiness.advance(State::Draining));
        assert!(!readiness.advance(State::Ready));
        assert_eq!(readiness.state(), State::Draining);
    }

    #[test]
    fn only_the_ready_state_is_ready() {
        let readiness = Readiness::new();
        let mut seen = vec![readiness.is_ready()];
        for next in [State::Ready, State::Draining, State::Stopped] {
            readiness.advance(next);
            assert_eq!(readiness.state(), next);
            seen.push(readiness.is_ready());
        }
        assert_eq!(seen, [false, true, false, false]);
    }

    #[tokio::test]
    async fn waiting_ends_when_the_state_was_passed_over() {
        let readiness = Readiness::new();
        let waiter = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.wait_for(State::Ready).await }
        });
        readiness.advance(State::Draining);
        assert_eq!(waiter.await.unwrap(), State::Draining);
    }
}
