use std::sync::Arc;

use metrics::{Counter, Gauge, counter, gauge};

use crate::metrics::{FETCH_OUTCOMES, FETCHES, KEY_SET_FETCHED, KEYS, LOOKUPS};

/// What is counted of one key set.
pub(super) struct Metered {
    pub(super) found: Counter,
    pub(super) unknown: Counter,
    pub(super) keys: Gauge,
    pub(super) fetched_at: Gauge,
    fetches: [Counter; FETCH_OUTCOMES.len()],
}

impl Metered {
    pub(super) fn new(host: &Arc<str>) -> Self {
        let host = || host.to_string();
        Self {
            found: counter!(LOOKUPS, "host" => host(), "outcome" => "found"),
            unknown: counter!(LOOKUPS, "host" => host(), "outcome" => "unknown"),
            keys: gauge!(KEYS, "host" => host()),
            fetched_at: gauge!(KEY_SET_FETCHED, "host" => host()),
            fetches: FETCH_OUTCOMES
                .map(|outcome| counter!(FETCHES, "host" => host(), "outcome" => outcome)),
        }
    }

    /// Counts a fetch by its outcome, one of [`FETCH_OUTCOMES`].
    pub(super) fn count(&self, outcome: &'static str) {
        let index = FETCH_OUTCOMES.iter().position(|known| *known == outcome);
        if let Some(counter) = index.and_then(|index| self.fetches.get(index)) {
            counter.increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use gabion_config::ByteSize;

    use super::*;
    use crate::{AddressRules, Fault, FetchError, InvalidKeySet, JwksError};

    #[test]
    fn every_failure_has_a_series() {
        let span = Duration::ZERO;
        let cause = Arc::new(io::Error::other("x"));
        let refused = AddressRules::default().check([127, 0, 0, 1].into()).unwrap_err();
        let host: Arc<str> = "issuer.test".into();
        for fault in [
            Fault::PlainHttp,
            Fault::Resolve(None),
            Fault::Address(refused),
            Fault::Connect(Arc::clone(&cause)),
            Fault::Connecting(span),
            Fault::Tls(Arc::clone(&cause)),
            Fault::FirstByte(span),
            Fault::Whole(span),
            Fault::Redirect(301),
            Fault::Status(500),
            Fault::TooLarge(ByteSize::kib(1)),
            Fault::Encoded,
            Fault::Http(cause),
        ] {
            let error = JwksError::from(FetchError { host: Arc::clone(&host), fault });
            assert!(FETCH_OUTCOMES.contains(&error.label()), "{error}");
        }
        let error = JwksError::KeySet { host, fault: InvalidKeySet::Document };
        assert!(FETCH_OUTCOMES.contains(&error.label()) && FETCH_OUTCOMES.contains(&"ok"));
    }
}
