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

use tracing_subscriber::fmt::{
    MakeWriter, format,
    time::{FormatTime, SystemTime},
};

use crate::log_line::{Style, safe};

/// What waits for a slow terminal or disk at most; lines beyond it are lost, and counted.
const WAITING: usize = 4 << 20;
/// How long lines are gathered: to wake a thread for each line costs more than to write it.
const GATHERED: Duration = Duration::from_millis(20);
/// Memory that is kept for the next lines; more is given back after a jam.
const KEPT: usize = 512 << 10;
/// How long the end of the log is waited for: who does not read by then has left.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a pipe that somebody made non-blocking is left alone when it is full.
const FULL: Duration = Duration::from_millis(10);

/// Takes lines without ever waiting. Clones share the queue.
#[derive(Clone)]
pub(crate) struct LogQueue(Arc<Shared>);

struct Shared {
    style: Style,
    waiting: Mutex<Waiting>,
    /// Told when there is something to write again, and at the end.
    told: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    /// Whole lines.
    lines: Vec<u8>,
    ended: bool,
    /// After the end: all is written.
    done: bool,
}

/// Where lines go.
struct Out<W> {
    out: W,
    /// The last line is not there to its end.
    torn: bool,
}

/// Writes what waits; when it is dropped, everything is written.
#[must_use = "nothing is written any more once it is dropped"]
pub(crate) struct LogWriter {
    queue: LogQueue,
    thread: Option<JoinHandle<()>>,
}

