//! The metrics that are the server's own.

use metrics::{Unit, describe_counter, describe_gauge};

/// Connections that met a limit of theirs and end for it; label `reason`: `handshake`, `head`, `body`,
/// `write`, `idle` for being too slow, `age` and `requests` for having been there long enough, `frames`
/// for a flood of HTTP/2 frames, resets or fields.
pub const CONNECTIONS_CLOSED: &str = "gabion_connections_closed_total";
/// Connections open; no labels.
pub const CONNECTIONS_OPEN: &str = "gabion_connections_open";
/// Age in seconds of the newest backup that was verified; no labels.
pub const BACKUP_AGE: &str = "gabion_backup_verified_age_seconds";
/// Log lines lost because the log could not be written fast enough; no labels.
pub const LOG_LINES_LOST: &str = "gabion_log_lines_lost_total";
/// TLS handshakes that came to an end; label `outcome` (`completed`, `failed`, `plain_http` for a client
/// that does not speak TLS). Those that did not are among the connections closed.
pub const TLS_HANDSHAKES: &str = "gabion_tls_handshakes_total";
/// When the certificate in use expires, in seconds since 1970; no labels.
pub const TLS_EXPIRY: &str = "gabion_tls_certificate_expiry_timestamp_seconds";
/// 1 while the certificate's files hold something that was not taken, else 0; no labels.
pub const TLS_REFUSED: &str = "gabion_tls_certificate_refused";
/// Connections where a PROXY protocol header is asked for; label `outcome` (`accepted`, `invalid`,
/// `untrusted` for one whose peer is no trusted proxy).
pub const PROXY_HEADERS: &str = "gabion_proxy_headers_total";

/// Attempts to change the configuration while the server runs: by a signal, a changed file, the admin
/// API, or the end of a trial; label `outcome` (`taken`, `refused` for mistakes and unknown versions,
/// `failed` for a disk that does not let it, or a fault of ours).
pub const CONFIG_RELOADS: &str = "gabion_config_reloads_total";

/// Tells the recorder units and meanings.
pub fn describe() {
    describe_counter!(
        CONFIG_RELOADS,
        Unit::Count,
        "Attempts to change the configuration while the server runs."
    );
    for outcome in ["taken", "refused", "failed"] {
        // There from the start, so that the first one shows as a rise.
        metrics::counter!(CONFIG_RELOADS, "outcome" => outcome).increment(0);
    }
    describe_counter!(
        CONNECTIONS_CLOSED,
        Unit::Count,
        "Connections ended by a limit of time or number."
    );
    describe_gauge!(CONNECTIONS_OPEN, Unit::Count, "Open connections.");
    describe_gauge!(BACKUP_AGE, Unit::Seconds, "Age of the newest verified backup.");
    describe_counter!(LOG_LINES_LOST, Unit::Count, "Log lines lost to a slow log.");
    describe_counter!(TLS_HANDSHAKES, Unit::Count, "TLS handshakes that came to an end.");
    describe_gauge!(TLS_EXPIRY, Unit::Seconds, "When the certificate in use expires.");
    describe_gauge!(
        TLS_REFUSED,
        "Whether the certificate's files hold something that was not taken."
    );
    describe_counter!(PROXY_HEADERS, Unit::Count, "Connections asked for a PROXY protocol header.");
}
