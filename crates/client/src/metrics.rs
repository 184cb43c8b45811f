//! Every metric of this crate. The label `host` is that of a configured endpoint, never a client's word.

use metrics::{Unit, describe_counter, describe_gauge};

/// Fetches of key sets by `host` and `outcome`, one of [`FETCH_OUTCOMES`].
pub const FETCHES: &str = "gabion_client_key_set_fetches_total";
/// Keys that were looked up by `host` and `outcome`: `found`, `unknown`.
pub const LOOKUPS: &str = "gabion_client_key_lookups_total";
/// Keys in use by `host`; 0 until the first set has come, and after the last one became too old.
pub const KEYS: &str = "gabion_client_key_set_keys";
/// When the set in use was fetched, in seconds since 1970, by `host`.
pub const KEY_SET_FETCHED: &str = "gabion_client_key_set_fetched_timestamp_seconds";

/// How a fetch ends: `ok`; `address` refused; `connect`, with the look-up of the name; `tls`;
/// `timeout`; `redirect`; another `status` than 200; `size`; no valid `http`; no usable `key_set`.
pub const FETCH_OUTCOMES: [&str; 10] =
    ["ok", "address", "connect", "tls", "timeout", "redirect", "status", "size", "http", "key_set"];

/// Tells the recorder what the metrics mean.
pub fn describe() {
    describe_counter!(FETCHES, Unit::Count, "fetches of key sets by host and outcome");
    describe_counter!(LOOKUPS, Unit::Count, "keys looked up by host and outcome");
    describe_gauge!(KEYS, Unit::Count, "keys in use by host");
    describe_gauge!(KEY_SET_FETCHED, Unit::Seconds, "when the key set in use was fetched");
}
