//! Connections: accepted within bounds, watched by one sweeper, served by hyper, put aside while they
//! rest.

mod answer;
mod bodies;
mod calm;
mod closed;
mod door;
mod drive;
mod framing;
mod io;
mod leftover;
mod parting;
mod places;
mod preface;
mod proxy;
mod refusal;
mod serve;
mod socket;
mod streams;
mod sweeper;
pub mod tls;
mod watch;

pub use self::{
    bodies::BodyWatch,
    door::Door,
    serve::{Answer, Entrance, connection, serve},
    sweeper::{CoarseClock, Sweeper, Watched},
    tls::Tls,
    watch::Watch,
};

#[cfg(test)]
mod tests;
