//! Floods over HTTP/2 (SECURITY.md: RFC 9113 s5.1.2, s6.5, s10.5; CVE-2023-44487, CVE-2025-8671, the
//! CONTINUATION floods of 2024, CVE-2019-9511 to -9518, RUSTSEC-2026-0258).
//!
//! What a library refuses to send is written by hand; the rest goes through the library h2.

mod floods;
mod frames;
mod library;
mod readers;
mod streams;

use std::{net::SocketAddr, time::Duration};

use self::frames::Parting;
use crate::{
    probe::Probes,
    process::alone,
    server::{Home, Server, Stopwatch},
};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const ENHANCE_YOUR_CALM: u32 = 11;

/// What memory may grow by, whatever is done to it.
const GROWTH: u64 = 32 << 20;
/// Lines in the log, besides one for each request.
const LINES: usize = 20;
/// How long an attacker goes on, one connection after the other.
const LASTS: Duration = Duration::from_secs(1);
/// Runs an attack again and again. Each time the server parts with one of `codes`, and nobody else
/// notices: probes are answered, memory stays, and nothing is worked on afterwards.
#[track_caller]
fn withstand(what: &str, codes: &[u32], attack: impl Fn(SocketAddr) -> Parting) {
    let _alone = alone();
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let token = server.admin();
    let partings = under(&server, what, attack);
    let counted = server.counted(&token, "gabion_connections_closed_total{reason=\"frames\"}");
    if codes == [ENHANCE_YOUR_CALM] {
        assert_eq!(counted, partings.len() as u64, "{what}: counted as floods");
    }
    for parting in partings {
        let code = parting.goaway.as_ref().map(|goaway| goaway.code);
        assert!(code.is_some_and(|code| codes.contains(&code)), "{what}: {parting:?}");
        assert!(parting.closed, "{what}: the connection stays open, {parting:?}");
    }
}

/// The same, whatever it says when it parts.
#[expect(clippy::print_stdout, reason = "the figures are worth as much as the verdict")]
#[track_caller]
fn under<T>(server: &Server, what: &str, attack: impl Fn(SocketAddr) -> T) -> Vec<T> {
    let address = server.address();
    // One request over HTTP/2 first, for the pages of the code.
    library::ask(address);
    let sockets = server.sockets();
    server.forget_peak();
    let before = server.resident();
    let lines = told_besides(&server.log());
    let probes = Probes::begin(address);
    let mut partings = Vec::new();
    let time = Stopwatch::start();
    while time.elapsed() < LASTS {
        partings.push(attack(address));
    }
    probes.end(what);
    let grown = server.peak().saturating_sub(before);
    println!("{what}: {} times, memory grew by {} KiB at most", partings.len(), grown / 1024);
    assert!(grown < GROWTH, "{what}: {grown} bytes more");
    server.closes_to(&sockets);
    server.rests();
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
    let told = told_besides(&log) - lines;
    assert!(told < LINES, "{what}: {told} lines in the log:\n{log}");
    partings
}

fn told_besides(log: &str) -> usize {
    log.lines().filter(|line| !line.contains("\"target\":\"gabion::access\"")).count()
}
