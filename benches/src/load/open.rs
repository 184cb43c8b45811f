use std::{collections::VecDeque, io, time::Duration};

use gabion_clock::{Clock, Instant, SystemClock};

use super::{
    Aim, Latency,
    connection::{Connection, Received},
    poller::Poller,
};

/// How fast, how long, over how many connections.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Requests per second.
    pub rate: f64,
    /// How long requests are sent.
    pub time: Duration,
    /// Connections that are kept open, one request on each at a time.
    pub connections: usize,
    /// Whether the core is ours alone: then the next request is waited for without sleeping, since a
    /// timer wakes some 50 µs late.
    pub spin: bool,
}

/// What came of it. Every planned request is in exactly one of the four counts.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    /// Answered with 200.
    pub good: u64,
    /// Answered with another status.
    pub refused: u64,
    /// Its connection broke.
    pub broken: u64,
    /// Not sent, or not answered, until shortly after the end.
    pub missing: u64,
    /// From the time at which each was meant to be sent to its answer; a missing one counts with the
    /// time that it has waited.
    pub latency: Latency,
    /// The part of the time in which this side had something to do, 0 to 1.
    pub busy: f64,
    /// From the first request to the last answer.
    pub took: Duration,
}

impl Answered {
    /// Every planned request.
    #[must_use]
    pub fn planned(&self) -> u64 {
        self.good + self.refused + self.broken + self.missing
    }

    /// The part of the planned requests that was not answered with 200.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        (self.refused + self.broken + self.missing) as f64 / (self.planned() as f64).max(1.0)
    }
}

/// What is known once a second.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Since the first request.
    pub elapsed: Duration,
    /// Of the requests that were answered since the last moment.
    pub latency: &'a Latency,
}

/// How long after the last request an answer may still come.
const GRACE: Duration = Duration::from_secs(1);
const SECOND: u64 = 1_000_000_000;
const NO_TIME: Duration = Duration::ZERO;

/// Drives a server at a fixed schedule; `tell` is called about once a second.
///
/// # Errors
///
/// When not even the first connections can be opened.
pub fn open(aim: &Aim, pace: Pace, tell: impl FnMut(&Moment<'_>)) -> io::Result<Answered> {
    Loop::new(aim, pace)?.run(tell)
}

struct Loop<'a> {
    aim: &'a Aim,
    pace: Pace,
    planned: u64,
    /// Nanoseconds between two requests.
    interval: f64,
    lines: Vec<Line>,
    free: VecDeque<usize>,
    poller: Poller,
    clock: SystemClock,
    begun: Instant,
    /// Requests that were sent or given up.
    begun_count: u64,
    under_way: u64,
    recent: Latency,
    answered: Answered,
}

/// A place for a connection.
struct Line {
    /// `None` when it could not be opened again.
    connection: Option<Connection>,
    /// When the request under way was meant to be sent.
    intended: Option<u64>,
}

impl<'a> Loop<'a> {
    fn new(aim: &'a Aim, pace: Pace) -> io::Result<Self> {
        let clock = SystemClock::new();
        let poller = Poller::new()?;
        let mut lines = Vec::with_capacity(pace.connections);
        for number in 0..pace.connections {
            let connection = Connection::open(aim.address)?;
            poller.watch(connection.stream(), number)?;
            lines.push(Line { connection: Some(connection), intended: None });
        }
        Ok(Self {
            aim,
            pace,
            planned: (pace.rate * pace.time.as_secs_f64()) as u64,
            interval: SECOND as f64 / pace.rate,
            free: (0..lines.len()).collect(),
            lines,
            poller,
            clock,
            begun: clock.now(),
            begun_count: 0,
            under_way: 0,
            recent: Latency::new(),
            answered: Answered::default(),
        })
    }

