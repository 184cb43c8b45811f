use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::{Bulkhead, BulkheadFull, FullReason};

/// A place among those who do expensive work; given back when dropped.
#[must_use = "a place that is dropped is given back"]
pub struct BulkheadPermit(Arc<Bulkhead>);

impl BulkheadPermit {
    pub(super) const fn new(bulkhead: Arc<Bulkhead>) -> Self {
        Self(bulkhead)
    }
}

impl Drop for BulkheadPermit {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl fmt::Debug for BulkheadPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BulkheadPermit").field(&self.0.name()).finish()
    }
}

/// Waits for a place, as long as it is polled: it has no timer.
///
/// # Cancel safety
///
/// Whoever drops it has left the queue; a place that had just come goes to the next.
#[must_use = "who does not wait has left the queue"]
pub struct Entering {
    bulkhead: Arc<Bulkhead>,
    number: u64,
    longest: Duration,
    /// Whether the wait is over: the place was handed out, or given up.
    over: bool,
}

impl Entering {
    pub(super) const fn new(bulkhead: Arc<Bulkhead>, number: u64, longest: Duration) -> Self {
        Self { bulkhead, number, longest, over: false }
    }

    /// How long to wait before giving up.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.longest
    }

    /// Leaves the queue since the wait was too long.
    ///
    /// # Errors
    ///
    /// Unless the place has come just now.
    pub fn give_up(mut self) -> Result<BulkheadPermit, BulkheadFull> {
        let handed_out = std::mem::replace(&mut self.over, true);
        let mut queue = self.bulkhead.lock();
        let Some(waker) = queue.strike(self.number) else {
            drop(queue);
            return if handed_out {
                Err(self.bulkhead.full(FullReason::Timeout, 0))
            } else {
                Ok(self.permit())
            };
        };
        let refused = queue.refuse();
        drop(queue);
        drop(waker);
        self.bulkhead.metrics.timeout.increment(1);
        Err(self.bulkhead.full(FullReason::Timeout, refused))
    }

    fn permit(&self) -> BulkheadPermit {
        self.bulkhead.metrics.waited.increment(1);
        BulkheadPermit::new(Arc::clone(&self.bulkhead))
    }
}

impl Future for Entering {
    type Output = BulkheadPermit;

    /// Never ready a second time.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BulkheadPermit> {
        if self.over {
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        let kept = self.bulkhead.lock().keep(self.number, waker);
        match kept {
            Ok(_old) => Poll::Pending,
            Err(_unused) => {
                self.over = true;
                Poll::Ready(self.permit())
            }
        }
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.bulkhead.metrics.left.increment(1);
        let struck = self.bulkhead.lock().strike(self.number);
        if struck.is_none() {
            self.bulkhead.leave();
        }
    }
}

impl fmt::Debug for Entering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entering").field("number", &self.number).finish_non_exhaustive()
    }
}
