use ::metrics::{Counter, Gauge, Unit};

/// What became of those who wanted a place; labels `bulkhead` (its name) and `decision` (`admit`: at
/// once; `waited`: after a wait; `full`: refused at once; `timeout`: refused after the wait; `left`: gone
/// before their turn).
const BULKHEAD_DECISIONS: &str = "gabion_bulkhead_decisions_total";
/// Places in use; label `bulkhead` (its name).
const BULKHEAD_USED: &str = "gabion_bulkhead_places_used";

/// Tells the recorder units and meanings.
pub(crate) fn describe() {
    ::metrics::describe_counter!(
        BULKHEAD_DECISIONS,
        Unit::Count,
        "What became of those who wanted a place for expensive work."
    );
    ::metrics::describe_gauge!(
        BULKHEAD_USED,
        Unit::Count,
        "Places for expensive work that are in use."
    );
}

/// The handles of one bulkhead, bound once.
pub(super) struct BulkheadMetrics {
    pub(super) admit: Counter,
    pub(super) waited: Counter,
    pub(super) full: Counter,
    pub(super) timeout: Counter,
    pub(super) left: Counter,
    pub(super) used: Gauge,
}

impl BulkheadMetrics {
    pub(super) fn new(name: &'static str) -> Self {
        let counter = |decision: &'static str| ::metrics::counter!(BULKHEAD_DECISIONS, "bulkhead" => name, "decision" => decision);
        Self {
            admit: counter("admit"),
            waited: counter("waited"),
            full: counter("full"),
            timeout: counter("timeout"),
            left: counter("left"),
            used: ::metrics::gauge!(BULKHEAD_USED, "bulkhead" => name),
        }
    }
}