impl LogQueue {
    /// A queue, and the thread that writes its lines to `out`.
    pub(crate) fn new(style: Style, out: impl Write + Send + 'static) -> (Self, LogWriter) {
        let (waiting, told, lost) = (Mutex::default(), Condvar::new(), AtomicU64::new(0));
        let queue = Self(Arc::new(Shared { style, waiting, told, lost }));
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

    fn write_to(&self, out: impl Write) {
        let mut out = Out { out, torn: false };
        let mut lines = Vec::new();
        // Lost lines that a line has told of.
        let mut told = 0;
        loop {
            let waiting = self.lock();
            let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.ended;
            let waiting = self.0.told.wait_while(waiting, idle);
            let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let gathering = |waiting: &mut Waiting| !waiting.ended;
            let waiting = self.0.told.wait_timeout_while(waiting, GATHERED, gathering);
            let (mut waiting, _) = waiting.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut waiting.lines, &mut lines);
            // They would have come behind these.
            let (ended, lost) = (waiting.ended, self.lost());
            drop(waiting);
            if lost > told {
                lines.extend_from_slice(notice(self.0.style, lost - told).as_bytes());
            }
            let written = out.write(&lines);
            if written == lines.len() {
                told = lost;
            } else {
                let left = &lines[written..];
                let unwritten = left.iter().filter(|byte| **byte == b'\n').count() as u64;
                // Of these the notice is none that is missed.
                let missed = unwritten - u64::from(lost > told);
                self.0.lost.fetch_add(missed, Ordering::Relaxed);
            }
            lines.clear();
            lines.shrink_to(KEPT);
            if ended {
                self.lock().done = true;
                self.0.told.notify_all();
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Out<W> {
    /// Writes whole lines, for as long as it takes; how much of them is written, where the way out is
    /// broken.
    fn write(&mut self, lines: &[u8]) -> usize {
        if self.torn && !lines.is_empty() {
            if self.write_whole(b"\n") == 0 {
                return 0;
            }
            self.torn = false;
        }
        let written = self.write_whole(lines);
        if let Some(last) = lines[..written].last() {
            self.torn = *last != b'\n';
        }
        written
    }

    fn write_whole(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.out.write(&bytes[written..]) {
                Ok(0) => break,
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL),
                // Nobody is left to tell that standard error is gone.
                Err(_) => break,
            }
        }
        written
    }
}

/// The line that stands for those that were lost.
fn notice(style: Style, lost: u64) -> String {
    const MESSAGE: &str = "log lines were lost: they came faster than they could be written";
    let mut now = String::new();
    // Without a time it tells as much.
    let _ = SystemTime.format_time(&mut format::Writer::new(&mut now));
    match style {
        Style::Json => format!(
            "{{\"timestamp\":\"{now}\",\"level\":\"WARN\",\"message\":\"{MESSAGE}\",\"lost\":{lost},\
             \"target\":\"gabion::log\"}}\n"
        ),
        Style::Plain | Style::Colours => {
            format!("{now}  WARN gabion::log: {MESSAGE} lost={lost}\n")
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let mut waiting = self.queue.lock();
        waiting.ended = true;
        self.queue.0.told.notify_all();
        let writing = |waiting: &mut Waiting| !waiting.done;
        let waited = self.queue.0.told.wait_timeout_while(waiting, FAREWELL, writing);
        let (waiting, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(waiting);
        if !waited.timed_out() {
            let _ = thread.join();
        }
    }
}

/// Each event comes in one piece.
impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.take(&safe(line, self.0.style));
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
        let (mut queue, writer) = LogQueue::new(Style::Plain, out);
        for i in 0..1000 {
            writeln!(queue, "line {i}").unwrap();
        }
        drop(writer);
        let written: Vec<u8> = read.try_iter().flatten().collect();
        let wanted: String = (0..1000).map(|i| format!("line {i}\n")).collect();
        assert_eq!(String::from_utf8(written).unwrap(), wanted);
    }

    #[test]
    fn what_a_stuck_reader_does_not_take_is_bounded_counted_and_told() {
        let (out, allow, read) = slow();
        let (mut queue, writer) = LogQueue::new(Style::Json, out);
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        // One queue full may be in the writer's hands, one waits.
        for _ in 0..3 * (WAITING >> 10) {
            queue.write_all(&line).unwrap();
        }
        let lost = queue.lost();
        assert!(lost >= (WAITING >> 10) as u64, "{lost}");
        drop(allow);
        drop(writer);
        let written: Vec<u8> = read.try_iter().flatten().collect();
        let written = String::from_utf8(written).unwrap();
        let (whole, told): (Vec<_>, Vec<_>) = written.lines().partition(|own| own.len() == 1023);
        assert_eq!(whole.len() as u64, 3 * (WAITING as u64 >> 10) - lost);
        let told: serde_json::Value = serde_json::from_str(told.concat().as_str()).unwrap();
        assert_eq!((&told["lost"], &told["level"]), (&lost.into(), &"WARN".into()));
    }

    #[test]
    fn a_reader_that_never_comes_back_does_not_hold_up_the_end() {
        let (out, _allow, _read) = slow();
        let (mut queue, writer) = LogQueue::new(Style::Plain, out);
        queue.write_all(b"a line\n").unwrap();
        drop(writer);
    }

    /// A disk: full after `room` bytes, until there is more.
    struct Disk {
        room: Receiver<usize>,
        left: usize,
        content: Sender<Vec<u8>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left == 0 {
                self.left = self.room.recv().unwrap_or(usize::MAX);
                if self.left == 0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
            }
            let written = bytes.len().min(self.left);
            self.left -= written;
            let _ = self.content.send(bytes[..written].to_vec());
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_a_full_disk_the_log_goes_on_with_a_new_line_and_tells_what_is_missing() {
        let (give, room) = channel();
        let (content, read) = channel();
        let (mut queue, writer) = LogQueue::new(Style::Plain, Disk { room, left: 0, content });
        give.send(8).unwrap();
        give.send(0).unwrap();
        for line in ["first\n", "second\n", "third\n"] {
            queue.write_all(line.as_bytes()).unwrap();
        }
        while queue.lost() == 0 {
            thread::yield_now();
        }
        assert_eq!(queue.lost(), 2);
        drop(give);
        queue.write_all(b"fourth\n").unwrap();
        drop(writer);
        let written: Vec<u8> = read.try_iter().flatten().collect();
        let written = String::from_utf8(written).unwrap();
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines[..3], ["first", "se", "fourth"]);
        assert!(lines[3].ends_with(" lost=2") && lines.len() == 4, "{lines:?}");
    }
}
