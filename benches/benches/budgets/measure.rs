//! One run, from the build to the verdict.

use std::{io, process::ExitCode, time::Duration};

use gabion_benches::{
    beside::Turns,
    compile::binaries,
    cores::Cores,
    figure,
    gabion::{self, SETTINGS},
    highest::Search,
    load::ceiling,
    options::Options,
    promises::CONNECTIONS,
    verdict::Verdicts,
};
use gabion_clock::{Clock, Instant, SystemClock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{neighbours::beside, ours::ours, surroundings::Surroundings};

/// How much of everything.
pub(crate) struct Extent {
    pub(crate) search: Search,
    pub(crate) peers_search: Search,
    pub(crate) turns: Turns,
    pub(crate) requests: u64,
}

impl Extent {
    fn of(options: &Options) -> Self {
        let search = |step, bound| Search {
            step: Duration::from_secs(step),
            bound: Duration::from_secs(bound),
        };
        match options.quick {
            true => Self {
                search: search(2, 12),
                peers_search: search(1, 6),
                turns: Turns { count: 1, time: Duration::from_secs(1) },
                requests: 200_000,
            },
            false => Self {
                search: search(4, 50),
                peers_search: search(3, 25),
                turns: Turns { count: 3, time: Duration::from_secs(2) },
                requests: 1_000_000,
            },
        }
    }
}

pub(crate) fn measure(options: &Options, surroundings: &Surroundings) -> io::Result<ExitCode> {
    let clock = SystemClock::new();
    let begun = clock.now();
    let extent = Extent::of(options);
    raise_file_limit();

    heading("building");
    let arguments = ["-p", "gabion-server", "--bin", "gabion"];
    let mut built = binaries(&surroundings.cargo, &surroundings.root, &arguments)?;
    let binary = built.remove("gabion").ok_or_else(|| io::Error::other("cargo built no gabion"))?;
    let peers = surroundings.peers(options, &binary);

    let cores = Cores::split()?;
    cores.take_generators()?;
    println!("\n{}", cores.describe());
    let most = ceiling(cores, Duration::from_secs(1), CONNECTIONS)?;
    println!("the generator alone reaches {} over {CONNECTIONS} connections", figure::rate(most));
    println!("the server runs with its defaults and");
    SETTINGS.iter().for_each(|(key, value)| println!("  {key} = {value}"));
    println!(
        "since one address and one account stand for all callers; admission is on enforce, and\n\
         each request has its line in the log"
    );

    let mut verdicts = Verdicts::new();
    let scratch = tempfile::tempdir()?;
    let server = gabion::start(&binary, cores, &scratch, &[])?;
    ours(&server, cores, options, &extent, &mut verdicts)?;
    drop(server);

    match peers {
        Err(why) => println!("\nPEERS NOT MEASURED: {why}"),
        Ok(peers) => {
            peers.skipped.iter().for_each(|why| println!("\nSKIPPED: {why}"));
            let done = beside(&peers, &binary, cores, options, &extent, &mut verdicts);
            if let Err(error) = done {
                // What was begun and could not be finished says nothing good of somebody.
                println!("\nthe comparison ended early: {error}");
                let (promise, budget) = ("comparison with the peers", String::from("to its end"));
                verdicts.judge(promise, "ended early".into(), budget, false);
            }
        }
    }

    heading("verdict");
    println!("{verdicts}");
    println!("budgets took {:.0} s", since(clock, begun));
    Ok(verdicts.exit_code())
}

pub(crate) fn heading(text: &str) {
    println!("\n== {text}");
}

fn since(clock: SystemClock, begun: Instant) -> f64 {
    clock.now().saturating_since(begun).as_secs_f64()
}

/// Thousands of connections need as many files.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Without it the burst of connections ends sooner, which its figure shows.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
