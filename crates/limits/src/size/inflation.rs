use gabion_config::ByteSize;

use super::SizeError;

/// Counts a body that is decompressed as it streams in.
///
/// A few bytes may stand for gigabytes, and many for nothing at all. So three things are bounded: what
/// comes out, what goes in, and how many times more comes out than went in.
///
/// ```
/// use gabion_config::ByteSize;
/// use gabion_limits::{Inflation, SizeError};
///
/// let mut inflation = Inflation::new(ByteSize::mib(10), 100);
/// inflation.took(2_000)?;
/// inflation.gave(1 << 20)?; // so little may be compressed as well as it likes
/// assert_eq!(inflation.gave(1), Err(SizeError::TooCompressed(100)));
/// # Ok::<(), SizeError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Inflation {
    taken: u64,
    given: u64,
    limit: ByteSize,
    ratio: u32,
}

impl Inflation {
    /// Below this much output the ratio does not count: a kilobyte of JSON may well be nothing but
    /// spaces.
    pub const FREE: ByteSize = ByteSize::mib(1);

    /// At most `limit` on either side, and beyond [`FREE`](Self::FREE) at most `ratio` times as much
    /// out as in.
    #[must_use]
    pub const fn new(limit: ByteSize, ratio: u32) -> Self {
        Self { taken: 0, given: 0, limit, ratio }
    }

    /// Adds `bytes` bytes of the compressed body.
    ///
    /// # Errors
    ///
    /// When there are more than the limit; also for each piece after it.
    pub const fn took(&mut self, bytes: usize) -> Result<(), SizeError> {
        self.taken = self.taken.saturating_add(bytes as u64);
        if self.taken > self.limit.bytes() {
            return Err(SizeError::BodyTooLarge(self.limit));
        }
        Ok(())
    }

    /// Adds `bytes` bytes that came out; what they came out of has been told before.
    ///
    /// # Errors
    ///
    /// When there are more than the limit, or too many for what went in.
    pub const fn gave(&mut self, bytes: usize) -> Result<(), SizeError> {
        self.given = self.given.saturating_add(bytes as u64);
        if self.given > self.limit.bytes() {
            return Err(SizeError::DecompressedTooLarge(self.limit));
        }
        let fair = self.taken.saturating_mul(self.ratio as u64);
        if self.given > Self::FREE.bytes() && self.given > fair {
            return Err(SizeError::TooCompressed(self.ratio));
        }
        Ok(())
    }

    /// Bytes that came out so far.
    #[must_use]
    pub const fn given(&self) -> u64 {
        self.given
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_much_as_the_limit_may_come_out() {
        let limit = ByteSize::new(10);
        let mut inflation = Inflation::new(limit, 100);
        assert_eq!((inflation.took(5), inflation.gave(10)), (Ok(()), Ok(())));
        assert_eq!(inflation.gave(1), Err(SizeError::DecompressedTooLarge(limit)));
        assert!(inflation.gave(0).is_err());
    }

    #[test]
    fn what_gives_nothing_is_bounded_too() {
        let limit = ByteSize::new(10);
        let mut inflation = Inflation::new(limit, 100);
        assert_eq!(inflation.took(10), Ok(()));
        assert_eq!(inflation.took(1), Err(SizeError::BodyTooLarge(limit)));
    }

    #[test]
    fn the_ratio_counts_once_there_is_a_mebibyte() {
        let mut inflation = Inflation::new(ByteSize::mib(10), 100);
        inflation.took(1).unwrap();
        assert_eq!(inflation.gave(1 << 20), Ok(()));
        assert_eq!(inflation.gave(1), Err(SizeError::TooCompressed(100)));
        inflation.took(20_000).unwrap();
        assert_eq!(inflation.gave(1), Ok(()));
    }

    proptest! {
        /// Whatever the pieces, what was let through is within all bounds.
        #[test]
        fn no_more_comes_out_than_is_allowed(
            limit in 1_u64..4 << 20,
            ratio in 1_u32..2000,
            pieces in prop::collection::vec((0_usize..9000, 0_usize..70_000), 0..100),
        ) {
            let mut inflation = Inflation::new(ByteSize::new(limit), ratio);
            let (mut taken, mut given) = (0, 0);
            for (input, output) in pieces {
                if inflation.took(input).and_then(|()| inflation.gave(output)).is_err() {
                    break;
                }
                taken += input as u64;
                given += output as u64;
            }
            prop_assert!(taken <= limit && given <= limit);
            prop_assert!(given <= 1 << 20 || given <= taken * u64::from(ratio));
        }
    }
}
