use std::time::Duration;

use gabion_errors::{Problem, ToProblem, types};

use crate::class::Class;

/// A request was refused so that others can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request of the class {} was shed: {}", class.as_str(), reason.as_str())]
pub struct Shed {
    /// The request's class.
    pub class: Class,
    /// What was short.
    pub reason: ShedReason,
    /// When to try again, in whole seconds; differs from one to the next, so that they do not all come
    /// back at once.
    pub retry_after: Duration,
}

/// What was short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShedReason {
    /// As many requests are in flight as the class may have.
    Concurrency,
    /// The processor or memory budget.
    Budget,
}

impl ShedReason {
    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Budget => "budget",
        }
    }
}

impl ToProblem for Shed {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::OVERLOADED).retry_after(self.retry_after)
    }
}

/// One to four seconds at a `fraction` of one, to twenty when next to nothing is admitted; `draw`, 0 to
/// less than 1, chooses among them.
pub(super) fn retry_after(fraction: f64, draw: f64) -> Duration {
    const SPREAD_SECS: f64 = 4.0;
    const LEAST_FRACTION: f64 = 0.04;
    let secs = (SPREAD_SECS * draw / fraction.max(LEAST_FRACTION).sqrt()).ceil();
    // The cast saturates.
    Duration::from_secs((secs as u64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_spread_over_four_seconds_and_grow_as_less_is_admitted() {
        let waits =
            |fraction| [0.0, 0.3, 0.6, 0.99].map(|draw| retry_after(fraction, draw).as_secs());
        assert_eq!(waits(1.0), [1, 2, 3, 4]);
        assert_eq!(waits(0.1), [1, 4, 8, 13]);
        assert_eq!(waits(0.0), [1, 6, 12, 20]);
    }

    #[test]
    fn the_client_learns_when_to_return() {
        let shed = Shed {
            class: Class::Batch,
            reason: ShedReason::Budget,
            retry_after: Duration::from_secs(3),
        };
        assert_eq!(shed.to_string(), "a request of the class batch was shed: budget");
        let problem = shed.to_problem();
        assert_eq!((problem.status().as_u16(), problem.retry_after_secs()), (503, Some(3)));
    }
}
