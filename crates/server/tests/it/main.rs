//! The reference server from outside: the real program, real sockets, one folder for each server.

mod admin;
mod api_keys;
mod audit;
mod canary;
mod client;
mod durable;
mod framing;
mod hostile_tokens;
mod http2;
mod identity;
mod keys;
mod limits;
mod logins;
mod not_honoured;
mod passwords;
mod problem;
mod races;
mod rates;
mod restart;
mod server;
mod sizes;
mod start;
mod walk;
