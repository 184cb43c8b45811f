//! Connections: accepted within bounds, watched by one sweeper, served by hyper.

mod io;
mod serve;
mod streams;
mod sweeper;
mod watch;

pub use self::{
    serve::{Answer, Entrance, connection, serve},
    sweeper::{CoarseClock, Sweeper},
    watch::Watch,
};
