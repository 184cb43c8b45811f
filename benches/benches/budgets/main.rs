//! The whole server against its four promises, and beside what people use instead.

#![expect(clippy::print_stdout, reason = "what it prints is its purpose")]

#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod neighbours;
#[cfg(target_os = "linux")]
mod ours;
#[cfg(target_os = "linux")]
mod surroundings;

use std::process::ExitCode;

use gabion_benches::options::{Options, Order};

const HELP: &str = "\
Builds and starts the real server, drives it by an open loop from another core, and judges what
it promises. Beside it, where ../shared/peers is there, the same for a Python server and an axum stack.

  cargo bench -p gabion-benches --bench budgets
  cargo bench -p gabion-benches --bench budgets -- --no-peers --seconds 60
  cargo bench -p gabion-benches --bench budgets -- --quick

  --seconds N   how long the promises have to hold together (30)
  --rate N      requests per second meanwhile (10000)
  --no-peers    measure nothing but our own server
  --quick       a look instead of a measurement
  -h, --help    this text

  GABION_PEERS         where the peers are (../shared/peers beside the workspace)
  GABION_PEERS_TARGET  where they are built (target/peers)
  GABION_PEERS_VENV    where their Python packages are (target/peers-venv)

It ends with 1 when a promise is broken or nothing could be measured, with 2 when this line was
not understood.";

fn main() -> ExitCode {
    match Options::read("budgets", std::env::args().skip(1)) {
        Order::Run(options) => run(&options),
        Order::Skip(why) => {
            println!("budgets: {why}");
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
    println!(
        "budgets: SKIPPED: processor time and memory of a process are read from Linux's /proc"
    );
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn run(options: &Options) -> ExitCode {
    let surroundings = surroundings::Surroundings::read();
    measure::measure(options, &surroundings).unwrap_or_else(|error| {
        println!("\nbudgets: nothing can be said: {error}");
        ExitCode::FAILURE
    })
}
