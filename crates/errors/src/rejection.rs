use std::{error::Error, fmt, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};

use crate::{Problem, types};

/// Any cause.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An error that knows what a client may be told of it.
///
/// Implemented beside each error enum, variant by variant.
pub trait ToProblem: Error {
    /// The public half of this error.
    fn to_problem(&self) -> Problem;
}

/// A refused or failed request: the public problem, and the private cause if there is one.
///
/// It is not itself an [`Error`], so that `?` can turn every [`ToProblem`] into it.
pub struct Rejection(Box<Parts>);

struct Parts {
    problem: Problem,
    cause: Option<BoxError>,
    operation: Option<&'static str>,
    elapsed: Option<Duration>,
    /// Whether the log knows of it.
    #[cfg(feature = "report")]
    reported: std::sync::atomic::AtomicBool,
}

impl Rejection {
    /// A rejection without a cause worth logging: the problem says it all.
    #[must_use]
    pub fn new(problem: Problem) -> Self {
        Self(Box::new(Parts {
            problem,
            cause: None,
            operation: None,
            elapsed: None,
            #[cfg(feature = "report")]
            reported: false.into(),
        }))
    }

    /// A failure of the server: the client is told nothing but its request id.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::new(Problem::new(&types::INTERNAL)).caused_by(cause)
    }

    /// What is shared, as the response of a framework carries it: the rejection itself, or where somebody
    /// else holds it as well, one that tells the same. Of the two only this one is reported.
    #[must_use]
    pub fn from_shared(shared: Arc<Self>) -> Self {
        Arc::try_unwrap(shared).unwrap_or_else(|shared| {
            let Parts { problem, operation, elapsed, .. } = &*shared.0;
            let mut own = Self::new(problem.clone());
            (own.0.operation, own.0.elapsed) = (*operation, *elapsed);
            #[cfg(feature = "report")]
            if shared.mark_reported() {
                own.mark_reported();
            }
            if shared.cause().is_some() { own.caused_by(SharedCause(shared)) } else { own }
        })
    }

    /// Keeps `cause` for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<BoxError>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Names the operation that failed, unless a deeper one was named already.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Notes how long the operation took until it failed, unless that of a deeper one is known.
    #[must_use]
    pub fn took(mut self, elapsed: Duration) -> Self {
        self.0.elapsed.get_or_insert(elapsed);
        self
    }

    /// Adds a response header, as [`Problem::header`] does.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        let mut parts = *self.0;
        parts.problem = parts.problem.header(name, value);
        self.0 = Box::new(parts);
        self
    }

    /// The public half.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// The private cause.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// The operation that failed, where it was named.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// How long that operation took until it failed, where it was measured.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.0.elapsed
    }

    /// Whether a [`Reporter`](crate::Reporter) has had it, so that nothing is told twice.
    #[cfg(feature = "report")]
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.0.reported.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether it was marked before.
    #[cfg(feature = "report")]
    pub(crate) fn mark_reported(&self) -> bool {
        self.0.reported.swap(true, std::sync::atomic::Ordering::Relaxed)
    }

    /// The cause and its sources on one line, outermost first.
    #[must_use]
    pub fn cause_chain(&self) -> Option<String> {
        Some(error_chain(self.0.cause.as_deref()?))
    }
}

/// An error and its sources on one line, outermost first. A source whose words the error around it
/// says already is not said again.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let (mut error, mut said) = (error, error.to_string());
    let mut chain = said.clone();
    while let Some(source) = error.source() {
        let words = source.to_string();
        if !said.contains(&words) {
            chain.push_str(": ");
            chain.push_str(&words);
        }
        (error, said) = (source, words);
    }
    chain
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("code", &self.0.problem.code())
            .field("detail", &self.0.problem.detail_text())
            .field("operation", &self.0.operation)
            .field("elapsed", &self.0.elapsed)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Rejection {
    /// What a client may read: `conflict: the item is being changed, try again`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.problem.code(), self.0.problem.detail_text())
    }
}

/// The cause of a rejection that others hold as well.
#[derive(Debug)]
struct SharedCause(Arc<Rejection>);

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause().map_or(Ok(()), |cause| write!(f, "{cause}"))
    }
}

impl Error for SharedCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause()?.source()
    }
}

impl From<Problem> for Rejection {
    fn from(problem: Problem) -> Self {
        Self::new(problem)
    }
}

impl<E: ToProblem + Send + Sync + 'static> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self::new(error.to_problem()).caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_cause_chain_is_kept_and_the_client_sees_none_of_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the table")]
        struct Outer(#[source] io::Error);

        let rejection = Rejection::internal(Outer(io::Error::other("disk on fire")));
        assert_eq!(rejection.cause_chain().unwrap(), "cannot read the table: disk on fire");
        let public = String::from_utf8(rejection.problem().to_json("id").to_vec()).unwrap();
        assert!(!public.contains("fire") && !public.contains("table"), "{public}");
    }

    #[test]
    fn a_source_that_is_said_already_is_not_said_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot start: {0}")]
        struct Says(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("the port is taken")]
        struct Inner(#[source] io::Error);

        let error = Says(Inner(io::Error::other("busy")));
        assert_eq!(error_chain(&error), "cannot start: the port is taken: busy");
    }

    #[test]
    fn a_shared_rejection_tells_the_same() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot save")]
        struct Outer(#[source] io::Error);

        let cause = Outer(io::Error::other("disk on fire"));
        let shared = Arc::new(Rejection::internal(cause).during("save"));
        let own = Rejection::from_shared(Arc::clone(&shared));
        assert_eq!(own.problem().code(), "internal");
        assert_eq!(own.operation(), Some("save"));
        assert_eq!(own.cause_chain().unwrap(), "cannot save: disk on fire");
        #[cfg(feature = "report")]
        assert!(shared.is_reported() && !own.is_reported());
        drop(own);
        assert_eq!(Rejection::from_shared(shared).operation(), Some("save"));
    }

    #[test]
    fn the_deepest_operation_is_kept() {
        let rejection = Rejection::internal("x").during("query").during("handler");
        assert_eq!(rejection.operation(), Some("query"));
    }
}
