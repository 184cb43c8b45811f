//! Our work as a ratio to the library that does the same, in turns, with verdicts.

#![expect(clippy::print_stdout, reason = "what it prints is its purpose")]

use std::{process::ExitCode, time::Duration};

use gabion_auth::Algorithm;
use gabion_benches::{
    figure::nanos,
    options::{Options, Order},
    rounds::{Compared, Rounds},
    subject::{
        cached::{Ours, QuickCache},
        rate::{Governor, Keys, Strangers, Table as RateTable},
        token::{Cold, Issuing, Jsonwebtoken, JsonwebtokenIssuing, Remembered, Tokens},
    },
    table::Table,
    verdict::word,
};
use gabion_clock::{Clock, SystemClock};

const HELP: &str = "\
Times our work beside the library that does the same, in turns, and judges the ratio.

  cargo bench -p gabion-benches --bench ratios
  cargo bench -p gabion-benches --bench ratios -- --quick

  --quick   a look instead of a measurement

It ends with 1 when a ratio is above its budget. Nanoseconds are printed, never judged.";

/// Two measurements of the same thing differ by as much on a quiet machine.
const NOISE: f64 = 0.05;

fn main() -> ExitCode {
    let options = match Options::read("ratios", std::env::args().skip(1)) {
        Order::Run(options) => options,
        Order::Skip(why) => {
            println!("ratios: {why}");
            return ExitCode::SUCCESS;
        }
        Order::Help => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Order::Refuse(why) => {
            println!("{why}");
            return ExitCode::from(2);
        }
    };
    let clock = SystemClock::new();
    let begun = clock.now();
    let rounds = match options.quick {
        true => Rounds { count: 5, turn: Duration::from_millis(20) },
        false => Rounds { count: 9, turn: Duration::from_millis(80) },
    };
    println!(
        "\nratios: {} rounds in turns of {} ms, medians\n",
        rounds.count,
        rounds.turn.as_millis()
    );
    let mut ratios = Ratios::new();
    rate_checks(&mut ratios, rounds);
    tokens(&mut ratios, rounds);
    cache_hits(&mut ratios, rounds);
    println!("\n{}", ratios.table);
    println!("* a budget in nanoseconds is the design's goal on its machine and is not judged");
    println!("ratios took {:.0} s", clock.now().saturating_since(begun).as_secs_f64());
    match ratios.broken.as_slice() {
        [] => ExitCode::SUCCESS,
        broken => {
            println!("BROKEN: {}", broken.join("; "));
            ExitCode::FAILURE
        }
    }
}

struct Ratios {
    table: Table,
    broken: Vec<String>,
}

impl Ratios {
    fn new() -> Self {
        let columns = ["work", "ours", "peer", "ratio", "budget", "verdict"];
        Self { table: Table::new(columns), broken: Vec::new() }
    }

    /// A ratio to a peer that is held to a budget.
    fn judge(&mut self, work: &str, peer: &str, compared: Compared, budget: f64, margin: f64) {
        let Compared { ours, peer: theirs, ratio } = compared;
        let holds = ratio <= budget + margin;
        let allowed = if margin > 0.0 {
            format!("≤ {budget} (+{margin} noise)")
        } else {
            format!("≤ {budget}")
        };
        let theirs = format!("{peer} {}", nanos(theirs));
        self.row(work, &nanos(ours), &theirs, &format!("{ratio:.2}"), &allowed, word(holds));
        if !holds {
            self.broken.push(format!("{work}: {ratio:.2}, allowed {allowed}"));
        }
    }

    /// A figure that is told and not judged.
    fn tell(&mut self, work: &str, ours: f64, goal: &str) {
        self.row(work, &nanos(ours), "–", "–", goal, "–");
    }

    /// A ratio that is told and not judged.
    fn tell_ratio(&mut self, work: &str, peer: &str, compared: Compared, goal: &str) {
        let Compared { ours, peer: theirs, ratio } = compared;
        let theirs = format!("{peer} {}", nanos(theirs));
        self.row(work, &nanos(ours), &theirs, &format!("{ratio:.2}"), goal, "–");
    }

