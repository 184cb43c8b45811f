use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::{
    Aim,
    reply::{self, Reply},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// Asks once, on a connection of its own; status and body.
///
/// # Errors
///
/// When there is no connection, or no answer within ten seconds.
pub fn ask(aim: &Aim) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect_timeout(&aim.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&aim.request)?;
    let (mut received, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut piece)?;
        received.extend_from_slice(&piece[..count]);
        match reply::read(&received) {
            Reply::Whole { status, body } => return Ok((status, received.split_off(body))),
            Reply::Partial if count > 0 => {}
            Reply::Partial | Reply::Broken => return Err(ErrorKind::InvalidData.into()),
        }
    }
}
