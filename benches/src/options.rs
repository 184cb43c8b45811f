//! What the command line of a bench of our own says.

use std::time::Duration;

/// The options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long the promises have to hold together.
    pub time: Duration,
    /// Requests per second meanwhile.
    pub rate: u32,
    /// Whether peers are measured too.
    pub peers: bool,
    /// A look instead of a measurement.
    pub quick: bool,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// Measure.
    Run(Options),
    /// Nothing: it was not started as a bench, or another one was asked for.
    Skip(&'static str),
    /// Tell how it is used.
    Help,
    /// Tell what was not understood.
    Refuse(String),
}

impl Options {
    /// Reads the arguments of the bench `name`, without the program's own.
    ///
    /// Cargo adds `--bench` when it runs benches and does not when it runs tests. A free-standing word
    /// is a filter, as for criterion: a bench whose name does not contain it does nothing.
    pub fn read(name: &str, arguments: impl IntoIterator<Item = String>) -> Order {
        let mut options =
            Self { time: Duration::from_secs(30), rate: 10_000, peers: true, quick: false };
        let (mut bench, mut wanted) = (false, true);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut number = |range: std::ops::RangeInclusive<u32>| {
                let value = arguments.next().unwrap_or_default();
                let number = value.parse().ok().filter(|number| range.contains(number));
                number.ok_or_else(|| {
                    let (from, to) = range.into_inner();
                    Order::Refuse(format!("{argument} takes a number from {from} to {to}"))
                })
            };
            match argument.as_str() {
                "--bench" => bench = true,
                "--help" | "-h" => return Order::Help,
                "--no-peers" => options.peers = false,
                "--quick" => {
                    options.quick = true;
                    options.time = Duration::from_secs(5);
                }
                "--seconds" => match number(1..=3600) {
                    Ok(seconds) => options.time = Duration::from_secs(seconds.into()),
                    Err(refusal) => return refusal,
                },
                "--rate" => match number(1..=1_000_000) {
                    Ok(rate) => options.rate = rate,
                    Err(refusal) => return refusal,
                },
                option if option.starts_with('-') => {
                    return Order::Refuse(format!("{option} is not an option; see --help"));
                }
                filter => wanted = name.contains(filter),
            }
        }
        match (bench, wanted) {
            (false, _) => Order::Skip("nothing to do: this is run by `cargo bench`"),
            (_, false) => Order::Skip("not asked for"),
            _ => Order::Run(options),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Order {
        Options::read("budgets", line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_the_bench_flag_nothing_is_measured() {
        assert!(matches!(read(""), Order::Skip(_)));
        assert!(matches!(read("--rate 100"), Order::Skip(_)));
    }

    #[test]
    fn options_are_read() {
        let options =
            Options { time: Duration::from_secs(7), rate: 500, peers: false, quick: true };
        assert_eq!(read("--bench --quick --seconds 7 --rate 500 --no-peers"), Order::Run(options));
    }

    #[test]
    fn a_word_is_a_filter() {
        assert!(matches!(read("--bench gcra"), Order::Skip(_)));
        assert!(matches!(read("budget --bench"), Order::Run(_)));
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for line in ["--bench --fast", "--rate", "--rate x", "--seconds 0"] {
            assert!(matches!(read(line), Order::Refuse(_)), "{line}");
        }
        assert_eq!(read("--help"), Order::Help);
    }
}
