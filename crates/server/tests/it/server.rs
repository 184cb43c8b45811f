//! Server processes, each in a folder of its own.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use gabion_clock::{Clock, Instant, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, PATIENCE, Request, Response};

/// Of every account that a test makes, unless it is about passwords.
pub(crate) const PASSWORD: &str = "granite otter lantern 77";

/// What every server is started with: nothing that a busy machine could trip over.
const USUAL: [(&str, &str); 15] = [
    ("server.listen", "127.0.0.1:0"),
    ("auth.password.memory", "64KiB"),
    ("auth.password.passes", "1"),
    ("auth.password.parallel_hashes", "2"),
    ("limits.rate.address.quota", "1000000/s"),
    ("limits.rate.address.burst", "1000000"),
    ("limits.rate.caller.quota", "1000000/s"),
    ("limits.rate.caller.burst", "1000000"),
    ("limits.rate.login.quota", "1000000/s"),
    ("limits.rate.login.burst", "1000000"),
    ("limits.connections.per_address", "10000"),
    ("limits.connections.requests", "1000000"),
    ("limits.admission.mode", "shadow"),
    ("lifecycle.drain", "5s"),
    ("log.format", "json"),
];

/// Time that passes while a test waits.
pub(crate) struct Stopwatch {
    clock: SystemClock,
    begun: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let clock = SystemClock::new();
        Self { clock, begun: clock.now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.now().saturating_since(self.begun)
    }
}

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let waited = Stopwatch::start();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(waited.elapsed() < PATIENCE, "waited too long until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A folder in which servers run, one after the other.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("gabion-it-").tempdir();
        let home = Self { folder: folder.expect("a temporary folder") };
        home.write("password", PASSWORD);
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where servers keep what outlives them.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path("data").join(name)
    }

    /// Writes a file for the owner alone, and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("a file can be written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode can be set");
        path.display().to_string()
    }

    /// The program with `arguments`, working in the folder and knowing nothing of the tests' own
    /// environment.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gabion"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command
    }

    /// The same on the folder's data, with the usual settings and those of `sets`.
    pub(crate) fn command(&self, arguments: &[&str], sets: &[&str]) -> Command {
        let mut settings: BTreeMap<&str, String> =
            USUAL.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        settings.insert("server.data_dir", self.path("data").display().to_string());
        let password = self.path("password").display().to_string();
        settings.insert("auth.bootstrap.password_file", password);
        for set in sets {
            let (key, value) = set.split_once('=').expect("key=value");
            settings.insert(key, value.to_owned());
        }
        let mut command = self.bare(arguments);
        for (key, value) in settings {
            command.args(["--set", &format!("{key}={value}")]);
        }
        command
    }

    /// Runs a command to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments, &[]), "")
    }

    /// Starts a server and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(&self, sets: &[&str]) -> Server {
        self.start_as(&["serve", "--print-ready"], sets)
    }

    #[track_caller]
    pub(crate) fn start_as(&self, arguments: &[&str], sets: &[&str]) -> Server {
        let command = self.command(arguments, sets);
        Server::start(command, self.folder.path()).unwrap_or_else(|failed| panic!("{failed:?}"))
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// What it said, once it ended well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let told = self.good();
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
    }
}

