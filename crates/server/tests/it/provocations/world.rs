//! The servers that are provoked: one for each state that a server can be in.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::json;

use super::{Over, To, Way};
use crate::{
    client::{Client, Request},
    server::{Home, PASSWORD, Server, until},
    tls::Authority,
};

/// What a server is like when it is provoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing is the matter with it.
    Usual,
    /// The same over TLS.
    Tls,
    /// It gives requests half a second, and believes callers who have less.
    Hurried,
    /// The address has used up its quota.
    SpentAddress,
    /// An account has used up its quota.
    SpentCaller,
    /// The address has used up its quota of logins.
    SpentLogin,
    /// An account is locked.
    Locked,
    /// It waits half a second for a head, and less for a body.
    Impatient,
    /// Nothing can be written to its disk.
    FullDisk,
    /// As many follow the events as may.
    Followed,
    /// The last connections are left, which are for probes.
    LastConnections,
    /// It hands over to another process.
    HandingOver,
    /// It is about to stop.
    Draining,
    /// Its configuration file is not one.
    BadFile,
}

impl Place {
    pub(super) const ALL: [Self; 14] = [
        Self::Usual,
        Self::Tls,
        Self::Hurried,
        Self::SpentAddress,
        Self::SpentCaller,
        Self::SpentLogin,
        Self::Locked,
        Self::Impatient,
        Self::FullDisk,
        Self::Followed,
        Self::LastConnections,
        Self::HandingOver,
        Self::Draining,
        Self::BadFile,
    ];

    fn sets(self) -> &'static [&'static str] {
        match self {
            Self::Usual | Self::Tls | Self::FullDisk | Self::Followed => &[],
            Self::Hurried => &["server.trusted_proxies=127.0.0.1/32"],
            Self::SpentAddress => {
                &["limits.rate.address.quota=1/h", "limits.rate.address.burst=60"]
            }
            Self::SpentCaller => &["limits.rate.caller.quota=1/h", "limits.rate.caller.burst=60"],
            Self::SpentLogin => &["limits.rate.login.quota=1/h", "limits.rate.login.burst=30"],
            Self::Locked => &["auth.login.hard_limit=2"],
            Self::LastConnections => &["limits.connections.total=20"],
            Self::HandingOver | Self::Draining => &["lifecycle.drain=60s"],
            Self::Impatient | Self::BadFile => &[],
        }
    }

    /// Whether somebody new is served after a provocation.
    pub(super) fn stays(self) -> bool {
        self != Self::Draining
    }
}

pub(super) struct World {
    pub(super) place: Place,
    pub(super) home: Home,
    pub(super) server: Server,
    pub(super) authority: Option<Authority>,
    pub(super) admin: String,
    pub(super) user: String,
    /// Of a session that was ended.
    pub(super) ended: String,
    /// Of an account that was disabled.
    pub(super) disabled: String,
    /// An API key that may do next to nothing.
    pub(super) key: String,
    /// Connections that keep the server as it is.
    held: Vec<Client>,
}

impl World {
    pub(super) fn new(place: Place) -> Self {
        let home = Home::new();
        let file = home.write("gabion.toml", "# nothing\n");
        let authority = (place == Place::Tls).then(Authority::new);
        let mut sets = vec![
            "demo.enabled=true",
            "log.level=debug",
            "limits.size.body=1MiB",
            "server.allowed_hosts=localhost",
        ];
        sets.extend(place.sets());
        if let Some(authority) = &authority {
            sets.extend(authority.settings(&home, "localhost"));
        }
        let command = home.command(&["serve", "--print-ready", "--config", &file], &sets);
        let server = Server::start(without_file_signal(&command), &home.path(""));
        let server = server.unwrap_or_else(|failed| panic!("{failed:?}"));
        let none = String::new;
        let mut world = Self {
            place,
            home,
            server,
            authority,
            admin: none(),
            user: none(),
            ended: none(),
            disabled: none(),
            key: none(),
            held: Vec::new(),
        };
        world.settle();
        world.spoil();
        world
    }

