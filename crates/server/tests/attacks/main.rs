//! Attacks on the real program: many connections at once, floods of frames. What they must not do is
//! make it slow for others, so they run one after the other and apart from the other tests.

#[expect(dead_code, reason = "it serves more tests than these")]
#[path = "../it/client.rs"]
mod client;
mod http2;
mod probe;
mod process;
#[expect(dead_code, reason = "it serves more tests than these")]
#[path = "../it/server.rs"]
mod server;
mod slow;
