//! The work that is timed, ours and the same of a peer, one method each.
//!
//! Criterion and the ratios time the same subjects. Inputs vary from call to call, nothing is built
//! inside the measured part that a server would not build there, and a recorder of metrics is
//! installed, so that counting costs what it costs in the server.

pub mod cached;
mod once;
mod order;
pub mod rate;
mod recorder;
pub mod token;
pub mod wall;

pub use self::{once::once, order::Order, recorder::recorder};
