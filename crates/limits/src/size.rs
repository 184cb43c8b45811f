//! How large requests may be.

mod body;
mod error;
mod head;
mod inflation;

use gabion_config::{ByteSize, settings};

pub use self::{
    body::{Counted, check_declared},
    error::SizeError,
    head::check_head,
    inflation::Inflation,
};

settings! {
    /// Largest requests. Every bound is on what one request may make the server hold or read.
    pub struct SizeConfig {
        /// Largest body; streamed, not held.
        live body: ByteSize = ByteSize::mib(10), in ByteSize::new(1)..=ByteSize::gib(1024);
        /// Largest body of routes that take JSON; held in memory.
        live json_body: ByteSize = ByteSize::kib(64), in ByteSize::new(1)..=ByteSize::gib(1);
        /// Largest head: request line and header fields.
        live head: ByteSize = ByteSize::kib(16), in ByteSize::new(128)..=ByteSize::mib(1);
        /// Most header field lines.
        live headers: usize = 100, in 1..=1_000_000;
        /// Longest request target.
        live target: ByteSize = ByteSize::kib(8), in ByteSize::new(1)..=ByteSize::kib(64);
        /// Deepest nesting of a JSON body.
        live json_depth: usize = 64, in 1..=128;
        /// Largest body after it was decompressed; its route may take less.
        live decompressed: ByteSize = ByteSize::mib(10), in ByteSize::new(1)..=ByteSize::gib(1024);
        /// The most that decompressing may multiply a body by, once it has given a mebibyte.
        live decompress_ratio: u32 = 100, in 1..=100_000;
        /// Most requests in one batch, within `json_body`.
        live batch_items: usize = 100, in 1..=10_000;
    }
}

impl SizeConfig {
    /// The bounds of a compressed body of a route that takes at most `limit`.
    #[must_use]
    pub fn inflation(&self, limit: ByteSize) -> Inflation {
        Inflation::new(limit.min(self.decompressed), self.decompress_ratio)
    }
}
