//! The reference server, started for a measurement.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Command,
};

use gabion_auth::SessionId;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cores::Cores,
    load::{Aim, ask},
    process::Process,
    server::{Server, failure, forge},
};

/// What differs from the defaults, and why. Admission stays on enforce: a server that sheds its
/// callers to stay inside its budgets has not kept the promise of this bench.
pub const SETTINGS: &[(&str, &str)] = &[
    // One address and one account stand for all callers here.
    ("limits.rate.address.quota", "10000000/s"),
    ("limits.rate.address.burst", "10000000"),
    ("limits.rate.caller.quota", "10000000/s"),
    ("limits.rate.caller.burst", "10000000"),
    // A few connections carry a million requests.
    ("limits.connections.requests", "1000000"),
];

/// What differs besides, where it is compared.
pub const BESIDE_PEERS: &[(&str, &str)] = &[
    // All connections at one instant come from one address.
    ("limits.connections.per_address", "10000"),
    // The peers write no line for a request either.
    ("log.level", "warn"),
];

const PATH: &str = "/api/auth/verify";

/// Starts `binary` on an empty data directory inside `folder`, logs in, and is ready to be asked
/// `GET /api/auth/verify`.
///
/// # Errors
///
/// When it does not start, with what it wrote.
pub fn start(
    binary: &Path,
    cores: Cores,
    folder: &TempDir,
    more: &[(&str, &str)],
) -> io::Result<Server> {
    let folder = folder.path();
    let (secret, log) = (folder.join("password"), folder.join("log"));
    let password = SessionId::random().to_string();
    let mut options = OpenOptions::new();
    let _ = fs::remove_file(&secret);
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&secret)?
        .write_all(password.as_bytes())?;
    let mut command = Command::new(binary);
    // Nothing of the caller's: no environment, and no gabion.toml in the current folder.
    command.env_clear().current_dir(folder).args(["serve", "--print-ready"]);
    let mut set = |key: &str, value: &str| {
        command.arg("--set").arg(format!("{key}={value}"));
    };
    set("server.listen", "127.0.0.1:0");
    set("server.data_dir", &folder.join("data").to_string_lossy());
    set("auth.bootstrap.password_file", &secret.to_string_lossy());
    SETTINGS.iter().chain(more).for_each(|(key, value)| set(key, value));
    let mut process = Process::start(&mut command, cores, &log)?;

    let name = "gabion";
    let mut line = String::new();
    if let Some(output) = process.stdout() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let address = line.trim().strip_prefix("ready http://").and_then(|text| text.parse().ok());
    let address: SocketAddr = address.ok_or_else(|| failure(name, "it is not ready", &log))?;
    let token = log_in(address, &password)?;
    let aim = Aim::get(address, PATH, Some(&token));
    let server = Server { name, process, aim }.when_ready(&log)?;
    server.refuses(&Aim::get(address, PATH, Some(&forge(&token))))
}

fn log_in(address: SocketAddr, password: &str) -> io::Result<String> {
    let body = json!({ "username": "admin", "password": password }).to_string();
    let (status, answer) = ask(&Aim::post(address, "/api/auth/login", &body))?;
    let answer: Value = serde_json::from_slice(&answer)?;
    let token = answer["access_token"].as_str().map(str::to_owned);
    token.ok_or_else(|| io::Error::other(format!("the login was answered with {status}: {answer}")))
}
