/// In which order things are asked for: an endless sequence of indices, drawn beforehand.
#[derive(Debug, Clone)]
pub struct Order {
    drawn: Vec<u32>,
    at: usize,
}

/// A power of two; large enough that a processor does not learn it.
const DRAWN: usize = 1 << 20;

/// Exponent of the skewed order: that of requests per user on a busy site.
const SKEW: f64 = 0.9;

impl Order {
    /// Each of `count` as often as any other: the hardest on caches.
    #[must_use]
    pub fn uniform(count: usize) -> Self {
        Self::draw(|part| part * count as f64)
    }

    /// Few of `count` often, most of them seldom (Zipf's law with an exponent of 0.9).
    #[must_use]
    pub fn skewed(count: usize) -> Self {
        let tail = 1.0 - SKEW;
        let span = (count as f64 + 1.0).powf(tail) - 1.0;
        // The inverse of the continuous distribution over 1 to count + 1.
        Self::draw(|part| (part * span + 1.0).powf(1.0 / tail) - 1.0)
    }

    /// The next index.
    #[inline]
    pub fn next_index(&mut self) -> usize {
        self.at = (self.at + 1) & (DRAWN - 1);
        self.drawn[self.at] as usize
    }

    /// The same sequence from another place, for a second thread.
    #[must_use]
    pub fn shifted(&self) -> Self {
        Self { drawn: self.drawn.clone(), at: DRAWN / 2 }
    }

    /// `index` makes a number from 0 to below the count of one from 0 to below 1.
    fn draw(index: impl Fn(f64) -> f64) -> Self {
        // Knuth's MMIX generator; its upper bits are even enough.
        let mut state = 1_u64;
        let mut part = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        Self { drawn: (0..DRAWN).map(|_| index(part()) as u32).collect(), at: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(mut order: Order) -> [u32; 10] {
        let mut counts = [0; 10];
        (0..DRAWN).for_each(|_| counts[order.next_index()] += 1);
        counts
    }

    #[test]
    fn uniform_draws_each_about_as_often() {
        let share = DRAWN as u32 / 10;
        assert!(counts(Order::uniform(10)).iter().all(|c| c.abs_diff(share) < share / 20));
    }

    #[test]
    fn skewed_draws_the_first_most_and_the_last_too() {
        let counts = counts(Order::skewed(10));
        assert!(counts.is_sorted_by(|a, b| a > b) && counts[9] > 0, "{counts:?}");
    }
}
