//! The law by which pressure on the budgets becomes admitted fractions.

/// How much of its budgets the server uses: 1.0 is all of it. Smoothed by whoever measures.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    /// Processor time used / `budgets.cpu` of the cores.
    pub cpu: f64,
    /// Memory used / `budgets.memory`.
    pub memory: f64,
}

/// Critical; user; degraded and batch.
const GROUPS: usize = 3;

/// The least that a group is admitted, so that its recovery can be seen.
const FLOOR: f64 = 0.01;
/// A rising fraction beyond this is all.
const NEARLY_ALL: f64 = 0.97;
/// What a group keeps per tick, beside its own law, while a more important one is short.
const SQUEEZE: f64 = 0.7;
/// Ticks over the budget until shedding begins: one bad sample sheds nobody.
const PATIENCE: u32 = 2;

/// How a group sees pressure. The budgets are the least important group's; the others may go beyond:
/// of processor time to 0.75 and 0.90 where the budget is 0.60, of memory to 0.9 and 0.95 where
/// shedding begins at 0.8.
const CPU_WEIGHTS: [f64; GROUPS] = [0.60 / 0.90, 0.60 / 0.75, 1.0];
const MEMORY_WEIGHTS: [f64; GROUPS] = [0.8 / 0.95, 0.8 / 0.9, 1.0];

impl Pressure {
    fn by_group(self) -> [f64; GROUPS] {
        // A signal that is not known does not count: `max` ignores what is not a number.
        std::array::from_fn(|g| (self.cpu * CPU_WEIGHTS[g]).max(self.memory * MEMORY_WEIGHTS[g]))
    }
}

/// The admitted fraction after one tick at a pressure of `u`, from `f` before it.
///
/// It falls above 1, at most to 0.7 of itself, and rises below: fast under 0.8, ever more carefully
/// from there. It stays between 0.01 and 1. What is not a number moves nothing.
#[must_use]
pub fn next_fraction(f: f64, u: f64) -> f64 {
    if u.is_nan() {
        return f;
    }
    let gain = match u {
        _ if u > 1.0 => u.recip().sqrt().max(0.7),
        _ if u >= 0.9 => 1.0 + 0.5 * (1.0 - u),
        _ if u > 0.8 => u.recip().sqrt().min(1.15),
        _ => u.max(0.0).recip().min(1.5),
    };
    let next = (f * gain).clamp(FLOOR, 1.0);
    if gain >= 1.0 && next > NEARLY_ALL { 1.0 } else { next }
}

/// The admitted fractions of the groups, the most important first; never smaller than the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fractions {
    admitted: [f64; GROUPS],
    /// For how many ticks each group has been over its budget.
    over: [u32; GROUPS],
}

impl Default for Fractions {
    fn default() -> Self {
        Self { admitted: [1.0; GROUPS], over: [0; GROUPS] }
    }
}

impl Fractions {
    /// Moves every fraction by one tick. A group gives way only once the next one is at its floor, and
    /// comes back only after those above it: one integrator for each, since a shared one sheds the
    /// critical requests along with the rest.
    pub(super) fn step(&mut self, pressure: Pressure) {
        let before = self.admitted;
        let mut squeezed = false;
        for (g, u) in pressure.by_group().into_iter().enumerate() {
            self.over[g] = if u > 1.0 { self.over[g].saturating_add(1) } else { 0 };
            let is_over = self.over[g] >= PATIENCE;
            let may_fall =
                before.get(g + 1).is_none_or(|next| *next <= FLOOR) && (is_over || before[g] < 1.0);
            let mut next = next_fraction(before[g], u);
            if next < before[g] && !may_fall {
                next = before[g];
            }
            if squeezed {
                next = (next * SQUEEZE).max(FLOOR);
            }
            self.admitted[g] = next;
            squeezed |= is_over || before[g] < 1.0;
        }
    }

    pub(super) const fn by_group(&self) -> [f64; GROUPS] {
        self.admitted
    }

