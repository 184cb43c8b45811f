use std::{io, time::Duration};

use gabion_clock::{Clock, SystemClock};

use super::{
    Aim,
    connection::{Connection, Received},
    poller::Poller,
};

/// What came of many requests at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// How many were answered with 200.
    pub good: usize,
    /// From the first connection's opening to the last answer.
    pub took: Duration,
}

/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens `count` new connections one right after the other, each with a request, and waits for all
/// answers.
///
/// # Errors
///
/// When this side runs out of sockets. A connection that is not accepted is a request without an
/// answer.
pub fn burst(aim: &Aim, count: usize) -> io::Result<Burst> {
    let clock = SystemClock::new();
    let mut poller = Poller::new()?;
    let mut connections = Vec::with_capacity(count);
    let begun = clock.now();
    let since = || clock.now().saturating_since(begun);
    for number in 0..count {
        let connection = Connection::open(aim.address).and_then(|mut connection| {
            connection.send(&aim.request)?;
            Ok(connection)
        });
        if let Ok(connection) = &connection {
            poller.watch(connection.stream(), number)?;
        }
        connections.push(connection.ok());
        if since() > PATIENCE {
            break;
        }
    }
    let mut open = connections.iter().flatten().count();
    let (mut good, mut took) = (0, since());
    while open > 0 && since() < PATIENCE {
        for number in poller.wait(Duration::from_millis(10))? {
            let Some(connection) = connections[number].as_mut() else { continue };
            match connection.receive() {
                Received::Nothing => continue,
                Received::Status(status) => good += usize::from(status == 200),
                Received::Closed => {}
            }
            (connections[number], took) = (None, since());
            open -= 1;
        }
    }
    Ok(Burst { good, took: if open > 0 { since() } else { took } })
}
