use ::metrics::{Counter, Unit};

use super::ShedReason;
use crate::class::Class;

/// Decisions on requests; labels `class` (as [`Class`]), `decision` (`allow`, `deny`, `would_deny`) and
/// `reason` (`none`, `concurrency`, `budget`).
const ADMISSION_DECISIONS: &str = "gabion_admission_decisions_total";
/// How often a budget group began to be shed; label `action` (`shed_critical`, `shed_user`,
/// `shed_degraded`).
const BUDGET_ACTIONS: &str = "gabion_budget_actions_total";

/// Tells the recorder units and meanings.
pub(crate) fn describe() {
    ::metrics::describe_counter!(ADMISSION_DECISIONS, Unit::Count, "Decisions of admission.");
    ::metrics::describe_counter!(
        BUDGET_ACTIONS,
        Unit::Count,
        "What was done to stay inside a budget: how often a group of requests began to be shed."
    );
}

/// The counters of each class, bound once; arrays by [`Class`], then by [`ShedReason`].
pub(super) struct DecisionMetrics {
    allow: [Counter; 4],
    deny: [[Counter; 2]; 4],
    would_deny: [[Counter; 2]; 4],
    /// By budget group.
    sheds: [Counter; 3],
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
            sheds: ["shed_critical", "shed_user", "shed_degraded"]
                .map(|action| ::metrics::counter!(BUDGET_ACTIONS, "action" => action)),
        }
    }

    pub(super) fn allow(&self, class: Class) -> &Counter {
        &self.allow[class as usize]
    }

    pub(super) fn deny(&self, class: Class, reason: ShedReason) -> &Counter {
        &self.deny[class as usize][reason as usize]
    }

    pub(super) fn sheds(&self) -> &[Counter; 3] {
        &self.sheds
    }

    pub(super) fn would_deny(&self, class: Class, reason: ShedReason) -> &Counter {
        &self.would_deny[class as usize][reason as usize]
    }
}
