//! The `gabion` binary: takes the arguments and the environment, and passes them on as values.

use std::process::ExitCode;

use gabion_server::cli::{self, Surroundings};

#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
fn main() -> ExitCode {
    let environment = std::env::vars_os();
    let environment = environment
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    cli::run(Surroundings {
        arguments: std::env::args_os().collect(),
        environment: environment.collect(),
        program: std::env::current_exe().ok(),
        notify_socket: std::env::var_os("NOTIFY_SOCKET"),
    })
}