    fn run(mut self, mut tell: impl FnMut(&Moment<'_>)) -> io::Result<Answered> {
        let end = u64::try_from((self.pace.time + GRACE).as_nanos()).unwrap_or(u64::MAX);
        let (mut told, mut idle) = (0, 0);
        loop {
            let now = self.elapsed();
            if now >= end || (self.begun_count == self.planned && self.under_way == 0) {
                break;
            }
            let sent = self.send_due(now);
            let readable = self.receive(now)?;
            if !sent && !readable {
                idle += self.elapsed() - now;
            }
            if now - told >= SECOND {
                told = now;
                let elapsed = Duration::from_nanos(now);
                tell(&Moment { elapsed, latency: &self.recent });
                self.answered.latency.add(&self.recent);
                self.recent.clear();
            }
        }
        let took = self.elapsed();
        self.give_up(took);
        self.answered.latency.add(&self.recent);
        self.answered.took = Duration::from_nanos(took);
        self.answered.busy = 1.0 - idle as f64 / (took as f64).max(1.0);
        Ok(self.answered)
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.clock.now().saturating_since(self.begun).as_nanos()).unwrap_or(u64::MAX)
    }

    /// When request number `number` is meant to be sent.
    fn intended(&self, number: u64) -> u64 {
        (number as f64 * self.interval) as u64
    }

    /// Sends what is due and has a connection.
    fn send_due(&mut self, now: u64) -> bool {
        let before = self.begun_count;
        while self.begun_count < self.planned && self.intended(self.begun_count) <= now {
            let Some(number) = self.free.pop_front() else { break };
            let intended = self.intended(self.begun_count);
            self.begun_count += 1;
            let line = &mut self.lines[number];
            let connection = line.connection.as_mut();
            if connection.is_some_and(|open| open.send(&self.aim.request).is_ok()) {
                line.intended = Some(intended);
                self.under_way += 1;
            } else {
                self.answered.broken += 1;
                self.reopen(number);
            }
        }
        self.begun_count > before
    }

    /// Reads what has come; waits for it only when nothing else is to be done.
    fn receive(&mut self, now: u64) -> io::Result<bool> {
        let next = self.intended(self.begun_count).saturating_sub(now);
        let wait = match next {
            _ if self.begun_count == self.planned || self.free.is_empty() => 1_000_000,
            // A millisecond's sleep is worth it, with the last one spent awake.
            _ if self.pace.spin => next.saturating_sub(2_000_000).min(1_000_000),
            _ => next.min(1_000_000),
        };
        // An awake loop answers sooner than a sleeping one.
        let wait =
            if self.pace.spin && self.under_way > 0 { NO_TIME } else { Duration::from_nanos(wait) };
        let ready: Vec<usize> = self.poller.wait(wait)?.collect();
        for number in &ready {
            let line = &mut self.lines[*number];
            let Some(connection) = line.connection.as_mut() else { continue };
            let status = match connection.receive() {
                Received::Nothing => continue,
                Received::Status(status) => Some(status),
                Received::Closed => None,
            };
            let intended = line.intended.take();
            self.under_way -= u64::from(intended.is_some());
            match (status, intended) {
                (Some(status), Some(intended)) => {
                    let latency = self.elapsed().saturating_sub(intended);
                    self.recent.record(latency);
                    let count = if status == 200 {
                        &mut self.answered.good
                    } else {
                        &mut self.answered.refused
                    };
                    *count += 1;
                    self.free.push_back(*number);
                }
                // An answer that nobody asked for, or none at all.
                (_, intended) => {
                    self.answered.broken += u64::from(intended.is_some());
                    self.free.retain(|free| free != number);
                    self.reopen(*number);
                }
            }
        }
        Ok(!ready.is_empty())
    }

    /// Opens a connection in place of one that broke; without one the place stays empty.
    fn reopen(&mut self, number: usize) {
        let connection = Connection::open(self.aim.address).ok();
        let watched = connection.filter(|open| self.poller.watch(open.stream(), number).is_ok());
        let line = &mut self.lines[number];
        line.connection = watched;
        if line.connection.is_some() {
            self.free.push_back(number);
        }
    }

    /// Counts what was not answered, with the time that it has waited.
    fn give_up(&mut self, now: u64) {
        let sent: Vec<u64> =
            self.lines.iter_mut().filter_map(|line| line.intended.take()).collect();
        let unsent: Vec<u64> = (self.begun_count..self.planned).map(|n| self.intended(n)).collect();
        for intended in sent.into_iter().chain(unsent) {
            self.answered.missing += 1;
            self.recent.record(now.saturating_sub(intended));
        }
    }
}