    fn row(&mut self, work: &str, ours: &str, peer: &str, ratio: &str, budget: &str, word: &str) {
        println!("  {work}: {ours}, {peer}, {ratio}");
        self.table.row([work, ours, peer, ratio, budget, word].map(str::to_owned));
    }
}

fn rate_checks(ratios: &mut Ratios, rounds: Rounds) {
    let sizes = [("1 key", 1, 0.7), ("100 k keys", 100_000, 0.25), ("1 Mi keys", 1 << 20, 0.2)];
    for (name, count, budget) in sizes {
        let keys = Keys::new(count);
        let (mut ours, mut peer) = (RateTable::allowing(&keys), Governor::allowing(&keys));
        // Long enough to go through the whole table, so that a turn is not all about what the other
        // side's turn has pushed out of the processor's caches.
        let turn = rounds.turn.max(rounds.turn * (count >> 18) as u32);
        let compared = Rounds { turn, ..rounds }.compare(|| ours.check(), || peer.check());
        ratios.judge(&format!("rate check, {name}"), "governor", compared, budget, 0.0);
        if count == 1 {
            let alone = rounds.alone(|| ours.check_and_read_clock());
            ratios.tell("  the same with a clock read of its own", alone, "–");
        }
        if count == 1 << 20 {
            let bytes = ours.bytes_per_key();
            let holds = bytes <= 32.0;
            let ours = format!("{bytes:.1} bytes");
            ratios.row("memory of a key, 1 Mi keys", &ours, "–", "–", "≤ 32 bytes", word(holds));
            if !holds {
                ratios.broken.push(format!("memory of a key: {bytes:.1} bytes"));
            }
        }
    }
    let keys = Keys::new(1000);
    let (mut ours, mut peer) = (RateTable::denying(&keys), Governor::denying(&keys));
    let compared = rounds.compare(|| ours.check(), || peer.check());
    ratios.tell_ratio("rate check denied, 1000 keys", "governor", compared, "–");
    let (mut ours, mut peer) = (RateTable::for_strangers(), Governor::for_strangers());
    let (mut names, mut peers_names) = (Strangers::default(), Strangers::default());
    let compared = rounds
        .compare(|| ours.check_stranger(&mut names), || peer.check_stranger(&mut peers_names));
    ratios.tell_ratio("rate check, a key never seen", "governor", compared, "–");
}

fn tokens(ratios: &mut Ratios, rounds: Rounds) {
    for algorithm in Algorithm::ALL {
        let tokens = Tokens::signed_by(algorithm, 4096);
        let (mut ours, mut peer) = (Cold::new(&tokens), Jsonwebtoken::new(&tokens));
        let compared = rounds.compare(|| ours.verify(), || peer.verify());
        let work = format!("token verify, {algorithm}");
        ratios.judge(&work, "jsonwebtoken", compared, 1.0, NOISE);
        let (mut ours, mut peer) = (Issuing::new(&tokens), JsonwebtokenIssuing::new(&tokens));
        let compared = rounds.compare(|| ours.issue(), || peer.issue());
        ratios.judge(&format!("token issue, {algorithm}"), "jsonwebtoken", compared, 1.0, NOISE);
    }
    let mut remembered = Remembered::new(&Tokens::new(10_000));
    let found = rounds.alone(|| remembered.find());
    ratios.tell("token seen before", found, "≤ 150 ns*");
    let found = rounds.alone(|| remembered.find_unless_ended());
    ratios.tell("token seen before, session not ended", found, "≤ 200 ns*");
}

fn cache_hits(ratios: &mut Ratios, rounds: Rounds) {
    let (mut ours, mut peer) = (Ours::new(), QuickCache::new());
    let compared = rounds.compare(|| ours.hit(), || peer.hit());
    ratios.tell_ratio("cache hit with lifetime", "quick_cache without", compared, "≤ 40 ns*");
    let (second, peers_second) = (ours.share(), peer.share());
    let (mut ours, mut peer) = ([ours, second], [peer, peers_second]);
    let compared = rounds.compare_threads((Ours::hit, &mut ours), (QuickCache::hit, &mut peer));
    ratios.tell_ratio("cache hit, 2 threads", "quick_cache without", compared, "≤ 60 ns*");
}
