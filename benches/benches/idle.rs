//! What connections cost that do nothing, beside those of bare hyper.

#![expect(clippy::print_stdout, reason = "what it prints is its purpose")]

#[cfg(target_os = "linux")]
#[path = "budgets/surroundings.rs"]
mod surroundings;

use std::process::ExitCode;

use gabion_benches::options::{Options, Order};

const HELP: &str = "\
Opens connections to the real server, asks each of them once, and reads what the server holds while
they rest, when all were asked again, and after they were closed. Beside it, where ../shared/peers is
there, the same for bare hyper.

  cargo bench -p gabion-benches --bench idle
  cargo bench -p gabion-benches --bench idle -- --no-peers --quick

  --no-peers   only our own server
  --quick      1000 connections instead of 10 000

It ends with 1 when a connection of ours takes a kilobyte more than one of bare hyper, or more than a
kilobyte of each is left after they were closed.";

fn main() -> ExitCode {
    match Options::read("idle", std::env::args().skip(1)) {
        Order::Run(options) => run(&options),
        Order::Skip(why) => {
            println!("idle: {why}");
            ExitCode::SUCCESS
        }
        Order::Help => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Order::Refuse(why) => {
            println!("{why}");
            ExitCode::from(2)
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn run(_: &Options) -> ExitCode {
    println!("idle: SKIPPED: the memory of a process is read from Linux's /proc");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn run(options: &Options) -> ExitCode {
    measured::measure(options, &surroundings::Surroundings::read()).unwrap_or_else(|error| {
        println!("\nidle: nothing can be said: {error}");
        ExitCode::FAILURE
    })
}

#[cfg(target_os = "linux")]
mod measured {
    use std::{io, process::ExitCode, thread::sleep, time::Duration};

    use gabion_benches::{
        compile::binaries,
        cores::Cores,
        figure, gabion,
        load::{Idle, allow_descriptors},
        options::Options,
        server::Server,
        table::Table,
        verdict::Verdicts,
    };

    use crate::surroundings::Surroundings;

    /// Beside the connections, with room for those of before.
    const DESCRIPTORS: u64 = 1000;
    const KILOBYTE: f64 = 1000.0;
    const SETTINGS: &[(&str, &str)] = &[
        ("limits.connections.total", "20000"),
        ("limits.connections.per_address", "20000"),
        ("log.level", "warn"),
    ];

    pub(super) fn measure(options: &Options, surroundings: &Surroundings) -> io::Result<ExitCode> {
        let count = if options.quick { 1000 } else { 10_000 };
        allow_descriptors(count as u64 + DESCRIPTORS)?;
        let cores = Cores::split()?;
        let built = ["-p", "gabion-server", "--bin", "gabion"];
        let built = binaries(&surroundings.cargo, &surroundings.root, &built)?;
        let binary = built.get("gabion").ok_or_else(|| io::Error::other("cargo built nothing"))?;

        println!("\nidle: {} connections, a request each\n", figure::count(count as u64));
        let mut table = Table::new([
            "server",
            "at first",
            "at rest, after 1 s",
            "after 5 s",
            "all at work",
            "at rest again",
            "closed",
            "each at rest",
        ]);
        let mut verdicts = Verdicts::new();
        let bare = match surroundings.peers(options, binary) {
            Ok(peers) => {
                let folder = tempfile::tempdir()?;
                Some(look(&peers.bare(cores, &folder)?, count, &mut table)?)
            }
            Err(why) => {
                println!("no peers: {why}");
                None
            }
        };
        let folder = tempfile::tempdir()?;
        let ours = look(&gabion::start(binary, cores, &folder, SETTINGS)?, count, &mut table)?;
        println!("\n{table}");
        if let Some(bare) = bare {
            let most = bare.each + KILOBYTE;
            let (each, most_text) = (bytes(ours.each), format!("≤ {}", bytes(most)));
            verdicts.judge("a connection at rest", each, most_text, ours.each <= most);
        }
        let left = bytes(ours.left);
        verdicts.judge("left of each", left, "≤ 1000 B".into(), ours.left <= KILOBYTE);
        println!("{verdicts}");
        Ok(verdicts.exit_code())
    }

    /// Bytes of a connection.
    struct Each {
        each: f64,
        left: f64,
    }

    fn look(server: &Server, count: usize, table: &mut Table) -> io::Result<Each> {
        // What is made once, with the first requests.
        drop(Idle::open(&server.aim, 50)?);
        let resident_after = |seconds| -> io::Result<u64> {
            sleep(Duration::from_secs(seconds));
            Ok(server.process.usage()?.resident)
        };
        let before = resident_after(1)?;
        let mut idle = Idle::open(&server.aim, count)?;
        let resting = [resident_after(1)?, resident_after(4)?];
        idle.ask_all()?;
        let working = resident_after(0)?;
        let again = resident_after(5)?;
        drop(idle);
        let closed = resident_after(2)?;
        let each = |resident: u64| resident.saturating_sub(before) as f64 / count as f64;
        let mut row = vec![server.name.to_owned()];
        row.extend([before, resting[0], resting[1], working, again, closed].map(figure::mib));
        row.push(bytes(each(resting[0])));
        let row: [String; 8] = row.try_into().unwrap_or_default();
        table.row(row);
        Ok(Each { each: each(resting[0]), left: each(closed) })
    }

    fn bytes(bytes: f64) -> String {
        format!("{} B", figure::count(bytes.round() as u64))
    }
}