    pub(super) fn to(&self) -> To<'_> {
        To { address: self.server.address(), authority: self.authority.as_ref() }
    }

    /// A request that goes well.
    #[track_caller]
    pub(super) fn good(&self, request: &Request, status: u16) -> serde_json::Value {
        let answer = self.to().send(Over::Http1, Way::Whole, request).expect("an answer");
        let answer = answer.expect(status);
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    fn login(&self, username: &str) -> String {
        let body = json!({"username": username, "password": PASSWORD});
        let login = Request::post("/api/auth/login").json(&body);
        let token = self.good(&login, 200)["access_token"].as_str().map(str::to_owned);
        token.expect("a token")
    }

    fn add(&self, username: &str) -> String {
        let body = json!({"username": username, "password": PASSWORD, "roles": ["user"]});
        self.good(&Request::post("/api/admin/users").bearer(&self.admin).json(&body), 201);
        self.login(username)
    }

    /// Makes everybody who is needed.
    fn settle(&mut self) {
        self.admin = self.login("admin");
        self.user = self.add("walker");
        self.ended = self.login("walker");
        self.good(&Request::post("/api/auth/logout").bearer(&self.ended), 204);
        self.disabled = self.add("gone");
        let off = Request::new("PATCH", "/api/admin/users/gone").json(&json!({"enabled": false}));
        self.good(&off.bearer(&self.admin), 200);
        let body = json!({"name": "a machine", "username": "admin", "scopes": ["demo"]});
        let key = Request::post("/api/admin/api-keys").bearer(&self.admin).json(&body);
        self.key = self.good(&key, 201)["secret"].as_str().expect("a secret").to_owned();
    }

    /// Makes the server what it is meant to be like.
    fn spoil(&mut self) {
        match self.place {
            Place::Usual | Place::Tls => {}
            // Only now: whoever is made before may need longer.
            Place::Hurried => self.reload("request = \"500ms\""),
            Place::Impatient => self.reload("head = \"500ms\"\nbody_grace = \"300ms\""),
            Place::SpentAddress => self.send_until(&Request::get("/api/health"), 429),
            Place::SpentCaller => {
                self.send_until(&Request::get("/api/auth/verify").bearer(&self.user), 429);
            }
            Place::SpentLogin => {
                let body = json!({"refresh_token": "none"});
                self.send_until(&Request::post("/api/auth/refresh").json(&body), 429);
            }
            Place::Locked => self.send_until(&wrong("walker"), 429),
            // What is there already is longer than that.
            Place::FullDisk => self.disk(Some(100)),
            Place::Followed => {
                let events = Request::get("/api/admin/events").bearer(&self.admin);
                loop {
                    let mut client = self.server.client();
                    client.raw(&events.bytes());
                    let status = client.read_head().expect("a head").status;
                    if status != 200 {
                        break;
                    }
                    self.held.push(client);
                }
            }
            Place::LastConnections => {
                // Ten of the twenty; those that have just been closed may still be counted.
                while self.held.len() < 12 {
                    let mut client = self.server.client();
                    client.send(&Request::get("/livez")).expect(200);
                    self.held.push(client);
                }
            }
            Place::HandingOver => {
                let mut client = self.server.client();
                client.send(&Request::get("/livez")).expect(200);
                self.held.push(client);
                self.good(&Request::post("/api/restart").bearer(&self.admin), 202);
                until("the second generation serves", || {
                    (self.server.status(&self.admin)["generation"] == 2).then_some(())
                });
            }
            Place::Draining => {
                self.server.signal(Signal::TERM);
                self.server.wait_for_log(&["\"message\":\"draining\""]);
            }
            Place::BadFile => {
                let text = "[limits.size]\nhead = \"x\"\nbodi = 1\n";
                self.home.write("gabion.toml", text);
            }
        }
    }

    /// From now on no file of the server can be written beyond so many bytes.
    pub(super) fn disk(&self, bytes: Option<u64>) {
        let pid = i32::try_from(self.server.pid()).ok().and_then(Pid::from_raw);
        let limit = Rlimit { current: bytes, ..getrlimit(Resource::Fsize) };
        prlimit(pid, Resource::Fsize, limit).expect("a limit can be changed");
    }

    /// Changes limits of time.
    fn reload(&self, times: &str) {
        self.home.write("gabion.toml", format!("[limits.time]\n{times}\n"));
        self.good(&Request::post("/api/admin/config/reload").bearer(&self.admin), 200);
    }

    fn send_until(&self, request: &Request, status: u16) {
        until("it has had enough", || (self.server.send(request).status == status).then_some(()));
    }

    /// Ends the server, and tells everything that it has logged.
    pub(super) fn log(mut self) -> String {
        self.held.clear();
        if self.place != Place::Draining {
            self.server.signal(Signal::TERM);
        }
        if self.place != Place::HandingOver {
            self.server.ended();
        }
        // In a hand-over it goes at once, since it is draining already; its successor has the same log.
        let last = ["\"message\":\"drained\"", "\"message\":\"stopped with connections open\""];
        until("the log ends", || {
            Some(self.server.log()).filter(|log| last.iter().any(|last| log.contains(last)))
        })
    }
}

/// A login that fails.
fn wrong(username: &str) -> Request {
    let body = json!({"username": username, "password": "not the granite otter"});
    Request::post("/api/auth/login").json(&body)
}

/// The same, for a process whom a full disk is told by an error and not by a signal.
fn without_file_signal(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(command.get_program());
    shell.args(command.get_args()).env_clear().stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}
