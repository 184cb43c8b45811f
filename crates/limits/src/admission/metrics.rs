use ::metrics::Counter;

use super::ShedReason;
use crate::class::Class;

/// Decisions on requests; labels `class` (as [`Class`]), `decision` (`allow`, `deny`, `would_deny`) and
/// `reason` (`none`, `concurrency`, `budget`).
const ADMISSION_DECISIONS: &str = "gabion_admission_decisions_total";

/// The counters of each class, bound once; arrays by [`Class`], then by [`ShedReason`].
pub(super) struct DecisionMetrics {
    allow: [Counter; 4],
    deny: [[Counter; 2]; 4],
    would_deny: [[Counter; 2]; 4],
}

impl DecisionMetrics {
    pub(super) fn new() -> Self {
        let counter = |class: Class, decision: &'static str, reason: &'static str| {
            ::metrics::counter!(
                ADMISSION_DECISIONS,
                "class" => class.as_str(), "decision" => decision, "reason" => reason,
            )
        };
        let refusals = |class, decision| {
            [ShedReason::Concurrency, ShedReason::Budget]
                .map(|reason| counter(class, decision, reason.as_str()))
        };
        Self {
            allow: Class::ALL.map(|class| counter(class, "allow", "none")),
            deny: Class::ALL.map(|class| refusals(class, "deny")),
            would_deny: Class::ALL.map(|class| refusals(class, "would_deny")),
        }
    }

    pub(super) fn allow(&self, class: Class) -> &Counter {
        &self.allow[class as usize]
    }

    pub(super) fn deny(&self, class: Class, reason: ShedReason) -> &Counter {
        &self.deny[class as usize][reason as usize]
    }

    pub(super) fn would_deny(&self, class: Class, reason: ShedReason) -> &Counter {
        &self.would_deny[class as usize][reason as usize]
    }
}
