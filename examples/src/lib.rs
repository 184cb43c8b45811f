//! Examples live beside this file; run one with `cargo run -p gabion-examples --example NAME`.