/// Runs `command` with `input` to its end; one that does not end is killed.
#[track_caller]
pub(crate) fn finish(mut command: Command, input: &str) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // A command that does not read has gone by now, and that is its own affair.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let status = wait(&mut child, PATIENCE).unwrap_or_else(|| {
        let _ = child.kill();
        child.wait().expect("a killed process ends")
    });
    let text = |thread: JoinHandle<String>| thread.join().expect("reading goes on to the end");
    Finished { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    let mut stream = stream.expect("the stream is piped");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let waited = Stopwatch::start();
    while waited.elapsed() < within {
        if let Some(status) = child.try_wait().expect("the system tells of its processes") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

/// A running server; killed when dropped, with every process that it has handed over to.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    /// Its processes name this folder among their arguments, and no others do.
    folder: PathBuf,
}

/// The two tokens of a login.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Tokens {
    pub(crate) fn of(response: &Response) -> Self {
        let body = response.json();
        let text = |name: &str| body[name].as_str().expect("a token").to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

impl Server {
    /// Starts `command` and waits for its line `ready`; how it ended if that does not come.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Result<Self, Finished> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(process.stderr.take().expect("the stream is piped"));
        let reading = thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(process.stdout.take().expect("the stream is piped"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let line = lines.recv_timeout(PATIENCE);
        let address = line
            .ok()
            .and_then(|line| line.strip_prefix("ready ")?.split_once("://")?.1.parse().ok());
        let text = || log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(address) = address else {
            let status = wait(&mut process, PATIENCE).unwrap_or_else(|| {
                let _ = process.kill();
                process.wait().expect("a killed process ends")
            });
            let _ = reading.join();
            let (stdout, stderr) = (String::new(), text());
            return Err(Finished { code: status.code(), stdout, stderr });
        };
        Ok(Self { process, address, log, folder: folder.to_owned() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process that was started first.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the log has a line with all of `parts`.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, parts: &[&str]) -> String {
        until(&format!("the log has {parts:?}"), || {
            let log = self.log();
            let found = log.lines().find(|line| parts.iter().all(|part| line.contains(part)));
            found.map(str::to_owned)
        })
    }

    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Sends one request over a connection of its own.
    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Response {
        self.client().send(request)
    }

    #[track_caller]
    pub(crate) fn get(&self, target: &str, token: &str) -> Response {
        self.send(&Request::get(target).bearer(token))
    }

    #[track_caller]
    pub(crate) fn post(&self, target: &str, token: &str, body: &Value) -> Response {
        self.send(&Request::post(target).bearer(token).json(body))
    }

    #[track_caller]
    pub(crate) fn try_login(&self, username: &str, password: &str) -> Response {
        let body = json!({"username": username, "password": password});
        self.send(&Request::post("/api/auth/login").json(&body))
    }

    #[track_caller]
    pub(crate) fn login(&self, username: &str, password: &str) -> Tokens {
        Tokens::of(&self.try_login(username, password).expect(200))
    }

    /// An access token of the first account.
    #[track_caller]
    pub(crate) fn admin(&self) -> String {
        self.login("admin", PASSWORD).access
    }

    /// Adds an account and logs it in.
    #[track_caller]
    pub(crate) fn add(&self, admin: &str, username: &str, roles: &[&str]) -> Tokens {
        let body = json!({"username": username, "password": PASSWORD, "roles": roles});
        self.post("/api/admin/users", admin, &body).expect(201);
        self.login(username, PASSWORD)
    }

    /// Whether the access token is good; anything but yes and 401 is a failure.
    #[track_caller]
    pub(crate) fn accepts(&self, access: &str) -> bool {
        let response = self.get("/api/auth/verify", access);
        assert!([200, 401].contains(&response.status), "{} {}", response.status, response.text());
        response.status == 200
    }

    #[track_caller]
    pub(crate) fn refresh(&self, refresh: &str) -> Response {
        let body = json!({"refresh_token": refresh});
        self.send(&Request::post("/api/auth/refresh").json(&body))
    }

    #[track_caller]
    pub(crate) fn metrics(&self, token: &str) -> String {
        self.get("/api/metrics", token).expect(200).text()
    }

    #[track_caller]
    pub(crate) fn status(&self, token: &str) -> Value {
        self.get("/api/admin/status", token).expect(200).json()
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        send_signal(self.process.id(), signal);
    }

    /// Waits until the process that was started first has ended.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait(&mut self.process, PATIENCE)
            .unwrap_or_else(|| panic!("the server does not end:\n{}", self.log()))
    }

    /// Stops it in order.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// Stops it in order, and shows the whole log to `look`.
    #[track_caller]
    pub(crate) fn stop_and(mut self, look: impl FnOnce(&str)) {
        self.signal(Signal::TERM);
        self.ended();
        let log = until("the log ends", || {
            // At the level trace the store has more to say after it.
            Some(self.log()).filter(|log| log.lines().any(|line| line.contains("drained")))
        });
        look(&log);
    }

    /// Ends it as a power cut would.
    #[track_caller]
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        assert_eq!(self.ended().signal(), Some(9));
    }

    /// The processes that run on its folder: more than one during a hand-over.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let wanted = self.folder.as_os_str().as_encoded_bytes();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let own = numbers.filter(|pid| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            arguments.windows(wanted.len()).any(|window| window == wanted)
        });
        own.collect()
    }

    /// Bytes of memory that the process that was started first holds.
    pub(crate) fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that it has held so far.
    pub(crate) fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        kib.expect("the system tells how much") * 1024
    }
}

#[track_caller]
fn send_signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process has a number");
    // One that has just ended needs no signal.
    let _ = kill_process(pid, signal);
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // A successor may just be starting: look again until there is none.
        for _ in 0..200 {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            left.into_iter().for_each(|pid| send_signal(pid, Signal::KILL));
            thread::sleep(Duration::from_millis(5));
        }
    }
}
