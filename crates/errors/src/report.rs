use std::{
    error::Error,
    fmt::{self, Write},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use gabion_clock::Instant;
use tracing::{Level, debug, enabled, error, warn};

use crate::{
    Rejection, redact,
    sample::{Passed, Sampler},
    types,
};

/// Tells the log why something failed: once, with the whole chain of causes, and of what repeats a
/// few.
///
/// What is told at which level, under the target `gabion::error`:
///
/// | problem | level |
/// | --- | --- |
/// | `internal` | error |
/// | `dependency-unavailable`, `deadline-exceeded` | warn |
/// | every other, which a client or an overload brings about in any number | debug |
///
/// Of one kind (problem, operation, route and words of the chain of causes) five pass in ten seconds, and
/// of each level a hundred. The next that passes says how many of its kind were `suppressed`; of kinds in
/// numbers that nobody can remember, the next of any says how many (`suppressed_others`). Those at debug
/// are not counted: whoever asks for them wants them all. Causes go through [`redact`].
///
/// ```
/// use gabion_clock::Instant;
/// use gabion_errors::{Origin, Rejection, Reporter};
///
/// static REPORTER: Reporter = Reporter::new();
///
/// let rejection = Rejection::internal("disk on fire").during("save");
/// let origin = Origin { request_id: "4f1d", route: "/items/{id}" };
/// REPORTER.report(&rejection, Some(origin), Instant::ORIGIN);
/// assert!(rejection.is_reported());
/// ```
pub struct Reporter {
    errors: Mutex<Sampler>,
    /// Of their own, so that a database that is gone hides no fault.
    warnings: Mutex<Sampler>,
}

/// The request that failed.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Its id, as its client was told.
    pub request_id: &'a str,
    /// The template of its path, or empty.
    pub route: &'a str,
}

impl Reporter {
    /// Nothing has failed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { errors: Mutex::new(Sampler::new()), warnings: Mutex::new(Sampler::new()) }
    }

    /// Tells of `rejection`, unless that was done before.
    pub fn report(&self, rejection: &Rejection, origin: Option<Origin<'_>>, now: Instant) {
        if rejection.mark_reported() {
            return;
        }
        let kind = rejection.problem().kind();
        if *kind == types::INTERNAL {
            if enabled!(target: TARGET, Level::ERROR)
                && let Some(passed) = pass(&self.errors, rejection, origin, now)
            {
                tell!(error, rejection, origin, passed, "failed");
            }
        } else if *kind == types::DEPENDENCY_UNAVAILABLE || *kind == types::DEADLINE_EXCEEDED {
            if enabled!(target: TARGET, Level::WARN)
                && let Some(passed) = pass(&self.warnings, rejection, origin, now)
            {
                tell!(warn, rejection, origin, passed, "failed");
            }
        } else if enabled!(target: TARGET, Level::DEBUG) {
            tell!(debug, rejection, origin, Passed { held: 0, others: 0 }, "refused");
        }
    }
}

impl Default for Reporter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

pub(crate) const TARGET: &str = "gabion::error";

fn pass(
    sampler: &Mutex<Sampler>,
    rejection: &Rejection,
    origin: Option<Origin<'_>>,
    now: Instant,
) -> Option<Passed> {
    let route = origin.map_or("", |origin| origin.route);
    let kind = (rejection.problem().code(), rejection.operation(), route, words(rejection));
    sampler.lock().unwrap_or_else(PoisonError::into_inner).pass(&kind, now)
}

