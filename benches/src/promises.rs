//! The four promises, and one stretch of load held against them.

use std::{io, time::Duration};

use gabion_clock::{Clock, SystemClock};

use crate::{
    cores::Cores,
    figure,
    load::{Answered, Pace, open},
    process::Usage,
    server::Server,
};

/// What has to hold together.
#[derive(Debug, Clone, Copy)]
pub struct Promises {
    /// 99 of 100 requests are answered within.
    pub p99: Duration,
    /// The part of its core that the server uses at most.
    pub cpu: f64,
    /// Bytes that it has at most.
    pub memory: u64,
    /// The part of the requests that may go wrong.
    pub errors: f64,
}

/// What the reference server promises (`[budgets]` by default).
pub const PROMISES: Promises = Promises {
    p99: Duration::from_millis(100),
    cpu: 0.60,
    memory: 2 * 1024 * 1024 * 1024,
    errors: 0.001,
};

/// Kept open by the generator, as by some gateways in front.
pub const CONNECTIONS: usize = 64;

/// One stretch of load and what it cost.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// Requests per second, as intended.
    pub rate: f64,
    /// What came of them.
    pub answered: Answered,
    /// Processor time of the server.
    pub cpu: Duration,
    /// What it has used since its start.
    pub usage: Usage,
}

impl Stretch {
    /// Drives `server` for `time`; `tell` gets a line of progress now and then.
    ///
    /// # Errors
    ///
    /// When the server is gone.
    pub fn drive(
        server: &Server,
        cores: Cores,
        rate: f64,
        time: Duration,
        mut tell: impl FnMut(String),
    ) -> io::Result<Self> {
        let pace = Pace { rate, time, connections: CONNECTIONS, spin: !cores.shared() };
        let clock = SystemClock::new();
        let before = server.process.usage()?;
        let (mut told, mut since) = (before, clock.now());
        let answered = open(&server.aim, pace, |moment| {
            let (Ok(usage), now) = (server.process.usage(), clock.now()) else { return };
            let span = now.saturating_since(since).as_secs_f64();
            let share = usage.cpu.saturating_sub(told.cpu).as_secs_f64() / span;
            (told, since) = (usage, now);
            tell(format!(
                "[{:3.0} s /{:3.0} s] {}  p99 {}  cpu {}",
                moment.elapsed.as_secs_f64(),
                time.as_secs_f64(),
                figure::rate(moment.latency.count() as f64 / span),
                figure::time(moment.latency.quantile(0.99)),
                figure::percent(share)
            ));
        })?;
        let usage = server.process.usage()?;
        Ok(Self { rate, answered, cpu: usage.cpu.saturating_sub(before.cpu), usage })
    }

    /// Half of the requests took at most this long.
    #[must_use]
    pub fn p50(&self) -> Duration {
        self.answered.latency.quantile(0.50)
    }

    /// 99 of 100 took at most this long.
    #[must_use]
    pub fn p99(&self) -> Duration {
        self.answered.latency.quantile(0.99)
    }

    /// The part of its core that the server used.
    #[must_use]
    pub fn cpu_share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.answered.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Processor time of one request, in microseconds.
    #[must_use]
    pub fn cpu_micros(&self) -> f64 {
        let answers = self.answered.good + self.answered.refused;
        self.cpu.as_secs_f64() * 1e6 / (answers as f64).max(1.0)
    }

    /// Whether the generator had no time left: then the figures are its own, not the server's.
    #[must_use]
    pub fn generator_is_limit(&self) -> bool {
        self.answered.busy > 0.97
    }

    /// Which promises do not hold, in words.
    #[must_use]
    pub fn broken(&self, promises: &Promises) -> Vec<String> {
        let (p99, cpu, errors) = (self.p99(), self.cpu_share(), self.answered.error_rate());
        let mut broken = Vec::new();
        if p99 >= promises.p99 {
            broken.push(format!("p99 {}", figure::time(p99)));
        }
        if cpu >= promises.cpu {
            broken.push(format!("cpu {}", figure::percent(cpu)));
        }
        if self.usage.peak >= promises.memory {
            broken.push(format!("memory {}", figure::mib(self.usage.peak)));
        }
        if errors >= promises.errors {
            let Answered { refused, broken: lost, missing, .. } = self.answered;
            broken.push(format!(
                "errors {} ({refused} refused, {lost} broken, {missing} unanswered)",
                figure::percent(errors)
            ));
        }
        broken
    }
}
