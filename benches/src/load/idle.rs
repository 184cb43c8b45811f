use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Aim;

/// Connections that were asked once and stay open.
pub struct Idle {
    streams: Vec<TcpStream>,
    request: Vec<u8>,
}

impl Idle {
    /// Opens `count` connections, one after the other, and asks each of them once.
    ///
    /// # Errors
    ///
    /// When one is refused, or answered otherwise than with 200.
    pub fn open(aim: &Aim, count: usize) -> io::Result<Self> {
        let mut idle = Self { streams: Vec::with_capacity(count), request: aim.request.clone() };
        for _ in 0..count {
            let mut stream = TcpStream::connect(aim.address)?;
            stream.set_nodelay(true)?;
            stream.write_all(&idle.request)?;
            answered(&mut stream)?;
            idle.streams.push(stream);
        }
        Ok(idle)
    }

    /// Asks all of them at once, then reads the answers.
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open).
    pub fn ask_all(&mut self) -> io::Result<()> {
        for stream in &mut self.streams {
            stream.write_all(&self.request)?;
        }
        self.streams.iter_mut().try_for_each(answered)
    }
}

/// The answers that are measured fit one packet.
fn answered(stream: &mut TcpStream) -> io::Result<()> {
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer)?;
    if answer[..length].starts_with(b"HTTP/1.1 200 ") {
        return Ok(());
    }
    let begin = String::from_utf8_lossy(&answer[..length.min(80)]).into_owned();
    Err(io::Error::other(format!("it was answered with {begin:?}")))
}

/// Lets this process, and those that it starts from now on, have so many descriptors.
///
/// # Errors
///
/// When the system allows fewer.
pub fn allow_descriptors(count: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(count), ..limit })?;
    Ok(())
}
