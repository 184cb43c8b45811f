use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use gabion_clock::Instant;

use super::{Admission, Outcome};

/// The right to be in flight. Held until the answer is complete, and given back when dropped.
#[must_use = "a permit that is dropped admits nothing"]
pub struct Permit {
    admission: Arc<Admission>,
    began: Instant,
    ended: Instant,
    outcome: Outcome,
}

impl Permit {
    pub(super) const fn new(admission: Arc<Admission>, now: Instant) -> Self {
        Self { admission, began: now, ended: now, outcome: Outcome::Ignore }
    }

    /// When the request was admitted.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Gives the permit back and tells the controller how it went.
    pub fn finish(mut self, now: Instant, outcome: Outcome) {
        (self.ended, self.outcome) = (now, outcome);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.in_flight.fetch_sub(1, Relaxed);
        let rtt = self.ended.saturating_since(self.began);
        self.admission.controller.on_end(self.ended, rtt, self.outcome);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("began", &self.began).finish_non_exhaustive()
    }
}
