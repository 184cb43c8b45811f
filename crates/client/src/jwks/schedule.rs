//! When to fetch and when to give up: a pure decision.

use std::time::Duration;

use gabion_clock::Instant;

use super::JwksConfig;

/// The pause after the first failure, and the longest; each is made up to a half shorter by chance.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(300);

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Fetch the set.
    Fetch,
    /// The set is too old: know no key any more.
    Forget,
    /// Nothing until then, unless somebody asks for an unknown key.
    WaitUntil(Instant),
}

/// What the decision needs to know of the past.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    cooldown: Duration,
    max_stale: Duration,
    /// When the next fetch is due though nobody asks.
    due: Instant,
    /// When the last one ended.
    ended: Option<Instant>,
    /// When the present set must not be used any more.
    end_of_set: Option<Instant>,
    failures: u32,
}

/// A fetch that brought a set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Success {
    /// When the request went out: the set is at most so old.
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) lifetime: Duration,
}

impl Schedule {
    pub(super) fn new(config: &JwksConfig) -> Self {
        Self {
            cooldown: config.cooldown,
            max_stale: config.max_stale,
            due: Instant::ORIGIN,
            ended: None,
            end_of_set: None,
            failures: 0,
        }
    }

    /// What to do at `now`; `asked` when somebody named a key that is not in the set.
    pub(super) fn plan(&self, asked: bool, now: Instant) -> Action {
        if self.end_of_set.is_some_and(|end| now >= end) {
            return Action::Forget;
        }
        let for_asker = self.ended.filter(|_| asked).map(|ended| ended + self.cooldown);
        let due = for_asker.map_or(self.due, |then| then.min(self.due));
        if now >= due {
            return Action::Fetch;
        }
        Action::WaitUntil(self.end_of_set.map_or(due, |end| end.min(due)))
    }

    /// A set came. The next is due before its lifetime ends: a tenth of it earlier, and up to another
    /// tenth by `chance` from 0 to 1, so that many services do not ask at the same moment.
    /// Tells when the set must not be used any more.
    pub(super) fn succeeded(&mut self, success: Success, chance: f64) -> Instant {
        let Success { begun, ended, lifetime } = success;
        self.due = begun + lifetime.mul_f64(0.9 - 0.1 * chance.clamp(0.0, 1.0));
        self.ended = Some(ended);
        self.failures = 0;
        *self.end_of_set.insert(begun + lifetime + self.max_stale)
    }

    /// No set came. The pause doubles each time; `chance` from 0 to 1 takes up to half of it away.
    pub(super) fn failed(&mut self, ended: Instant, chance: f64) {
        let doubled = RETRY_FIRST.saturating_mul(1 << self.failures.min(16));
        let pause = doubled.min(RETRY_LONGEST).mul_f64(1.0 - 0.5 * chance.clamp(0.0, 1.0));
        self.due = ended + pause;
        self.ended = Some(ended);
        self.failures = self.failures.saturating_add(1);
    }

    /// The set is not used any more.
    pub(super) fn forgot(&mut self) {
        self.end_of_set = None;
    }

