use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// So many verifications at once, so that a flood of forged tokens leaves the other threads to callers
/// who are known: a signature on P-256 costs as much as ten requests.
pub(super) struct Bulkhead {
    places: Semaphore,
    waiting: AtomicUsize,
}

/// Most verifications that wait for a place.
const WAITING: usize = 1024;

/// Counts itself as waiting.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Bulkhead {
    pub(super) fn new(places: NonZeroUsize) -> Self {
        Self { places: Semaphore::new(places.get()), waiting: AtomicUsize::new(0) }
    }

    /// A place, after a wait where there is none; `None` when too many wait already.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        match self.places.try_acquire() {
            Ok(place) => Some(place),
            // Boxed: rare, and large in every request's future otherwise.
            Err(_) => Box::pin(self.wait()).await,
        }
    }

    async fn wait(&self) -> Option<SemaphorePermit<'_>> {
        let _waits = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            return None;
        }
        // It is never closed.
        self.places.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future, poll_fn},
        pin::pin,
        task::Poll,
    };

    use super::*;

    fn one() -> Bulkhead {
        Bulkhead::new(NonZeroUsize::MIN)
    }

    /// What the future has come to after one poll.
    async fn now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        poll_fn(|cx| {
            Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn who_finds_no_place_waits_for_the_next_one() {
        let bulkhead = one();
        let place = bulkhead.enter().await.unwrap();
        let mut second = pin!(bulkhead.enter());
        assert!(now(&mut second).await.is_none());
        drop(place);
        assert!(second.await.is_some());
        assert_eq!(bulkhead.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn too_many_do_not_wait_and_who_leaves_makes_room() {
        let bulkhead = one();
        let _place = bulkhead.enter().await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(bulkhead.enter())).collect();
        for wait in &mut waiting {
            assert!(now(wait).await.is_none());
        }
        assert!(matches!(now(&mut pin!(bulkhead.enter())).await, Some(None)));
        waiting.pop();
        assert!(now(&mut pin!(bulkhead.enter())).await.is_none());
    }
}
