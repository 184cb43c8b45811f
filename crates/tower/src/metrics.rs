//! Every metric of this crate.

use metrics::{Unit, describe_counter};

/// Problems answered; label `code` (the problem's).
pub const PROBLEMS: &str = "gabion_problems_total";

/// Tells the recorder units and meanings; call once after it is installed.
pub fn describe() {
    describe_counter!(PROBLEMS, Unit::Count, "Problem documents answered, by code.");
}