/// What does not apply is left out.
macro_rules! tell {
    ($level:ident, $rejection:expr, $origin:expr, $passed:expr, $message:literal) => {{
        let (rejection, origin, passed): (&Rejection, Option<Origin<'_>>, Passed) =
            ($rejection, $origin, $passed);
        let cause = rejection.cause_chain();
        $level!(
            target: TARGET,
            request_id = origin.map(|origin| origin.request_id),
            route = origin.map(|origin| origin.route),
            code = rejection.problem().code(),
            operation = rejection.operation(),
            duration_us = rejection.elapsed().map(|took| took.as_micros() as u64),
            cause = cause.as_deref().map(redact).as_deref(),
            suppressed = Some(passed.held).filter(|held| *held > 0),
            suppressed_others = Some(passed.others).filter(|others| *others > 0),
            $message
        );
    }};
}
use tell;

/// A hash of what the cause and its sources say, made without making the text.
fn words(rejection: &Rejection) -> u64 {
    struct Words(DefaultHasher);

    impl Write for Words {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            text.hash(&mut self.0);
            Ok(())
        }
    }

    let mut words = Words(DefaultHasher::new());
    let mut next = rejection.cause().map(|cause| cause as &dyn Error);
    while let Some(cause) = next {
        // A cause that cannot be shown is of the kind of those that cannot.
        let _ = write!(words, "{cause}");
        next = cause.source();
    }
    words.0.finish()
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use tracing::subscriber::with_default;

    use super::*;
    use crate::Problem;

    /// What `work` writes to the log.
    fn log(level: Level, work: impl FnOnce()) -> Vec<serde_json::Value> {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);

        impl io::Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let lines = Lines::default();
        let own = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(level)
            .with_writer(move || own.clone());
        with_default(subscriber.finish(), work);
        let bytes = lines.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    const ORIGIN: Origin<'_> = Origin { request_id: "id-1", route: "/items/{id}" };

    #[test]
    fn a_failure_is_told_once_with_all_that_is_known() {
        let lines = log(Level::INFO, || {
            let reporter = Reporter::new();
            let rejection = Rejection::internal("disk on fire").during("save");
            let rejection = rejection.took(Duration::from_millis(3));
            reporter.report(&rejection, Some(ORIGIN), Instant::ORIGIN);
            reporter.report(&rejection, Some(ORIGIN), Instant::ORIGIN);
            Reporter::new().report(&rejection, None, Instant::ORIGIN);
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        for (name, wanted) in [
            ("level", "ERROR"),
            ("request_id", "id-1"),
            ("route", "/items/{id}"),
            ("code", "internal"),
            ("operation", "save"),
            ("cause", "disk on fire"),
        ] {
            assert_eq!(line[name], wanted, "{line}");
        }
        assert_eq!(line["duration_us"], 3000);
        assert_eq!(line.get("suppressed"), None);
    }

    #[test]
    fn what_a_client_brings_about_is_told_to_those_who_ask_for_it() {
        let refuse = || {
            let rejection = Rejection::new(Problem::new(&types::NOT_FOUND));
            Reporter::new().report(&rejection, Some(ORIGIN), Instant::ORIGIN);
            assert!(rejection.is_reported());
        };
        assert_eq!(log(Level::INFO, refuse).len(), 0);
        assert_eq!(log(Level::DEBUG, refuse).len(), 1);
    }

    #[derive(Debug, thiserror::Error)]
    #[error("x")]
    struct Wrapped(#[source] io::Error);

    #[test]
    fn of_a_thousand_alike_a_few_are_told_with_the_number_of_the_rest() {
        let lines = log(Level::INFO, || {
            let reporter = Reporter::new();
            for _ in 0..1000 {
                reporter.report(&Rejection::internal("x"), Some(ORIGIN), Instant::ORIGIN);
            }
            let later = Instant::ORIGIN + Duration::from_secs(10);
            let other = Rejection::internal(Wrapped(io::Error::other("y")));
            reporter.report(&other, Some(ORIGIN), Instant::ORIGIN);
            reporter.report(&Rejection::internal("x"), Some(ORIGIN), later);
        });
        let told: Vec<_> = lines.iter().map(|line| line["cause"].as_str().unwrap()).collect();
        assert_eq!(told, ["x", "x", "x", "x", "x", "x: y", "x"]);
        assert_eq!(lines[6]["suppressed"], 995);
    }

    #[test]
    fn a_cause_does_not_give_away_a_credential() {
        let lines = log(Level::INFO, || {
            let cause = "cannot reach postgres://app:hunter2@db";
            Reporter::new().report(&Rejection::internal(cause), None, Instant::ORIGIN);
        });
        assert!(!lines[0].to_string().contains("hunter2"), "{}", lines[0]);
        assert_eq!(lines[0].get("request_id"), None);
    }
}
