//! What people use instead, built and started from a folder of peers.
//!
//! The folder has `http/` (a cargo package with the binaries `axum_stack`, `bare_hyper` and
//! `mktoken`) and `python/` (`app.py`, `requirements.txt`). Each answers `GET /api/work` with 64 bytes
//! of JSON after the same checks as ours, and takes its port from the environment.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    compile::binaries,
    cores::Cores,
    load::Aim,
    process::Process,
    server::{Server, forge},
};

const PATH: &str = "/api/work";

/// What could be built.
pub struct Peers {
    folder: PathBuf,
    token: String,
    axum: PathBuf,
    bare: PathBuf,
    python: Option<PathBuf>,
    /// What could not, and why.
    pub skipped: Vec<String>,
}

/// Where peers are and where they are built.
#[derive(Debug, Clone)]
pub struct Places {
    /// Their sources; nothing is written there.
    pub folder: PathBuf,
    /// The target directory of their binaries.
    pub target: PathBuf,
    /// The virtual environment of the Python server.
    pub venv: PathBuf,
}

impl Peers {
    /// Builds all of them; without Python the others are still there.
    ///
    /// # Errors
    ///
    /// When the binaries cannot be built.
    pub fn build(cargo: &Path, places: &Places) -> io::Result<Self> {
        let target = places.target.to_string_lossy();
        let names = ["axum_stack", "bare_hyper", "mktoken"];
        let mut arguments = vec!["--locked", "--target-dir", &*target];
        names.iter().for_each(|name| arguments.extend(["--bin", name]));
        let mut built = binaries(cargo, &places.folder.join("http"), &arguments)?;
        let [axum, bare, mktoken] = names.map(|name| {
            built.remove(name).ok_or_else(|| io::Error::other(format!("cargo built no {name}")))
        });
        let token = Command::new(mktoken?).output()?.stdout;
        let token = String::from_utf8_lossy(&token).trim().to_owned();
        let (python, skipped) = match environment(places) {
            Ok(python) => (Some(python), Vec::new()),
            Err(why) => (None, vec![format!("the Python server: {why}")]),
        };
        let folder = places.folder.clone();
        Ok(Self { folder, token, axum: axum?, bare: bare?, python, skipped })
    }

    /// FastAPI behind uvicorn with one worker, if there is a Python for it.
    ///
    /// # Errors
    ///
    /// When it does not start, with what it wrote.
    pub fn python(&self, cores: Cores, scratch: &TempDir) -> io::Result<Option<Server>> {
        let Some(python) = &self.python else { return Ok(None) };
        let address = free_address()?;
        let mut command = Command::new(python);
        command.args(["-m", "uvicorn", "app:app", "--app-dir"]).arg(self.folder.join("python"));
        command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(["--workers", "1", "--loop", "uvloop", "--http", "httptools"]);
        command.args(["--no-access-log", "--log-level", "warning", "--backlog", "4096"]);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        self.start("python", &mut command, address, cores, scratch).map(Some)
    }

    /// The usual stack of axum, tower-http, governor and jsonwebtoken.
    ///
    /// # Errors
    ///
    /// When it does not start, with what it wrote.
    pub fn axum(&self, cores: Cores, scratch: &TempDir) -> io::Result<Server> {
        let address = free_address()?;
        let mut command = Command::new(&self.axum);
        self.start("axum stack", &mut command, address, cores, scratch)
    }

    /// hyper alone, which checks nothing: the floor.
    ///
    /// # Errors
    ///
    /// When it does not start, with what it wrote.
    pub fn bare(&self, cores: Cores, scratch: &TempDir) -> io::Result<Server> {
        let address = free_address()?;
        let mut command = Command::new(&self.bare);
        self.start("bare hyper", &mut command, address, cores, scratch)
    }

    fn start(
        &self,
        name: &'static str,
        command: &mut Command,
        address: SocketAddr,
        cores: Cores,
        scratch: &TempDir,
    ) -> io::Result<Server> {
        let log = scratch.path().join(format!("{name}.log"));
        command.current_dir(scratch.path());
        command.env("PORT", address.port().to_string()).env("RUST_LOG", "error");
        let process = Process::start(command, cores, &log)?;
        let aim = Aim::get(address, PATH, Some(&self.token));
        let server = Server { name, process, aim }.when_ready(&log)?;
        if name == "bare hyper" {
            return Ok(server);
        }
        server.refuses(&Aim::get(address, PATH, Some(&forge(&self.token))))
    }
}

/// A port that was free a moment ago.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// The Python of a virtual environment with everything installed.
fn environment(places: &Places) -> Result<PathBuf, String> {
    let python = places.venv.join("bin/python");
    let import = [
        "-c",
        "import fastapi, uvicorn, uvloop, httptools, jwt, psutil, argon2, prometheus_client",
    ];
    if run(Command::new(&python).args(import)).is_ok() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&places.venv))?;
    let requirements = places.folder.join("python/requirements.txt");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run(Command::new(&python).args(pip).arg(requirements))?;
    run(Command::new(&python).args(import))?;
    Ok(python)
}

/// Runs a command to its end; what it wrote last when it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    Err(format!("{name}: {last}"))
}
