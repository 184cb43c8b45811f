//! Two pieces of work timed in turns.
//!
//! A machine that others use, or that changes its clock rate, is fast in one minute and slow in the
//! next. Timed one after the other, two pieces of work differ by that too. Here they take turns of a
//! few milliseconds, ours, the peer's, ours, …, and each round gives one ratio.

use std::{hint::black_box, time::Duration};

use gabion_clock::{Clock, SystemClock};

/// What came of all rounds.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// Median nanoseconds of ours.
    pub ours: f64,
    /// Median nanoseconds of the peer's.
    pub peer: f64,
    /// Median of the ratios of the rounds.
    pub ratio: f64,
}

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// How many rounds; at least one.
    pub count: usize,
    /// How long one turn takes.
    pub turn: Duration,
}

impl Rounds {
    /// Times `ours` and `peer` in turns.
    pub fn compare<A, B>(
        self,
        mut ours: impl FnMut() -> A,
        mut peer: impl FnMut() -> B,
    ) -> Compared {
        let (our_count, peer_count) = (self.calibrate(&mut ours), self.calibrate(&mut peer));
        let round = |_| (time(&mut ours, our_count), time(&mut peer, peer_count));
        let rounds: Vec<(f64, f64)> = (0..self.count.max(1)).map(round).collect();
        Compared {
            ours: median(rounds.iter().map(|(ours, _)| *ours)),
            peer: median(rounds.iter().map(|(_, peer)| *peer)),
            ratio: median(rounds.iter().map(|(ours, peer)| ours / peer)),
        }
    }

    /// Times one piece of work alone: median nanoseconds.
    pub fn alone<A>(self, mut work: impl FnMut() -> A) -> f64 {
        let count = self.calibrate(&mut work);
        median((0..self.count.max(1)).map(|_| time(&mut work, count)))
    }

    /// Two threads at once with a state each, in turns as [`Self::compare`]; nanoseconds per call and
    /// thread.
    pub fn compare_threads<S, T, A, B>(
        self,
        (ours, our_states): (impl Fn(&mut S) -> A + Sync, &mut [S; 2]),
        (peer, peer_states): (impl Fn(&mut T) -> B + Sync, &mut [T; 2]),
    ) -> Compared
    where
        S: Send,
        T: Send,
    {
        let our_count = self.calibrate(&mut || ours(&mut our_states[0]));
        let peer_count = self.calibrate(&mut || peer(&mut peer_states[0]));
        let round = |_| (both(&ours, our_states, our_count), both(&peer, peer_states, peer_count));
        let rounds: Vec<(f64, f64)> = (0..self.count.max(1)).map(round).collect();
        Compared {
            ours: median(rounds.iter().map(|(ours, _)| *ours)),
            peer: median(rounds.iter().map(|(_, peer)| *peer)),
            ratio: median(rounds.iter().map(|(ours, peer)| ours / peer)),
        }
    }

    /// How many calls fill a turn; warms up on the way.
    fn calibrate<A>(self, work: &mut impl FnMut() -> A) -> u64 {
        let turn = self.turn.as_nanos().max(1) as f64;
        let mut count = 16_u64;
        loop {
            let took = time(work, count) * count as f64;
            if took >= turn / 2.0 {
                return ((count as f64 * turn / took) as u64).max(1);
            }
            count *= 2;
        }
    }
}

/// Nanoseconds per call.
fn time<A>(work: &mut impl FnMut() -> A, count: u64) -> f64 {
    let clock = SystemClock::new();
    let begun = clock.now();
    for _ in 0..count {
        black_box(work());
    }
    clock.now().saturating_since(begun).as_nanos() as f64 / count as f64
}

fn both<S: Send, A>(work: &(impl Fn(&mut S) -> A + Sync), states: &mut [S; 2], count: u64) -> f64 {
    let start = std::sync::Barrier::new(2);
    let times: Vec<f64> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for state in states {
            let start = &start;
            threads.push(scope.spawn(move || {
                start.wait();
                time(&mut || work(&mut *state), count)
            }));
        }
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    times.iter().sum::<f64>() / times.len() as f64
}

/// The middle of `values`; the upper one of two. Zero of none.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_work_takes_longer() {
        let work = |rounds: u64| (0..black_box(rounds)).fold(1_u64, |a, b| black_box(a ^ b));
        let rounds = Rounds { count: 3, turn: Duration::from_millis(2) };
        let compared = rounds.compare(|| work(4000), || work(1000));
        assert!(compared.ratio > 1.5, "{compared:?}");
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median([]), 0.0);
    }
}
