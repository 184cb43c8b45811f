use std::time::Duration;

use gabion_config::settings;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const NOTICE: Duration = Duration::from_secs(1);

settings! {
    /// How a process ends and how it is replaced.
    pub struct LifecycleConfig {
        /// How long open connections may go on once the server was told to stop.
        live drain: Duration = Duration::from_secs(30), in SHORTEST..=LONGEST;
        /// How long a new process is watched after a restart.
        live probation: Duration = Duration::from_secs(60), in SHORTEST..=LONGEST;
    }
}

impl LifecycleConfig {
    /// How long to go on accepting after readiness has turned false and nobody else serves the
    /// port, so that load balancers can look away: a tenth of [`drain`](Self::drain), at most 1 s.
    #[must_use]
    pub fn notice(&self) -> Duration {
        (self.drain / 10).min(NOTICE)
    }
}

#[cfg(test)]
mod tests {
    use gabion_config::{Reader, Settings};

    use super::*;

    #[test]
    fn a_second_is_accepted_and_less_is_not() {
        let mut reader =
            Reader::from_text([("lifecycle.drain", "1s"), ("lifecycle.probation", "999ms")]);
        let config = LifecycleConfig::default().read("lifecycle", &mut reader);
        assert_eq!(config.drain, Duration::from_secs(1));
        let findings = reader.finish();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].key, "lifecycle.probation");
    }

    #[test]
    fn notice_leaves_most_of_the_drain_to_the_connections() {
        assert_eq!(LifecycleConfig::default().notice(), Duration::from_secs(1));
        let short = LifecycleConfig { drain: SHORTEST, ..LifecycleConfig::default() };
        assert_eq!(short.notice(), Duration::from_millis(100));
    }
}