    pub(super) fn end_of_set(&self) -> Option<Instant> {
        self.end_of_set
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn secs(secs: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(secs)
    }

    /// A set that came at 1000 s and is good for an hour.
    fn with_set() -> Schedule {
        let mut schedule = Schedule::new(&JwksConfig::default());
        let success = Success { begun: secs(1000), ended: secs(1001), lifetime: HOUR };
        schedule.succeeded(success, 0.0);
        schedule
    }

    #[test]
    fn the_first_fetch_is_at_once() {
        let schedule = Schedule::new(&JwksConfig::default());
        assert_eq!(schedule.plan(false, Instant::ORIGIN), Action::Fetch);
    }

    #[test]
    fn a_set_is_renewed_before_its_lifetime_ends() {
        assert_eq!(with_set().plan(false, secs(1001)), Action::WaitUntil(secs(1000 + 3240)));
        assert_eq!(with_set().plan(false, secs(1000 + 3240)), Action::Fetch);
    }

    #[test]
    fn an_unknown_key_waits_for_the_end_of_the_cooldown() {
        assert_eq!(with_set().plan(true, secs(1002)), Action::WaitUntil(secs(1031)));
        assert_eq!(with_set().plan(true, secs(1031)), Action::Fetch);
    }

    #[test]
    fn pauses_grow_and_an_asker_shortens_them_to_the_cooldown() {
        let mut schedule = with_set();
        let mut pauses = Vec::new();
        for _ in 0..11 {
            schedule.failed(secs(2000), 0.0);
            let Action::WaitUntil(then) = schedule.plan(false, secs(2000)) else { panic!() };
            pauses.push(then.saturating_since(secs(2000)).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(schedule.plan(true, secs(2000)), Action::WaitUntil(secs(2030)));
    }

    #[test]
    fn a_set_is_forgotten_when_it_is_too_old() {
        let mut schedule = with_set();
        let end = 1000 + 3600 + 86_400;
        schedule.failed(secs(end - 10), 0.0);
        for _ in 0..12 {
            schedule.failed(secs(end - 10), 0.0);
        }
        assert_eq!(schedule.plan(false, secs(end - 9)), Action::WaitUntil(secs(end)));
        assert_eq!(schedule.plan(true, secs(end)), Action::Forget);
        schedule.forgot();
        assert_eq!(schedule.plan(false, secs(end)), Action::WaitUntil(secs(end + 290)));
    }

    #[derive(Debug, Clone)]
    enum Event {
        Pass(Duration),
        Ask,
        Answer { works: bool, took: Duration, lifetime: Duration, chance: f64 },
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let millis = |most: u64| (0..most).prop_map(Duration::from_millis);
        let answer = (any::<bool>(), millis(10_000), 60_000..86_400_000_u64, 0.0..1.0).prop_map(
            |(works, took, lifetime, chance)| {
                let lifetime = Duration::from_millis(lifetime);
                Event::Answer { works, took, lifetime, chance }
            },
        );
        let event =
            prop_oneof![millis(100_000_000).prop_map(Event::Pass), Just(Event::Ask), answer];
        prop::collection::vec(event, 1..200)
    }

    proptest! {
        /// Time passes as planned or less; whatever happens, fetches keep their distance and a set that
        /// is too old is forgotten before anything else is done.
        #[test]
        fn fetches_keep_their_distance_and_old_sets_are_forgotten(events in events()) {
            let config = JwksConfig::default();
            let mut schedule = Schedule::new(&config);
            let (mut now, mut asked) = (secs(5), false);
            for event in events {
                match schedule.plan(asked, now) {
                    Action::Forget => {
                        prop_assert!(schedule.end_of_set().unwrap() <= now);
                        schedule.forgot();
                        prop_assert!(schedule.plan(asked, now) != Action::Forget);
                    }
                    Action::Fetch => {
                        prop_assert!(schedule.end_of_set().is_none_or(|end| now < end));
                        if let Some(ended) = schedule.ended {
                            let distance = now.saturating_since(ended);
                            let least = if schedule.failures > 0 {
                                RETRY_FIRST / 2
                            } else if asked {
                                config.cooldown
                            } else {
                                config.min_lifetime.mul_f64(0.8) - Duration::from_secs(10)
                            };
                            prop_assert!(distance >= least, "{distance:?} {least:?}");
                        }
                        let Event::Answer { works, took, lifetime, chance } = event else {
                            now = now + Duration::from_millis(1);
                            schedule.failed(now, 0.5);
                            continue;
                        };
                        let begun = now;
                        now = now + took;
                        if works {
                            schedule.succeeded(Success { begun, ended: now, lifetime }, chance);
                            asked = false;
                            prop_assert!(schedule.due <= begun + lifetime.mul_f64(0.9));
                        } else {
                            schedule.failed(now, chance);
                        }
                    }
                    Action::WaitUntil(then) => {
                        prop_assert!(then > now);
                        match event {
                            Event::Pass(span) => now = then.min(now + span),
                            Event::Ask => asked = true,
                            Event::Answer { .. } => now = then,
                        }
                    }
                }
            }
        }
    }
}
