//! The `gabion` binary.
fn main() {}
