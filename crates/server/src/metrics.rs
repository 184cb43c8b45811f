//! The metrics that are the server's own.

use metrics::{Unit, describe_counter, describe_gauge};

/// Connections closed for being too slow; label `reason` (`head`, `idle`, `body`, `write`).
pub const CONNECTIONS_CLOSED: &str = "gabion_connections_closed_total";
/// Connections open; no labels.
pub const CONNECTIONS_OPEN: &str = "gabion_connections_open";
/// Age in seconds of the newest backup that was verified; no labels.
pub const BACKUP_AGE: &str = "gabion_backup_verified_age_seconds";
/// Log lines lost because the log could not be written fast enough; no labels.
pub const LOG_LINES_LOST: &str = "gabion_log_lines_lost_total";

/// Tells the recorder units and meanings.
pub fn describe() {
    describe_counter!(CONNECTIONS_CLOSED, Unit::Count, "Connections closed for being too slow.");
    describe_gauge!(CONNECTIONS_OPEN, Unit::Count, "Open connections.");
    describe_gauge!(BACKUP_AGE, Unit::Seconds, "Age of the newest verified backup.");
    describe_counter!(LOG_LINES_LOST, Unit::Count, "Log lines lost to a slow log.");
}
