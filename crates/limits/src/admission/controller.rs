use std::time::Duration;

use gabion_clock::Instant;

/// Bounds the requests in flight, from what it sees of them.
pub trait Controller: Send + Sync {
    /// A request was admitted.
    fn on_start(&self, now: Instant) {
        let _ = now;
    }

    /// An admitted request ended after `rtt`. One whose permit was dropped without being finished ends
    /// as [`Outcome::Ignore`], with the time at which it began.
    fn on_end(&self, now: Instant, rtt: Duration, outcome: Outcome) {
        let _ = (now, rtt, outcome);
    }

    /// How many requests of the class user may be in flight, everything in flight counted.
    fn limit(&self) -> u32;
}

/// What a request's end says about the server's capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was answered: its time counts.
    Success,
    /// It ran out of time, or something it needs was overloaded.
    Overload,
    /// Nothing: the client went away or its request was at fault.
    Ignore,
}

/// A limit that does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed(
    /// The limit.
    pub u32,
);

impl Controller for Fixed {
    fn limit(&self) -> u32 {
        self.0
    }
}
