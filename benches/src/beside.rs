//! Our server and its peers under the same load, one after the other, in turns.

use std::{io, time::Duration};

use crate::{
    cores::Cores,
    figure,
    highest::{Highest, Search},
    load::burst,
    promises::{PROMISES, Stretch},
    rounds::median,
    server::Server,
    table::Table,
    verdict::Verdicts,
};

/// What one server needed at one rate, over all rounds.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// Median latency in seconds, of the middle round.
    pub p50: f64,
    /// The 99th percentile in seconds, of the middle round.
    pub p99: f64,
    /// Microseconds of processor time per request.
    pub cpu_micros: f64,
    /// The most memory it had, in bytes.
    pub memory: u64,
    /// The worst round's part of requests that went wrong.
    pub errors: f64,
}

/// How often and how long each server is driven.
#[derive(Debug, Clone, Copy)]
pub struct Turns {
    /// Rounds.
    pub count: usize,
    /// The time of one.
    pub time: Duration,
}

impl Turns {
    /// Drives all `servers` at `rate`, in turns; their needs in the same order.
    ///
    /// # Errors
    ///
    /// When one of them is gone.
    pub fn at(
        self,
        rate: f64,
        servers: &[&Server],
        cores: Cores,
        mut tell: impl FnMut(String),
    ) -> io::Result<Vec<Needs>> {
        let mut rounds: Vec<Vec<Stretch>> = vec![Vec::new(); servers.len()];
        for server in servers {
            // Each begins warm.
            Stretch::drive(server, cores, rate, Duration::from_secs(1), |_| {})?;
        }
        for round in 1..=self.count {
            for (server, stretches) in servers.iter().zip(&mut rounds) {
                let stretch = Stretch::drive(server, cores, rate, self.time, |_| {})?;
                tell(format!(
                    "round {round} of {}, {}: p50 {}  p99 {}  {:.1} µs/request",
                    self.count,
                    server.name,
                    figure::time(stretch.p50()),
                    figure::time(stretch.p99()),
                    stretch.cpu_micros()
                ));
                stretches.push(stretch);
            }
        }
        Ok(rounds.iter().map(|stretches| Needs::of(stretches)).collect())
    }
}

impl Needs {
    fn of(stretches: &[Stretch]) -> Self {
        // Over all rounds: the system counts in steps of 10 ms, which is coarse for one.
        let cpu: f64 = stretches.iter().map(|stretch| stretch.cpu.as_secs_f64()).sum();
        let answers: u64 = stretches.iter().map(|stretch| stretch.answered.good).sum();
        let middle = |figure: fn(&Stretch) -> f64| median(stretches.iter().map(figure));
        Self {
            p50: middle(|stretch| stretch.p50().as_secs_f64()),
            p99: middle(|stretch| stretch.p99().as_secs_f64()),
            cpu_micros: cpu * 1e6 / (answers as f64).max(1.0),
            memory: stretches.iter().map(|stretch| stretch.usage.peak).max().unwrap_or_default(),
            errors: stretches.iter().map(|s| s.answered.error_rate()).fold(0.0, f64::max),
        }
    }
}

/// A table of what each server needed; the processor time also as a multiple of `floor`'s.
#[must_use]
pub fn needs_table(servers: &[&Server], needs: &[Needs], floor: Option<&Needs>) -> Table {
    let columns =
        ["server", "p50", "p99", "CPU per request", "× bare hyper", "peak memory", "errors"];
    let mut table = Table::new(columns);
    for (server, needs) in servers.iter().zip(needs) {
        let multiple = floor.map(|floor| format!("{:.2}", needs.cpu_micros / floor.cpu_micros));
        table.row([
            server.name.to_owned(),
            figure::time(Duration::from_secs_f64(needs.p50)),
            figure::time(Duration::from_secs_f64(needs.p99)),
            format!("{:.1} µs", needs.cpu_micros),
            multiple.unwrap_or_else(|| "–".into()),
            figure::mib(needs.memory),
            figure::percent(needs.errors),
        ]);
    }
    table
}

/// How much a server carries.
#[derive(Debug, Clone)]
pub struct Carries {
    /// The highest rate at which the promises hold.
    pub highest: Highest,
    /// The most connections opened at one instant of which every one was answered within a second.
    pub at_once: usize,
}

/// Requests at one instant, doubled as long as they are answered.
const AT_ONCE: [usize; 7] = [100, 200, 400, 800, 1600, 3200, 6400];

/// The most connections at one instant, 100 and its doubles up to 6400, that `server` answers all
/// within a second; each number is tried twice.
///
/// # Errors
///
/// When this side runs out of sockets.
fn connections_at_once(server: &Server) -> io::Result<usize> {
    let mut most = 0;
    for count in AT_ONCE {
        let mut held = false;
        for _ in 0..2 {
            let burst = burst(&server.aim, count)?;
            held = burst.good == count && burst.took < Duration::from_secs(1);
            if held {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        if !held {
            break;
        }
        most = count;
    }
    Ok(most)
}

/// Finds out how much a server carries.
///
/// # Errors
///
/// When it is gone.
pub fn carries(
    server: &Server,
    cores: Cores,
    search: Search,
    sample_rate: f64,
    mut tell: impl FnMut(String),
) -> io::Result<Carries> {
    let sample = Stretch::drive(server, cores, sample_rate, Duration::from_secs(2), |_| {})?;
    let name = server.name;
    let highest =
        search.run(server, cores, &PROMISES, &sample, |line| tell(format!("{name}: {line}")))?;
    let at_once = connections_at_once(server)?;
    tell(format!("{name}: all of {at_once} connections at one instant"));
    Ok(Carries { highest, at_once })
}

/// The percentages against the server that ours is to replace.
pub fn judge_against(
    verdicts: &mut Verdicts,
    peer: &str,
    (ours, theirs): (&Needs, &Needs),
    (our_most, their_most): (&Carries, &Carries),
) {
    let mut at_most = |what: &str, ours: f64, theirs: f64, budget: f64| {
        let ratio = ours / theirs;
        let promise = format!("{what} against {peer}");
        verdicts.judge(&promise, figure::change(ratio), figure::change(budget), ratio <= budget);
    };
    at_most("response time, median", ours.p50, theirs.p50, 0.8);
    at_most("response time, p99", ours.p99, theirs.p99, 0.8);
    at_most("CPU per request", ours.cpu_micros, theirs.cpu_micros, 0.7);
    at_most("memory", ours.memory as f64, theirs.memory as f64, 0.7);
    let mut at_least = |what: &str, ours: f64, theirs: f64| {
        let ratio = ours / theirs.max(1.0);
        let promise = format!("{what} against {peer}");
        verdicts.judge(&promise, figure::change(ratio), figure::change(1.5), ratio >= 1.5);
    };
    at_least("highest rate", our_most.highest.rate, their_most.highest.rate);
    at_least("connections at once", our_most.at_once as f64, their_most.at_once as f64);
}
