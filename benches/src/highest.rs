//! The highest rate at which the promises still hold together.

use std::{io, time::Duration};

use gabion_clock::{Clock, SystemClock};

use crate::{
    cores::Cores,
    figure,
    promises::{Promises, Stretch},
    server::Server,
};

/// What the search found.
#[derive(Debug, Clone)]
pub struct Highest {
    /// Requests per second; zero when none held.
    pub rate: f64,
    /// What was in the way above it.
    pub limit: String,
}

/// How the search goes.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// How long one step is held.
    pub step: Duration,
    /// After which time no further step begins.
    pub bound: Duration,
}

/// Ends when what holds and what does not are this close.
const CLOSE: f64 = 1.08;
/// Steps upwards by at least this factor.
const STEP: f64 = 1.15;
/// Steps upwards by at most this factor.
const LEAP: f64 = 2.0;
/// Never below.
const LOWEST: f64 = 50.0;

impl Search {
    /// Searches upwards, beginning near the rate at which the processor's promise would be used up by
    /// what one request costs in `sample`. A request costs less when there are more of them, since the
    /// server sleeps less between them, so each step that holds tells how far the next one may go. A
    /// step that fails is tried once more, since a machine that is not ours alone stumbles now and then.
    ///
    /// # Errors
    ///
    /// When the server is gone.
    pub fn run(
        self,
        server: &Server,
        cores: Cores,
        promises: &Promises,
        sample: &Stretch,
        mut tell: impl FnMut(String),
    ) -> io::Result<Highest> {
        let clock = SystemClock::new();
        let begun = clock.now();
        let ahead = |stretch: &Stretch| {
            // Not all the way: the estimate is rough, and a step that fails takes twice as long.
            let room = promises.cpu * 0.95 / stretch.cpu_share().max(0.01);
            (stretch.rate * room.clamp(STEP, LEAP)).max(LOWEST)
        };
        let mut rate = ahead(sample);
        let mut held: Option<f64> = None;
        let mut failed: Option<f64> = None;
        let mut limit = String::from("the time for the search was over");
        while clock.now().saturating_since(begun) + self.step < self.bound {
            let (stretch, reason) = self.step(server, cores, promises, rate, &mut tell)?;
            match reason {
                None => held = Some(rate),
                Some(reason) => {
                    failed = Some(rate);
                    limit = reason;
                }
            }
            rate = match (held, failed) {
                (Some(held), Some(failed)) if failed / held <= CLOSE => break,
                (Some(held), Some(failed)) => f64::midpoint(held, failed),
                (_, None) => ahead(&stretch),
                (None, _) if rate <= LOWEST => break,
                (None, _) => (rate * 0.85).max(LOWEST),
            };
        }
        Ok(Highest { rate: held.unwrap_or_default(), limit })
    }

    /// Holds one rate; what it cost, and why it did not hold.
    fn step(
        self,
        server: &Server,
        cores: Cores,
        promises: &Promises,
        rate: f64,
        tell: &mut impl FnMut(String),
    ) -> io::Result<(Stretch, Option<String>)> {
        let mut again = "";
        loop {
            let stretch = Stretch::drive(server, cores, rate, self.step, |_| {})?;
            let broken = stretch.broken(promises);
            let reason = (!broken.is_empty()).then(|| match stretch.generator_is_limit() {
                true => format!("the generator, not the server ({})", broken.join(", ")),
                false => broken.join(", "),
            });
            let word =
                reason.as_ref().map_or("holds".into(), |why| format!("does not hold: {why}"));
            tell(format!(
                "{}{again}: p99 {}  cpu {}  errors {}  {word}",
                figure::rate(rate),
                figure::time(stretch.p99()),
                figure::percent(stretch.cpu_share()),
                figure::percent(stretch.answered.error_rate()),
            ));
            if reason.is_none() || !again.is_empty() {
                return Ok((stretch, reason));
            }
            // What was shed or queued must not count against the next step.
            std::thread::sleep(Duration::from_secs(1));
            again = ", again";
        }
    }
}
