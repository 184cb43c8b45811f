//! Outbound HTTP with bounds: key sets of outside issuers and the webhook sink.
//!
//! Nothing is callable yet. This page says what will be here and which shape it has to fit.
//!
//! A server that calls out takes risks that one which only answers does not have. It can be made to
//! call an address inside its own network, to wait for somebody who never answers, to read an answer
//! that never ends, or to call again for each of a thousand requests. This crate will be the only one
//! that opens outbound connections, so that these rules stand in one place. It differs from a general
//! HTTP client, which does what it is told: this one refuses.
//!
//! What it will hold:
//!
//! - a fetcher with a time for connecting, for the first byte and for the whole, a largest answer,
//!   no redirects to other hosts, and rules about addresses: private and local ones are refused
//!   unless they were configured, judged by the address that is connected to and not by the name.
//! - the key set of an outside issuer. `KeyResolver` of `gabion-auth` is asked on every request and
//!   answers from memory; a task fetches the set, keeps the last good one, and looks again for an
//!   unknown key seldom, whoever asks. `gabion-cache` loads it once for all who wait.
//! - the webhook of alerts: an `AlertSink` of `gabion-monitor`. It queues and never blocks, tries
//!   again with growing pauses, and gives up with a line in the log.
//!
//! What it will not do: follow a URL that stands in a token, be a proxy, or share its connections
//! with the code of a service.
