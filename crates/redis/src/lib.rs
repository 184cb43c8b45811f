//! Shared limits, sessions, revocation and cache on Redis or Valkey.
//!
//! Nothing is callable yet. This page says what will be here and which shape it has to fit, so that
//! a store of your own can be written against the same traits today.
//!
//! One process keeps its rate limits in a table, its sessions in SQLite and its cache in memory. Two
//! processes on two machines then disagree: a caller has its quota twice, and a logout on one is not
//! known on the other. This crate will be the adapter that lets several nodes share one truth. It
//! differs from `gabion-sql`, which keeps what must never be lost: here lives what is asked for on
//! every request and may be made anew.
//!
//! What it will hold:
//!
//! - a `RateStore` of `gabion-limits`. The quota travels in each charge, several limits are decided
//!   at once, all or none, by one script on the server. Redis owns this state, so it uses its own
//!   time and ignores the `now` of the caller.
//! - a `SessionStore` and a `RevocationStore` of `gabion-auth`. A change is acknowledged only when
//!   it is written, and a node that missed news of ended sessions asks before it answers.
//! - a `Store` of `gabion-cache`, the tier behind the one in memory. Its failure is a miss.
//!
//! What holds for all of them: each passes the conformance suite of its trait, no other crate names
//! the Redis client, keys of different limits and services never meet, and each says in its settings
//! what happens while Redis cannot be reached. A limit then falls back to the table in memory; an
//! identity that cannot be checked is refused.
//!
//! What it will not do: keep accounts or the audit, or be needed by a server that runs alone.
