//! Every error of a service has one shape, and is told once.

mod answers;
mod grpc;
mod readiness;
mod service;
mod telling;
mod walls;
