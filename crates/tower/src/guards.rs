//! One guard per concern.

mod admission;
mod authenticate;
mod authorize;
mod bulkhead;
mod client;
mod framing;
mod host;
mod rate;
mod size;

pub use self::{
    admission::AdmissionGuard,
    authenticate::AuthenticateGuard,
    authorize::AuthorizeGuard,
    bulkhead::BulkheadGuard,
    client::ClientGuard,
    framing::FramingGuard,
    host::HostGuard,
    rate::{AllRates, By, OftenRefused, RateGuard},
    size::SizeGuard,
};
