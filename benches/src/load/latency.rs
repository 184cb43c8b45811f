use std::time::Duration;

/// Buckets per power of two: a bucket is at most 1/64 wider than its lower edge.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();
const BUCKETS: usize = (u64::BITS - STEP_BITS + 1) as usize * STEPS as usize;

/// How long requests took, by log-linear buckets of nanoseconds in fixed memory.
#[derive(Debug, Clone)]
pub struct Latency {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    longest: u64,
}

impl Latency {
    /// Nothing recorded.
    #[must_use]
    pub fn new() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), count: 0, longest: 0 }
    }

    /// Adds one request that took so many nanoseconds.
    pub fn record(&mut self, nanos: u64) {
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.longest = self.longest.max(nanos);
    }

    /// Adds what another one has recorded.
    pub fn add(&mut self, other: &Self) {
        for (own, theirs) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *own += theirs;
        }
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.buckets.fill(0);
        (self.count, self.longest) = (0, 0);
    }

    /// How many are recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// What `part` of all (0 to 1) took at most, rounded up to a bucket's edge; zero of none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let rank = ((self.count as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, held) in self.buckets.iter().enumerate() {
            seen += held;
            if seen >= rank {
                return Duration::from_nanos(upper_edge(index).min(self.longest));
            }
        }
        Duration::ZERO
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - STEP_BITS;
    (u64::from(shift + 1) * STEPS + (nanos >> shift) - STEPS) as usize
}

fn upper_edge(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    let next = u128::from(index % STEPS + STEPS + 1) << shift;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_lies_in_its_bucket() {
        for nanos in (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1, u64::MAX >> bit]) {
            let index = bucket(nanos);
            assert!(nanos <= upper_edge(index), "{nanos}");
            assert!(index == 0 || nanos > upper_edge(index - 1), "{nanos}");
        }
    }

    #[test]
    fn quantiles_are_off_by_at_most_two_percent() {
        let mut latency = Latency::new();
        (1..=100_000).for_each(|micros| latency.record(micros * 1000));
        for (part, exact) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let millis = latency.quantile(part).as_secs_f64() * 1000.0;
            assert!((exact..exact * 1.02).contains(&millis), "{part}: {millis}");
        }
    }

    #[test]
    fn nothing_took_no_time() {
        assert_eq!(Latency::new().quantile(0.99), Duration::ZERO);
    }
}
