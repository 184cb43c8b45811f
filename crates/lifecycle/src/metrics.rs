//! Every metric of this crate.

use metrics::{Counter, Unit, counter, describe_counter};

/// Hand-over restarts by `outcome`: `completed` (the new process serves; carried on from process to
/// process), `undone` (it failed before it was ready and the old one went on), `failed` (it could
/// not even be started).
pub const RESTARTS: &str = "gabion_restarts_total";

/// Connections that could not be accepted, by `cause`: `exhausted` (no file descriptor or memory),
/// `aborted` (the client was gone already), `other`.
pub const ACCEPT_ERRORS: &str = "gabion_accept_errors_total";

/// Tells the recorder what the metrics mean.
pub fn describe() {
    describe_counter!(RESTARTS, Unit::Count, "hand-over restarts by outcome");
    describe_counter!(
        ACCEPT_ERRORS,
        Unit::Count,
        "connections that could not be accepted by cause"
    );
}

#[derive(Debug)]
pub(crate) struct Restarts {
    pub(crate) undone: Counter,
    pub(crate) failed: Counter,
}

impl Restarts {
    pub(crate) fn new() -> Self {
        Self {
            undone: counter!(RESTARTS, "outcome" => "undone"),
            failed: counter!(RESTARTS, "outcome" => "failed"),
        }
    }

    /// The successor counts what succeeded, since the process that began it ends soon.
    pub(crate) fn completed(total: u64) {
        counter!(RESTARTS, "outcome" => "completed").absolute(total);
    }
}

#[derive(Debug)]
pub(crate) struct AcceptErrors {
    pub(crate) exhausted: Counter,
    pub(crate) aborted: Counter,
    pub(crate) other: Counter,
}

impl AcceptErrors {
    pub(crate) fn new() -> Self {
        Self {
            exhausted: counter!(ACCEPT_ERRORS, "cause" => "exhausted"),
            aborted: counter!(ACCEPT_ERRORS, "cause" => "aborted"),
            other: counter!(ACCEPT_ERRORS, "cause" => "other"),
        }
    }
}
