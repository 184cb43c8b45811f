//! One guard per concern.

mod admission;
mod authenticate;
mod authorize;
mod client;
mod host;
mod rate;
mod size;

pub use self::{
    admission::AdmissionGuard, authenticate::AuthenticateGuard, authorize::AuthorizeGuard,
    client::ClientGuard, host::HostGuard, rate::RateGuard, size::SizeGuard,
};
