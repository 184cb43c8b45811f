//! The reference server from outside: the real program, real sockets, one folder for each server.

mod admin;
mod client;
mod durable;
mod http2;
mod identity;
mod limits;
mod not_honoured;
mod problem;
mod restart;
mod server;
mod start;
mod walk;
