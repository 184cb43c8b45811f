use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{Aim, Pace, open, poller::Poller};
use crate::cores::Cores;

/// A server that answers every read with the same bytes: what no real one can beat.
pub struct Mirror {
    aim: Aim,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// As long as the head and body of a verify's answer.
const BODY: usize = 800;
const LISTENER: usize = usize::MAX;

impl Mirror {
    /// Starts it on a thread of its own, on the server's core.
    ///
    /// # Errors
    ///
    /// When there is no socket, or no thread.
    pub fn start(cores: Cores) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let aim = Aim::get(listener.local_addr()?, "/", Some(&"x".repeat(400)));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("mirror".into()).spawn({
            let stop = Arc::clone(&stop);
            move || {
                cores.take_servers()?;
                serve(&listener, &stop)
            }
        })?;
        Ok(Self { aim, stop, thread: Some(thread) })
    }

    /// How to ask it.
    #[must_use]
    pub fn aim(&self) -> &Aim {
        &self.aim
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its end is all that matters.
            let _ = thread.join();
        }
    }
}

/// The most requests per second that this side can send and read, against a server without work.
///
/// # Errors
///
/// When there is no socket.
pub fn ceiling(cores: Cores, time: Duration, connections: usize) -> io::Result<f64> {
    let mirror = Mirror::start(cores)?;
    // Far more than can be done: whenever a connection is free, something is due.
    let pace = Pace { rate: 1_000_000.0, time, connections, spin: !cores.shared() };
    let answered = open(mirror.aim(), pace, |_| {})?;
    Ok(answered.good as f64 / answered.took.as_secs_f64())
}

fn serve(listener: &TcpListener, stop: &AtomicBool) -> io::Result<()> {
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + BODY, b'x');
    listener.set_nonblocking(true)?;
    let mut poller = Poller::new()?;
    poller.watch(listener, LISTENER)?;
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut request = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let ready: Vec<usize> = poller.wait(Duration::from_millis(20))?.collect();
        for number in ready {
            if number == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    poller.watch(&stream, streams.len())?;
                    streams.push(Some(stream));
                }
                continue;
            }
            let Some(stream) = streams[number].as_mut() else { continue };
            let alive = match stream.read(&mut request) {
                Ok(0) => false,
                Ok(_) => stream.write_all(&answer).is_ok(),
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            };
            if !alive {
                streams[number] = None;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{ask, burst};

    fn mirror() -> Mirror {
        Mirror::start(Cores::split().unwrap()).unwrap()
    }

    #[test]
    fn every_planned_request_is_counted_once() {
        let mirror = mirror();
        let time = Duration::from_millis(300);
        let pace = Pace { rate: 2000.0, time, connections: 4, spin: false };
        let answered = open(mirror.aim(), pace, |_| {}).unwrap();
        assert_eq!((answered.planned(), answered.good), (600, 600));
        assert_eq!(answered.latency.count(), 600);
    }

    #[test]
    fn a_server_that_is_too_slow_shows_in_the_latency() {
        let mirror = mirror();
        let time = Duration::from_millis(100);
        let pace = Pace { rate: 20_000_000.0, time, connections: 1, spin: false };
        let answered = open(mirror.aim(), pace, |_| {}).unwrap();
        assert_eq!(answered.planned(), 2_000_000);
        assert!(answered.missing > 0 && answered.latency.quantile(0.99) > time);
    }

    #[test]
    fn a_burst_is_answered_whole() {
        let mirror = mirror();
        assert_eq!(burst(mirror.aim(), 50).unwrap().good, 50);
        assert_eq!(ask(mirror.aim()).unwrap().0, 200);
    }
}
