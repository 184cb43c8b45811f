use gabion_clock::{Clock, Instant};

use crate::{LoginThrottle, TooManyAttempts};

/// A login that the throttle let through; dropped undecided, it counts as never made.
pub(super) struct Attempt<'a> {
    throttle: &'a LoginThrottle,
    name: &'a str,
    open: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn begin(
        throttle: &'a LoginThrottle,
        name: &'a str,
        now: Instant,
    ) -> Result<Self, TooManyAttempts> {
        throttle.check(name, now)?;
        Ok(Self { throttle, name, open: true })
    }

    pub(super) fn failed(mut self, clock: &dyn Clock) {
        self.open = false;
        self.throttle.failed(self.name, clock.now());
    }

    pub(super) fn succeeded(mut self) {
        self.open = false;
        self.throttle.succeeded(self.name);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.open {
            self.throttle.abandoned(self.name);
        }
    }
}
