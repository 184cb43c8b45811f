use std::{future::Future, time::Duration};

use gabion_clock::Instant;
use gabion_errors::{Problem, ToProblem, types};

use crate::{gcra::Standing, quota::Quota};

/// The most charges in one decision; what is beyond them is denied.
pub const MAX_CHARGES: usize = 8;

/// One limit's part in a decision: data, so that it can travel to another process.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// The limit's name; keys of different limits do not meet.
    pub limit: &'a str,
    /// Whose quota.
    pub key: &'a [u8],
    /// How much there is; may differ from call to call.
    pub quota: Quota,
    /// How many units; zero peeks.
    pub cost: u32,
}

/// What a store decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Every charge fitted and was taken.
    Allow {
        /// Which charge has the least left.
        charge: usize,
        /// What it has left.
        standing: Standing,
    },
    /// A charge did not fit, nothing was taken.
    Deny {
        /// Which charge has to wait longest.
        charge: usize,
        /// What it has left.
        standing: Standing,
        /// How long it has to wait.
        retry_after: Duration,
    },
}

impl Decision {
    /// Whether every charge was taken.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }
}

/// A quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the quota of the limit {limit} is used up")]
pub struct Exceeded {
    /// The limit's name.
    pub limit: &'static str,
    /// When the request will fit.
    pub retry_after: Duration,
}

impl ToProblem for Exceeded {
    fn to_problem(&self) -> Problem {
        Problem::new(&types::RATE_LIMITED).retry_after(self.retry_after)
    }
}

/// Keeps the states of rate limits.
///
/// The suite in `conformance` (feature of that name) holds each implementation to these words. A
/// store that cannot be reached decides by a policy of its own; it never fails a request by an error.
pub trait RateStore: Send + Sync + 'static {
    /// Takes every charge, or none. Of many callers at the same time no more are allowed than the
    /// quota admits.
    fn decide(&self, charges: &[Charge<'_>], now: Instant)
    -> impl Future<Output = Decision> + Send;

    /// Takes costs that became known only after the work was done. They are never refused; what goes
    /// beyond the quota is owed, up to one more burst.
    fn settle(&self, charges: &[Charge<'_>], now: Instant) -> impl Future<Output = ()> + Send;

    /// Gives units back, up to the whole quota.
    fn refund(&self, charges: &[Charge<'_>], now: Instant) -> impl Future<Output = ()> + Send;
}
