/// How much a request matters: who is refused last under overload.
///
/// Ordered from the most important; the order is also the order of the labels in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Keeps the service alive: health, administration, logout.
    Critical,
    /// Somebody known waits for the answer.
    User,
    /// Can be missed: anonymous reads, prefetch, whatever is not known to be more.
    Degraded,
    /// Nobody waits: batches, exports.
    Batch,
}

impl Class {
    /// Every class, the most important first; the index of each is its `as usize`.
    pub const ALL: [Self; 4] = [Self::Critical, Self::User, Self::Degraded, Self::Batch];

    /// The name in metrics and configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::User => "user",
            Self::Degraded => "degraded",
            Self::Batch => "batch",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_important_class_comes_first() {
        assert!(Class::ALL.is_sorted());
        for (index, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index, "{}", class.as_str());
        }
    }
}
