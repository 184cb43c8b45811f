//! Every metric of this crate: name, unit, labels, meaning.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Seconds from the head of a request to the head of its answer, a histogram. How long the body
/// takes is the reader's affair as well, and not counted.
///
/// Labels: `http_request_method`, `http_route` (both fixed when the route is declared),
/// `http_response_status_code` (a closed list of codes; any other is told by its class, as `2xx`).
pub const REQUEST_DURATION: &str = "http_server_request_duration_seconds";

/// Requests being served now, a gauge without labels.
pub const ACTIVE_REQUESTS: &str = "http_server_active_requests";

/// How much of a budget is in use: 1 is all of it. A gauge.
///
/// Label `budget`: `latency_p99`, `cpu`, `memory`, `error_rate`.
pub const BUDGET_USED: &str = "gabion_budget_used_ratio";

/// 1 while the alert holds, else 0. A gauge.
///
/// Label `alert`: the name of the alert, for a budget that of the budget.
pub const ALERT_ACTIVE: &str = "gabion_alert_active";

/// CPU seconds this process has used since its start.
///
/// It has fractions and the facade's counters have none, so it is set as a gauge;
/// [`correct_types`] makes the rendered text call it the counter that it is.
pub const PROCESS_CPU: &str = "process_cpu_seconds_total";

/// Resident memory of this process in bytes, a gauge.
pub const PROCESS_MEMORY: &str = "process_resident_memory_bytes";

/// Open file descriptors of this process, a gauge.
pub const PROCESS_FDS: &str = "process_open_fds";

/// When this process started, in seconds since 1970, a gauge.
pub const PROCESS_START: &str = "process_start_time_seconds";

/// Audit events that found the queue full or closed, a counter without labels.
pub const AUDIT_DROPPED: &str = "gabion_audit_dropped_total";

/// Tells the recorder what each metric means. Call once, after the recorder is installed.
pub fn describe() {
    describe_histogram!(REQUEST_DURATION, Unit::Seconds, "Time from request head to response head");
    describe_gauge!(ACTIVE_REQUESTS, "Requests being served");
    describe_gauge!(BUDGET_USED, "Used part of each budget, 1 is all of it");
    describe_gauge!(ALERT_ACTIVE, "1 while the alert holds");
    describe_gauge!(PROCESS_CPU, Unit::Seconds, "CPU time used by this process");
    describe_gauge!(PROCESS_MEMORY, Unit::Bytes, "Resident memory of this process");
    describe_gauge!(PROCESS_FDS, "Open file descriptors of this process");
    describe_gauge!(PROCESS_START, Unit::Seconds, "Start of this process, seconds since 1970");
    describe_counter!(AUDIT_DROPPED, "Audit events that were not kept");
}

/// Makes rendered Prometheus text call [`PROCESS_CPU`] a counter.
pub fn correct_types(text: &mut String) {
    let wrong = format!("# TYPE {PROCESS_CPU} gauge\n");
    if let Some(at) = text.find(&wrong) {
        let end = at + wrong.len();
        text.replace_range(at..end, &format!("# TYPE {PROCESS_CPU} counter\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_seconds_are_rendered_as_a_counter() {
        let mut text =
            format!("# TYPE a gauge\na 1\n# TYPE {PROCESS_CPU} gauge\n{PROCESS_CPU} 1.5\n");
        correct_types(&mut text);
        let right =
            format!("# TYPE a gauge\na 1\n# TYPE {PROCESS_CPU} counter\n{PROCESS_CPU} 1.5\n");
        assert_eq!(text, right);
    }
}
