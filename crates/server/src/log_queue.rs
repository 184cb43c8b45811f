//! The way of the log to standard error, on which no request waits.

use std::{
    io::{self, Write},
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// What waits for a slow terminal or disk at most; lines beyond it are lost, and counted.
const WAITING: usize = 4 << 20;
/// How long lines are gathered: to wake a thread for each line costs more than to write it.
const GATHERED: Duration = Duration::from_millis(20);

/// Takes lines without ever waiting. Clones share the queue.
#[derive(Clone)]
pub(crate) struct LogQueue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Told when there is something to write again, and at the end.
    told: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    ended: bool,
}

/// Writes what waits; when it is dropped, everything is written.
#[must_use = "nothing is written any more once it is dropped"]
pub(crate) struct LogWriter {
    queue: LogQueue,
    thread: Option<JoinHandle<()>>,
}

impl LogQueue {
    /// A queue, and the thread that writes its lines to `out`.
    pub(crate) fn new(out: impl Write + Send + 'static) -> (Self, LogWriter) {
        let queue = Self(Arc::default());
        let own = queue.clone();
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || own.write_to(out));
        // Without a thread the queue fills up and the lines are counted as lost.
        (queue.clone(), LogWriter { queue, thread: thread.ok() })
    }

    /// How many lines were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    fn take(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > WAITING {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if first {
            self.0.told.notify_one();
        }
    }

    fn write_to(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            let waiting = self.lock();
            let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.ended;
            let waiting = self.0.told.wait_while(waiting, idle);
            let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let gathering = |waiting: &mut Waiting| !waiting.ended;
            let waiting = self.0.told.wait_timeout_while(waiting, GATHERED, gathering);
            let (mut waiting, _) = waiting.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut waiting.lines, &mut lines);
            let ended = waiting.ended;
            drop(waiting);
            // Nobody is left to tell that standard error is gone.
            let _ = out.write_all(&lines).and_then(|()| out.flush());
            lines.clear();
            if ended {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.queue.lock().ended = true;
        self.queue.0.told.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Each event comes in one piece.
impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogQueue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Takes nothing until it may.
    struct Slow {
        may: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.may.recv();
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Slow, Sender<()>, Receiver<Vec<u8>>) {
        let ((allow, may), (written, read)) = (channel(), channel());
        (Slow { may, written }, allow, read)
    }

    #[test]
    fn everything_is_written_in_order_before_the_end() {
        let (out, allow, read) = slow();
        drop(allow);
        let (mut queue, writer) = LogQueue::new(out);
        for i in 0..1000 {
            writeln!(queue, "line {i}").unwrap();
        }
        drop(writer);
        let written: Vec<u8> = read.try_iter().flatten().collect();
        let wanted: String = (0..1000).map(|i| format!("line {i}\n")).collect();
        assert_eq!(String::from_utf8(written).unwrap(), wanted);
    }

    #[test]
    fn what_a_stuck_reader_does_not_take_is_bounded_and_counted() {
        let (out, allow, read) = slow();
        let (mut queue, writer) = LogQueue::new(out);
        let line = [b'x'; 1 << 10];
        // One queue full may be in the writer's hands, one waits.
        for _ in 0..3 * (WAITING >> 10) {
            queue.write_all(&line).unwrap();
        }
        assert!(queue.lost() >= (WAITING >> 10) as u64, "{}", queue.lost());
        drop(allow);
        drop(writer);
        let written: usize = read.try_iter().map(|bytes| bytes.len()).sum();
        assert_eq!(written as u64, (3 * (WAITING as u64 >> 10) - queue.lost()) << 10);
    }
}