    /// By [`Class`](crate::Class). In the last group batch is shed to nothing before degraded begins;
    /// once users are short, degraded is admitted no more than its group.
    pub(super) fn by_class(&self) -> [f64; 4] {
        let [critical, user, rest] = self.admitted;
        let degraded = if user < 1.0 { rest } else { (2.0 * rest).min(1.0) };
        [critical, user, degraded, (2.0 * rest - 1.0).max(0.0)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cpu(cpu: f64) -> Pressure {
        Pressure { cpu, memory: 0.0 }
    }

    fn run(fractions: &mut Fractions, pressure: Pressure, ticks: usize) -> [f64; 3] {
        (0..ticks).for_each(|_| fractions.step(pressure));
        fractions.by_group()
    }

    #[test]
    fn one_bad_sample_sheds_nobody() {
        let mut fractions = Fractions::default();
        for _ in 0..100 {
            fractions.step(cpu(3.0));
            assert_eq!(fractions.by_group(), [1.0; 3]);
            fractions.step(cpu(0.9));
        }
    }

    #[test]
    fn a_budget_exceeded_by_little_is_enforced_too() {
        let shed = run(&mut Fractions::default(), cpu(1.02), 50);
        assert!(shed[2] < 0.8 && shed[1] == 1.0, "{shed:?}");
    }

    #[test]
    fn a_saturated_processor_takes_less_than_a_second_to_shed_the_last_group() {
        let shed = run(&mut Fractions::default(), cpu(1.0 / 0.6), 10);
        assert_eq!(shed[2], FLOOR);
        assert_eq!(shed[0], 1.0);
    }

    #[test]
    fn batch_goes_before_degraded_and_both_before_users() {
        let mut fractions = Fractions::default();
        let mut order = Vec::new();
        for _ in 0..200 {
            fractions.step(cpu(1.4));
            for (class, fraction) in fractions.by_class().into_iter().enumerate() {
                if fraction < 1.0 && !order.contains(&class) {
                    order.push(class);
                }
            }
        }
        assert_eq!(order, [3, 2, 1], "{fractions:?}");
    }

    #[test]
    fn memory_is_a_budget_too() {
        let shed = run(&mut Fractions::default(), Pressure { cpu: 0.1, memory: 1.1 }, 100);
        assert_eq!(shed, [1.0, 1.0, FLOOR]);
    }

    #[test]
    fn an_unknown_signal_moves_nothing() {
        assert_eq!(next_fraction(0.5, f64::NAN), 0.5);
        let unknown = Pressure { cpu: f64::NAN, memory: 2.0 };
        assert_eq!(run(&mut Fractions::default(), unknown, 20)[2], FLOOR);
    }

    proptest! {
        #[test]
        fn the_law_is_monotone_in_both_arguments(
            f in FLOOR..=1.0, g in FLOOR..=1.0, u in 0.0..3.0, v in 0.0..3.0,
        ) {
            prop_assert!(next_fraction(f.min(g), u) <= next_fraction(f.max(g), u));
            prop_assert!(next_fraction(f, u.max(v)) <= next_fraction(f, u.min(v)));
            prop_assert!((FLOOR..=1.0).contains(&next_fraction(f, u)));
        }

        #[test]
        fn without_pressure_everything_is_admitted_again(f in FLOOR..=1.0) {
            let mut next = f;
            (0..12).for_each(|_| next = next_fraction(next, 0.0));
            prop_assert_eq!(next, 1.0);
        }

        #[test]
        fn inside_the_budget_nothing_is_shed(pressures in prop::collection::vec((0.0..=0.9, 0.0..=0.9), 0..100)) {
            let mut fractions = Fractions::default();
            for (cpu, memory) in pressures {
                fractions.step(Pressure { cpu, memory });
                prop_assert_eq!(fractions.by_class(), [1.0; 4]);
            }
        }

        #[test]
        fn a_class_is_never_shed_while_a_lesser_one_is_admitted_in_full(
            pressures in prop::collection::vec((0.0..4.0, 0.0..2.0), 0..300),
        ) {
            let mut fractions = Fractions::default();
            for (cpu, memory) in pressures {
                fractions.step(Pressure { cpu, memory });
                let by_class = fractions.by_class();
                prop_assert!(by_class.is_sorted_by(|more, less| more >= less), "{:?}", by_class);
                prop_assert!(by_class.is_sorted_by(|more, less| *more == 1.0 || *less < 1.0), "{:?}", by_class);
            }
            (0..40).for_each(|_| fractions.step(cpu(0.0)));
            prop_assert_eq!(fractions.by_class(), [1.0; 4]);
        }
    }
}
