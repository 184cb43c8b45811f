use gabion_config::ByteSize;
use gabion_errors::{Problem, ToProblem, types};

/// A request is larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// The target is.
    #[error("the request target is longer than {0}")]
    TargetTooLong(ByteSize),
    /// The request line and the header fields together are.
    #[error("the request head is larger than {0}")]
    HeadTooLarge(ByteSize),
    /// There are too many header field lines.
    #[error("the request has more than {0} header fields")]
    TooManyHeaders(usize),
    /// The body is, or says that it is going to be.
    #[error("the body is larger than {0}")]
    BodyTooLarge(ByteSize),
    /// The body is, once decompressed.
    #[error("the body is larger than {0} once decompressed")]
    DecompressedTooLarge(ByteSize),
    /// The body is compressed to less than anybody's own would be.
    #[error("decompressing makes the body more than {0} times as large")]
    TooCompressed(u32),
}

impl ToProblem for SizeError {
    fn to_problem(&self) -> Problem {
        let kind = match self {
            Self::TargetTooLong(_) => &types::URI_TOO_LONG,
            Self::HeadTooLarge(_) | Self::TooManyHeaders(_) => &types::HEADER_TOO_LARGE,
            Self::BodyTooLarge(_) | Self::DecompressedTooLarge(_) | Self::TooCompressed(_) => {
                &types::BODY_TOO_LARGE
            }
        };
        Problem::new(kind).detail(format!("{self}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_has_its_status_and_names_itself() {
        let size = ByteSize::kib(8);
        for (error, status) in [
            (SizeError::TargetTooLong(size), 414),
            (SizeError::HeadTooLarge(size), 431),
            (SizeError::TooManyHeaders(8), 431),
            (SizeError::BodyTooLarge(size), 413),
            (SizeError::DecompressedTooLarge(size), 413),
            (SizeError::TooCompressed(8), 413),
        ] {
            let problem = error.to_problem();
            assert_eq!(problem.status(), status);
            assert!(problem.detail_text().contains('8'), "{}", problem.detail_text());
        }
    }
}
