//! The same load on our server and on its peers.

use std::{io, path::Path, time::Duration};

use gabion_benches::{
    beside::{Carries, Needs, carries, judge_against, needs_table},
    cores::Cores,
    figure,
    gabion::{self, BESIDE_PEERS},
    options::Options,
    peers::Peers,
    promises::Stretch,
    server::Server,
    table::Table,
    verdict::Verdicts,
};

use crate::measure::{Extent, heading};

/// Requests per second from which the first guess about Python is made.
const SAMPLE: f64 = 1000.0;

/// Drives all of them at the same rates, and judges ours against Python.
pub(crate) fn beside(
    peers: &Peers,
    binary: &Path,
    cores: Cores,
    options: &Options,
    extent: &Extent,
    verdicts: &mut Verdicts,
) -> io::Result<()> {
    let tell = |line: String| println!("  {line}");
    // Ours is started anew, so that its memory is not that of the load before.
    let (own_scratch, scratch) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let gabion = gabion::start(binary, cores, &own_scratch, BESIDE_PEERS)?;
    println!("\nbeside its peers, the server runs with");
    BESIDE_PEERS.iter().for_each(|(key, value)| println!("  {key} = {value}"));
    let (axum, bare) = (peers.axum(cores, &scratch)?, peers.bare(cores, &scratch)?);
    let python = peers.python(cores, &scratch)?;

    let mut against = None;
    if let Some(python) = &python {
        let sample = Stretch::drive(python, cores, SAMPLE, Duration::from_secs(2), |_| {})?;
        // At 40 % of its core Python is not pressed, and the others less.
        let common = (0.4e6 / sample.cpu_micros() / 100.0).floor().max(1.0) * 100.0;
        let servers = [&gabion, python, &axum, &bare];
        let needs = side_by_side(common, &servers, cores, extent, tell)?;
        against = Some((needs[0], needs[1]));
    }
    let rate = f64::from(options.rate);
    side_by_side(rate, &[&gabion, &axum, &bare], cores, extent, tell)?;

    heading("how much each carries");
    // Searched anew: as the peers are, it logs no requests here.
    let ours = carries(&gabion, cores, extent.peers_search, rate, tell)?;
    let mut carried = vec![("gabion", ours.clone())];
    for (server, sample) in [(python.as_ref(), SAMPLE), (Some(&axum), rate)] {
        if let Some(server) = server {
            let most = carries(server, cores, extent.peers_search, sample, tell)?;
            carried.push((server.name, most));
        }
    }
    let mut table =
        Table::new(["server", "highest rate", "in the way above", "connections at once"]);
    for (name, Carries { highest, at_once }) in &carried {
        let rate = figure::rate(highest.rate);
        table.row([
            (*name).to_owned(),
            rate,
            highest.limit.clone(),
            figure::count(*at_once as u64),
        ]);
    }
    println!("\n{table}");
    let theirs = carried.iter().find(|(name, _)| *name == "python").map(|(_, most)| most);
    if let (Some((our_needs, their_needs)), Some(theirs)) = (against, theirs) {
        judge_against(verdicts, "Python", (&our_needs, &their_needs), (&ours, theirs));
    }
    Ok(())
}

/// Drives `servers` in turns and prints the table; the last one is the floor.
fn side_by_side(
    rate: f64,
    servers: &[&Server],
    cores: Cores,
    extent: &Extent,
    tell: impl FnMut(String),
) -> io::Result<Vec<Needs>> {
    heading(&format!("side by side at {}", figure::rate(rate)));
    let needs = extent.turns.at(rate, servers, cores, tell)?;
    println!("\n{}", needs_table(servers, &needs, needs.last()));
    Ok(needs)
}
