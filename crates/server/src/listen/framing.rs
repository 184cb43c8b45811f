/// What a connection has sent since it was last answered, at most, as far as hyper's own refusals need it
/// told.
///
/// hyper answers 431 when a head is too large or has too many fields, and also when a `Content-Length`
/// is one of the two highest numbers of 64 bits, which it keeps for bodies without a length. Such a head
/// is not too large: it is malformed, as one is with the number after them.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    bytes: u32,
    /// How many came last: what stands behind the request that is answered came with them.
    last: u32,
}

/// Fewer bytes than these are not too many for anybody: hyper reads a hundred fields, and more of them
/// have at least a name, a colon and the end of a line each.
const SMALL: u32 = 100 * 3;

impl Unanswered {
    pub(super) fn came(&mut self, bytes: usize) {
        self.last = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes = self.bytes.saturating_add(self.last);
    }

    /// An answer is written.
    pub(super) const fn answered(&mut self) {
        self.bytes = self.last;
    }

    /// Whether a head that hyper calls too large is malformed instead.
    pub(super) const fn is_small(&self) -> bool {
        self.bytes <= SMALL
    }
}
