mod byte_rate;

use std::time::Duration;

use gabion_config::settings;

pub use self::byte_rate::ByteRate;

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

settings! {
    /// How long a client or a request may take.
    pub struct TimeConfig {
        /// For the TLS handshake.
        live tls_handshake: Duration = Duration::from_secs(10), in SHORTEST..=LONGEST;
        /// For a request's head, from its first byte; for the first one from the connection's start.
        live head: Duration = Duration::from_secs(10), in SHORTEST..=LONGEST;
        /// Slowest body, once the server has waited body_grace for it; 0B/s: as slow as it likes.
        live body_min_rate: ByteRate = ByteRate::per_second(1024), in ByteRate::per_second(0)..=ByteRate::per_second(1 << 30);
        /// Time waited for a body before its rate is judged.
        live body_grace: Duration = Duration::from_secs(5), in SHORTEST..=LONGEST;
        /// Longest time in which the client takes nothing of a response.
        live write_stall: Duration = Duration::from_secs(10), in SHORTEST..=LONGEST;
        /// For a whole request; a route may ask for less or more.
        live request: Duration = Duration::from_secs(30), in SHORTEST..=LONGEST;
        /// For a connection without a request.
        live idle: Duration = Duration::from_secs(60), in SHORTEST..=LONGEST;
        /// For a connection as a whole; it ends with the answer that comes next.
        live connection: Duration = Duration::from_secs(3600), in SHORTEST..=LONGEST;
    }
}

#[cfg(test)]
mod tests {
    use gabion_config::{Reader, Settings};

    use super::*;

    #[test]
    fn times_and_rates_are_read_in_their_own_words() {
        let given = [("time.body_min_rate", "2KiB/s"), ("time.idle", "1ms"), ("time.head", "0s")];
        let mut reader = Reader::from_text(given);
        let config = TimeConfig::default().read("time", &mut reader);
        assert_eq!(config.body_min_rate, ByteRate::per_second(2048));
        assert_eq!(config.idle, SHORTEST);
        let findings = reader.finish();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].key, "time.head");
    }
}
