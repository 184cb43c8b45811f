//! Of what repeats, a few.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    mem,
    time::Duration,
};

use gabion_clock::Instant;

/// Lets the first few of each kind through in a span of time, and a bounded number of all kinds.
///
/// Kinds are remembered by a hash, in a table of a fixed size; of those that meet there, the one whose
/// span is oldest gives way.
pub(crate) struct Sampler {
    kinds: [Option<Kind>; KINDS],
    /// Held back, of kinds that had to give way since something passed.
    forgotten: u64,
    /// All that passed in the present span.
    all: Span,
}

/// One that passes, and how many did not before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Of its kind, since the last of it that passed.
    pub(crate) held: u64,
    /// Of kinds that nothing is known of any more.
    pub(crate) others: u64,
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
        let all = Span { began: Instant::ORIGIN, passed: 0 };
        Self { kinds: [None; KINDS], forgotten: 0, all }
    }

    /// Whether one more of `kind` passes.
    pub(crate) fn pass(&mut self, kind: &impl Hash, now: Instant) -> Option<Passed> {
        let mut hasher = DefaultHasher::new();
        kind.hash(&mut hasher);
        let hash = hasher.finish();
        let set = (hash as usize % (KINDS / WAYS)) * WAYS;
        let own = place(&mut self.kinds[set..set + WAYS], &mut self.forgotten, hash, now);
        if own.span.has_room(OF_A_KIND, now) && self.all.has_room(OF_ALL, now) {
            own.span.passed += 1;
            self.all.passed += 1;
            let (held, others) = (mem::take(&mut own.held), mem::take(&mut self.forgotten));
            return Some(Passed { held, others });
        }
        own.held += 1;
        None
    }
}

/// The place of the kind with `hash` among those it may take.
fn place<'a>(
    ways: &'a mut [Option<Kind>],
    forgotten: &mut u64,
    hash: u64,
    now: Instant,
) -> &'a mut Kind {
    let known = ways.iter().position(|way| way.is_some_and(|kind| kind.hash == hash));
    let oldest = |(_, way): &(usize, &Option<Kind>)| way.map(|kind| kind.span.began);
    let index = known.or_else(|| Some(ways.iter().enumerate().min_by_key(oldest)?.0));
    let way = &mut ways[index.unwrap_or_default()];
    if known.is_none() {
        *forgotten += way.take().map_or(0, |gone| gone.held);
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

    fn after(held: u64) -> Option<Passed> {
        Some(Passed { held, others: 0 })
    }

    #[test]
    fn the_first_few_of_a_kind_pass_and_the_rest_is_counted() {
        let mut sampler = Sampler::new();
        let passed: Vec<_> = (0..50).map(|_| sampler.pass(&"a", at(1))).collect();
        assert_eq!(passed[..5], [after(0); 5]);
        assert_eq!(passed[5..], [None; 45]);
        assert_eq!(sampler.pass(&"a", at(10)), None);
        assert_eq!(sampler.pass(&"a", at(11)), after(46));
        assert_eq!(sampler.pass(&"a", at(11)), after(0));
    }

    #[test]
    fn one_kind_does_not_hide_another() {
        let mut sampler = Sampler::new();
        assert_eq!((0..1000).filter_map(|_| sampler.pass(&"loud", at(1))).count(), 5);
        assert_eq!(sampler.pass(&"quiet", at(1)), after(0));
    }

    #[test]
    fn kinds_without_number_are_bounded_together() {
        let mut sampler = Sampler::new();
        let passed = (0..10_000).filter(|kind| sampler.pass(kind, at(1)).is_some()).count();
        assert_eq!(passed, OF_ALL as usize);
    }

    #[test]
    fn each_that_passes_or_not_is_told_of_in_the_end() {
        let mut sampler = Sampler::new();
        let kinds = (0..3000).map(|i| i % 700);
        let mut told = 0;
        for (i, kind) in kinds.chain(0..700).chain(0..700).enumerate() {
            let passed = sampler.pass(&kind, at(i as u64 / 10));
            told += passed.map_or(0, |passed| 1 + passed.held + passed.others);
        }
        let known: u64 = sampler.kinds.iter().flatten().map(|kind| kind.held).sum();
        assert_eq!(told + known + sampler.forgotten, 4400);
    }
}
