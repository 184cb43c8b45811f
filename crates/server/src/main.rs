//! The `gabion` binary: takes the arguments and the environment, and passes them on as values.

use std::process::ExitCode;

use gabion_server::cli::{self, Surroundings};
use tikv_jemallocator::Jemalloc;

/// What has been used comes back.
///
/// A busy hour leaves a server with memory that it does not need any more. glibc keeps nearly all of it,
/// since what lives longest lies between what was freed; mimalloc gives a thread's pages back when that
/// thread works again, which in a quiet hour it does not. jemalloc has a thread for it, and unused pages
/// go back to the system within half a second (`.cargo/config.toml`).
///
/// Measured with 10 000 connections, opened for a request each, resting, asked all at once, resting again,
/// then closed; in MiB, and in instructions for a request with a token:
///
/// | | start | at rest | at work | at rest | closed | instructions |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | glibc 2.36 | 65 | 163 | 236 | 236 | 189 | 28 900 |
/// | mimalloc 2 | 104 | 210 | 320 | 308 | 289 | |
/// | jemalloc 5.3, pages kept for 10 s | 77 | 127 | 202 | 94 | 81 | |
/// | jemalloc 5.3, for 1 s | 69 | 97 | 191 | 88 | 74 | 27 600 |
/// | jemalloc 5.3, for 0.5 s | 68 | 95 | 194 | 84 | 75 | 27 500 |
///
/// (mimalloc and the third line: a build without optimisation, whose connections are larger.) A second
/// after the last of them was opened, the last two lines hold 4.4 and 3.1 kB for each. Only what Rust
/// allocates goes this way; SQLite and the cryptography keep the system's allocator.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
fn main() -> ExitCode {
    cli::run(Surroundings {
        arguments: std::env::args_os().collect(),
        environment: std::env::vars_os().collect(),
        program: std::env::current_exe().ok(),
        notify_socket: std::env::var_os("NOTIFY_SOCKET"),
    })
}
