//! Every metric of this crate.

use metrics::{Counter, Unit};

/// Decisions of rate limits; labels `limit` (the limit's name) and `decision` (`allow`, `deny`, or
/// `shadow_deny` for what the mode shadow let through although it did not fit).
pub const LIMIT_DECISIONS: &str = "gabion_limit_decisions_total";
/// Keys that lost a state still in use because their part of the table was full; no labels.
pub const RATE_EVICTIONS: &str = "gabion_rate_evictions_total";

/// Tells the recorder units and meanings; call once after it is installed.
pub fn describe() {
    crate::admission::describe();
    crate::bulkhead::describe();
    metrics::describe_counter!(LIMIT_DECISIONS, Unit::Count, "Decisions of rate limits.");
    metrics::describe_counter!(
        RATE_EVICTIONS,
        Unit::Count,
        "Rate limit states evicted while still in use: the table is too small."
    );
}

/// The counters of one limit, bound once.
#[derive(Debug, Clone)]
pub struct LimitMetrics {
    /// Requests that fitted.
    pub allow: Counter,
    /// Requests that did not, and were refused.
    pub deny: Counter,
    /// Requests that did not, and were let through.
    pub shadow_deny: Counter,
}

impl LimitMetrics {
    /// The counters of the limit `limit`.
    #[must_use]
    pub fn new(limit: &'static str) -> Self {
        let counter = |decision: &'static str| metrics::counter!(LIMIT_DECISIONS, "limit" => limit, "decision" => decision);
        Self { allow: counter("allow"), deny: counter("deny"), shadow_deny: counter("shadow_deny") }
    }
}
