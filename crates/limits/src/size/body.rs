use gabion_config::ByteSize;

use super::SizeError;

/// Checks what `Content-Length` announces; a body without one is left to [`Counted`].
///
/// # Errors
///
/// When it is more than `limit`.
pub fn check_declared(content_length: Option<u64>, limit: ByteSize) -> Result<(), SizeError> {
    match content_length {
        Some(length) if length > limit.bytes() => Err(SizeError::BodyTooLarge(limit)),
        _ => Ok(()),
    }
}

/// Counts a body as it streams in, whatever was announced.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    used: u64,
    limit: ByteSize,
}

impl Counted {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new(limit: ByteSize) -> Self {
        Self { used: 0, limit }
    }

    /// Adds a piece of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// When the body with this piece is larger than the limit; also for each piece after it.
    pub const fn add(&mut self, bytes: usize) -> Result<(), SizeError> {
        self.used = self.used.saturating_add(bytes as u64);
        if self.used > self.limit.bytes() {
            Err(SizeError::BodyTooLarge(self.limit))
        } else {
            Ok(())
        }
    }

    /// Bytes so far, those beyond the limit included.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_announce_the_limit_itself() {
        let limit = ByteSize::new(10);
        assert_eq!(check_declared(Some(10), limit), Ok(()));
        assert_eq!(check_declared(None, limit), Ok(()));
        assert_eq!(check_declared(Some(11), limit), Err(SizeError::BodyTooLarge(limit)));
    }

    #[test]
    fn a_body_that_grows_beyond_the_limit_stays_refused() {
        let mut counted = Counted::new(ByteSize::new(10));
        assert_eq!((counted.add(4), counted.add(6), counted.used()), (Ok(()), Ok(()), 10));
        assert!(counted.add(1).is_err());
        assert!(counted.add(0).is_err());
        assert!(counted.add(usize::MAX).is_err());
    }
}
