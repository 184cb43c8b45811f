//! Of what repeats, a few.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use gabion_clock::Instant;

/// Lets the first few of each kind through in a span of time, and a bounded number of all kinds.
///
/// Kinds are remembered by a hash, in a table of a fixed size; of those that meet there, the one that
/// was seen longest ago gives way.
pub(crate) struct Sampler {
    kinds: [Option<Kind>; KINDS],
    /// All that passed in the present span.
    all: Span,
}

#[derive(Clone, Copy)]
struct Kind {
    hash: u64,
    span: Span,
    /// Held back since the last that passed.
    held: u64,
}

#[derive(Clone, Copy)]
struct Span {
    began: Instant,
    passed: u32,
}

const SPAN: Duration = Duration::from_secs(10);
/// Of one kind in a span.
const OF_A_KIND: u32 = 5;
/// Of all kinds in a span: their number may be in the hands of whoever brings them about.
const OF_ALL: u32 = 100;
const KINDS: usize = 64;
/// Places that a kind may take.
const WAYS: usize = 4;

impl Sampler {
    pub(crate) const fn new() -> Self {
        Self { kinds: [None; KINDS], all: Span { began: Instant::ORIGIN, passed: 0 } }
    }

    /// Whether one more of `kind` passes; then how many of it were held back since the last that did.
    pub(crate) fn pass(&mut self, kind: &impl Hash, now: Instant) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        kind.hash(&mut hasher);
        let hash = hasher.finish();
        let set = (hash as usize % (KINDS / WAYS)) * WAYS;
        let own = place(&mut self.kinds[set..set + WAYS], hash, now);
        if own.span.has_room(OF_A_KIND, now) && self.all.has_room(OF_ALL, now) {
            own.span.passed += 1;
            self.all.passed += 1;
            return Some(std::mem::take(&mut own.held));
        }
        own.held += 1;
        None
    }
}

/// The place of the kind with `hash` among those it may take.
fn place(ways: &mut [Option<Kind>], hash: u64, now: Instant) -> &mut Kind {
    let known = ways.iter().position(|way| way.is_some_and(|kind| kind.hash == hash));
    let oldest = |(_, way): &(usize, &Option<Kind>)| way.map(|kind| kind.span.began);
    let index = known.or_else(|| Some(ways.iter().enumerate().min_by_key(oldest)?.0));
    let way = &mut ways[index.unwrap_or_default()];
    if known.is_none() {
        *way = None;
    }
    way.get_or_insert(Kind { hash, span: Span { began: now, passed: 0 }, held: 0 })
}

impl Span {
    fn has_room(&mut self, most: u32, now: Instant) -> bool {
        if now.saturating_since(self.began) >= SPAN {
            *self = Self { began: now, passed: 0 };
        }
        self.passed < most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(secs)
    }

    #[test]
    fn the_first_few_of_a_kind_pass_and_the_rest_is_counted() {
        let mut sampler = Sampler::new();
        let passed: Vec<_> = (0..50).map(|_| sampler.pass(&"a", at(1))).collect();
        assert_eq!(passed[..5], [Some(0); 5]);
        assert_eq!(passed[5..], [None; 45]);
        assert_eq!(sampler.pass(&"a", at(10)), None);
        assert_eq!(sampler.pass(&"a", at(11)), Some(46));
        assert_eq!(sampler.pass(&"a", at(11)), Some(0));
    }

    #[test]
    fn one_kind_does_not_hide_another() {
        let mut sampler = Sampler::new();
        assert_eq!((0..1000).filter_map(|_| sampler.pass(&"loud", at(1))).count(), 5);
        assert_eq!(sampler.pass(&"quiet", at(1)), Some(0));
    }

    #[test]
    fn kinds_without_number_are_bounded_together() {
        let mut sampler = Sampler::new();
        let passed = (0..10_000).filter(|kind| sampler.pass(kind, at(1)).is_some()).count();
        assert_eq!(passed, OF_ALL as usize);
    }
}
