use std::{error::Error, sync::Arc, time::Duration};

/// An error that all who waited for a load can have.
pub type SharedError = Arc<dyn Error + Send + Sync>;

/// What a load found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loaded<V> {
    /// A value, to be used for the cache's lifetime.
    Present(V),
    /// A value whose source says how long it may be used: exactly this long, without jitter.
    /// Zero: it is not stored.
    PresentFor(V, Duration),
    /// There is no such value; remembered for the cache's negative lifetime.
    Absent,
}

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Absent, Self::Present)
    }
}

/// A value was not loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The load said so.
    #[error("the load failed")]
    Failed(E),
    /// As many callers wait as may: a sign of overload, worth a retry later.
    #[error("too many callers wait for a load")]
    Crowded,
    /// The load panicked or its runtime ended, and nobody can take it over.
    #[error("the load was interrupted")]
    Interrupted,
}
