//! The log from outside: what each request leaves in it, what nobody can put into it, and that no request
//! ever waits for it.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, ChildStderr, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    client::{Client, Request},
    server::{Home, PASSWORD, Server, Stopwatch, until},
};

/// The line of the request whose path is `path`.
#[track_caller]
fn access(server: &Server, path: &str) -> Value {
    let path = format!("\"path\":\"{path}\"");
    let line = server.wait_for_log(&["\"target\":\"gabion::access\"", &path]);
    serde_json::from_str(&line).expect("a line is JSON")
}

/// Without what is said to whoever starts the server, before the log begins.
fn lines(log: &str) -> impl Iterator<Item = &str> {
    let greeting = ["gabion listens on ", "  status page ", "  API ", "  readiness "];
    log.lines().filter(move |line| !greeting.iter().any(|own| line.starts_with(own)))
}

fn access_lines(log: &str) -> Vec<Value> {
    let lines = lines(log).map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines.filter(|line| line["target"] == "gabion::access").collect()
}

#[test]
fn each_request_has_one_line_with_who_what_and_how_it_ended() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = Request::get("/api/problems/not-found").header("X-Request-Id", "id-of-mine");
    let request = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let answer = server.send(&request).expect(200);
    let line = access(&server, "/api/problems/not-found");
    assert_eq!(line["level"], "INFO");
    assert_eq!((&line["request_id"], &line["trace_id"]), (&json!("id-of-mine"), &json!(trace)));
    assert_eq!((&line["method"], &line["status"]), (&json!("GET"), &json!(200)));
    assert_eq!(line["route"], "/api/problems/{code}");
    assert_eq!((&line["protocol"], &line["client"]), (&json!("HTTP/1.1"), &json!("127.0.0.1")));
    assert_eq!(line["bytes"], answer.body.len());
    assert!(line["duration_us"].is_u64(), "{line}");
    for nothing in ["subject", "code", "limit", "suppressed"] {
        assert_eq!(line.get(nothing), None, "{line}");
    }

    server.get("/api/auth/sessions", &admin).expect(200);
    let line = access(&server, "/api/auth/sessions");
    assert_eq!(line["subject"], "admin");
    server.send(&Request::get("/api/admin/users")).problem("unauthenticated");
    let line = access(&server, "/api/admin/users");
    assert_eq!((&line["status"], &line["code"]), (&json!(401), &json!("unauthenticated")));
    crate::http2::ask(server.address(), "/api/auth/verify", &admin);
    assert_eq!(access(&server, "/api/auth/verify")["protocol"], "HTTP/2");
    server.stop_and(|log| assert_eq!(access_lines(log).len(), 5, "{log}"));
}

#[test]
fn a_refusal_tells_which_limit_it_was_and_a_line_for_those_without() {
    let home = Home::new();
    let server = home.start(&["limits.rate.caller.quota=1/h", "limits.rate.caller.burst=3"]);
    let admin = server.admin();
    let mut client = server.client();
    let request = Request::get("/api/auth/verify").bearer(&admin);
    let (watch, mut refused) = (Stopwatch::start(), 0);
    until("a line tells of those before it", || {
        for _ in 0..50 {
            refused += u64::from(client.send(&request).status == 429);
        }
        server.log().contains("\"suppressed\":").then_some(())
    });
    let seconds = watch.elapsed().as_secs() + 2;
    drop(client);
    server.stop_and(|log| {
        let lines = access_lines(log);
        let told: Vec<_> = lines.iter().filter(|line| line["status"] == 429).collect();
        assert!(told.len() as u64 <= seconds * 10, "{} in {seconds} s", told.len());
        for line in &told {
            assert_eq!((&line["code"], &line["limit"]), (&json!("rate-limited"), &json!("caller")));
            assert_eq!((&line["subject"], &line["level"]), (&json!("admin"), &json!("INFO")));
        }
        let suppressed: u64 = told.iter().filter_map(|line| line["suppressed"].as_u64()).sum();
        assert!(suppressed > 0 && told.len() as u64 + suppressed <= refused, "{suppressed}");
    });
}

#[test]
fn a_client_that_leaves_has_a_line_too() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    let mut client = server.client();
    client.raw(&Request::get("/api/demo/work?io_ms=60000").bearer(&admin).bytes());
    until("it is at work", || {
        (server.status(&admin)["admission"]["in_flight"].as_u64() >= Some(2)).then_some(())
    });
    drop(client);
    let line = access(&server, "/api/demo/work");
    assert_eq!((&line["status"], &line["route"]), (&json!(499), &json!("/api/demo/work")));
}

/// What a line of the log may not have raw.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Text that would like to be another line, or to drive a terminal.
const HOSTILE: [&str; 9] = [
    "a\nINFO forged",
    "a\r\n{\"level\":\"INFO\",\"message\":\"forged\"}",
    "\u{1b}[2J\u{1b}]0;forged\u{7}",
    "\u{7f}\u{80}\u{85}\u{9b}31m\u{9f}",
    "\u{202e}drow\u{2066}\u{2069}\u{61c}\u{200e}",
    "\u{2028}\u{2029}\u{feff}\u{200b}",
    "\"}\\u0000\\\",\"x\":\"",
    "{}{{}}{0}%s%n${jndi:ldap://x}",
    "\u{0}\u{1}\u{8}\u{c}\u{1f}",
];

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn say_everything_hostile(server: &Server) {
    let admin = server.admin();
    for text in HOSTILE {
        server.send(&Request::get(format!("/{}", percent(text))));
        server.send(&Request::get(format!("/api/problems/{}", percent(text))));
        let delete = Request::new("DELETE", format!("/api/auth/sessions/{}", percent(text)));
        server.send(&delete.bearer(&admin));
        server.try_login(text, text).problem("invalid-credentials");
        let body = json!({"username": text, "password": PASSWORD, "roles": [text]});
        server.post("/api/admin/users", &admin, &body);
        let body = json!({text: text, "username": {text: text}});
        server.send(&Request::post("/api/auth/login").json(&body));
        server.post("/api/admin/config/reload", &admin, &json!({"confirm": text}));
        // As they are, wherever bytes may be.
        let raw: Vec<u8> = text.bytes().filter(|byte| !b"\r\n\0 ".contains(byte)).collect();
        for head in [
            [b"GET /", raw.as_slice(), b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat(),
            [b"GET /x?", raw.as_slice(), b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat(),
            [raw.as_slice(), b" / HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat(),
            [b"GET / HTTP/1.1\r\nHost: ", raw.as_slice(), b"\r\n\r\n"].concat(),
            [b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: ", &*raw, b"\r\n\r\n"].concat(),
            [b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: ", &*raw, b"\r\n\r\n"].concat(),
            [b"GET / HTTP/1.1\r\nHost: localhost\r\nForwarded: for=", &*raw, b"\r\n\r\n"].concat(),
            [b"GET / HTTP/1.1\r\nHost: localhost\r\n", &*raw, b": x\r\n\r\n"].concat(),
        ] {
            let mut client = server.client();
            client.raw(&head);
            client.finish().expect("the sending side can be closed");
            let _ = client.read(false);
        }
    }
    server.get("/api/admin/audit", &admin).expect(200);
    server.get(&format!("/{}", "long/".repeat(1500)), &admin).expect(404);
}

#[test]
fn nobody_forges_a_line_or_drives_a_terminal() {
    for (format, is_line) in [
        (
            "json",
            (|line| serde_json::from_str::<Value>(line).is_ok_and(|it| it.is_object()))
                as fn(&str) -> bool,
        ),
        ("pretty", |line| {
            let mut words = line.split_whitespace();
            is_timestamp(words.next().unwrap_or_default())
                && ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&words.next().unwrap_or(""))
        }),
    ] {
        let home = Home::new();
        let server = home.start(&["log.level=trace", &format!("log.format={format}")]);
        say_everything_hostile(&server);
        server.stop_and(|log| {
            assert!(log.contains("long/long") && log.contains("forged"), "it has them");
            for line in lines(log) {
                assert!(!line.chars().any(is_dangerous), "{format}: {line:?}");
                assert!(is_line(line), "{format}: {line:?}");
                assert!(line.len() < 18 << 10, "{} bytes", line.len());
            }
            let longest = log.lines().filter(|line| line.contains("long/long")).map(str::len).max();
            assert!(longest < Some(2048), "{longest:?}");
        });
    }
}

/// RFC 3339 in UTC, to the microsecond.
fn is_timestamp(text: &str) -> bool {
    let shape = "0000-00-00T00:00:00.000000Z";
    let fits = |(own, wanted): (char, char)| match wanted {
        '0' => own.is_ascii_digit(),
        wanted => own == wanted,
    };
    text.len() == shape.len() && text.chars().zip(shape.chars()).all(fits)
}

#[test]
fn lines_are_json_unless_somebody_looks_and_times_are_utc() {
    for (format, is_json) in [("auto", true), ("json", true), ("pretty", false)] {
        let home = Home::new();
        let server = home.start(&[&format!("log.format={format}")]);
        server.send(&Request::get("/livez")).expect(200);
        let line = server.wait_for_log(&["gabion::access", "/livez"]);
        let time = match serde_json::from_str::<Value>(&line) {
            Ok(line) => line["timestamp"].as_str().expect("a time").to_owned(),
            Err(_) => line.split_whitespace().next().unwrap_or_default().to_owned(),
        };
        assert!(is_timestamp(&time), "{line}");
        assert_eq!(line.starts_with('{'), is_json, "{format}: {line}");
    }
}

#[test]
fn the_level_changes_while_it_runs() {
    let home = Home::new();
    home.write("gabion.toml", "[log]\nlevel = \"info\"\n");
    let server = home.start(&[]);
    let admin = server.admin();
    let levels = ["error", "debug", "warn", "trace", "info"];
    for level in levels {
        home.write("gabion.toml", format!("[log]\nlevel = \"{level}\"\n"));
        server.post("/api/admin/config/reload", &admin, &json!({})).expect(200);
        server.send(&Request::get(format!("/at-{level}"))).problem("not-found");
    }
    // The last is told, so what is to come of the others has come.
    access(&server, "/at-info");
    server.stop_and(|log| {
        let about = |level: &str, target: &str| {
            let (path, target) = (format!("/at-{level}"), format!("\"target\":\"{target}\""));
            log.lines().filter(|line| line.contains(&path) && line.contains(&target)).count()
        };
        let told = levels.map(|level| about(level, "gabion::access"));
        assert_eq!(told, [0, 1, 0, 1, 1], "{levels:?}");
        assert!(log.contains("\"level\":\"DEBUG\""));
    });
}

/// A server whose standard error is in the hands of the test.
struct Unread {
    process: Child,
    address: SocketAddr,
    stderr: Option<ChildStderr>,
}

impl Unread {
    fn start(home: &Home, sets: &[&str]) -> Self {
        let mut command = home.command(&["serve", "--print-ready"], sets);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program starts");
        let stderr = process.stderr.take();
        let mut line = String::new();
        let stdout = process.stdout.take().expect("the stream is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("ready http://").expect("it is ready");
        Self { address: address.parse().expect("an address"), process, stderr }
    }

    fn token(&self) -> String {
        let body = json!({"username": "admin", "password": PASSWORD});
        let request = Request::post("/api/auth/login").json(&body);
        let answer = Client::connect(self.address).send(&request).expect(200).json();
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    fn lost(&self, token: &str) -> u64 {
        let request = Request::get("/api/metrics").bearer(token);
        let metrics = Client::connect(self.address).send(&request).expect(200).text();
        let line = metrics.lines().find_map(|it| it.strip_prefix("gabion_log_lines_lost_total "));
        line.and_then(|value| value.parse().ok()).expect("a number")
    }

    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") << 10
    }

    fn stop(&mut self) -> Option<i32> {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a number"), Signal::TERM).expect("it is there");
        let ended = || self.process.try_wait().expect("the system tells of its processes");
        until("the server ends", ended).code()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The longest that one of a thousand requests took.
fn slowest(client: &mut Client, request: &Request) -> Duration {
    let times = (0..1000).map(|_| {
        let watch = Stopwatch::start();
        client.send(request).expect(404);
        watch.elapsed()
    });
    times.max().expect("a thousand")
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_request() {
    let home = Home::new();
    let mut server = Unread::start(&home, &["log.level=debug"]);
    let token = server.token();
    let mut client = Client::connect(server.address);
    let request = Request::get(format!("/{}", "filler/".repeat(150)));
    let fresh = slowest(&mut client, &request);
    // The pipe, what the writer holds, and what waits.
    until("lines are lost", || {
        slowest(&mut client, &request);
        (server.lost(&token) > 0).then_some(())
    });
    let (before, lost) = (server.resident(), server.lost(&token));
    let jammed = (0..3).map(|_| slowest(&mut client, &request)).min().expect("three");
    assert!(jammed < fresh * 4 + Duration::from_millis(250), "{jammed:?}, and before {fresh:?}");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more");
    assert!(server.lost(&token) >= lost + 3000, "each is counted");
    println!("slowest of 1000: {fresh:?}, with a log that nobody reads {jammed:?}; {grown} B more");

    // Somebody looks again.
    let mut stderr = server.stderr.take().expect("it is piped");
    let reading = std::thread::spawn(move || {
        let mut log = String::new();
        stderr.read_to_string(&mut log).expect("text");
        log
    });
    let before = server.lost(&token);
    client.send(&Request::get("/after")).expect(404);
    assert_eq!(server.stop(), Some(0));
    let log = reading.join().expect("it is read to its end");
    let lines = lines(&log).map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines.map(|line| line.expect("a whole line")).collect();
    let told = lines.iter().filter(|line| line["target"] == "gabion::log");
    let told: u64 = told.filter_map(|line| line["lost"].as_u64()).sum();
    assert!(told >= before, "{told} told, {before} lost");
    assert!(log.ends_with('\n'));
}

#[test]
fn a_log_that_is_closed_or_never_read_stops_no_server() {
    for closed in [true, false] {
        let home = Home::new();
        let mut server = Unread::start(&home, &["log.level=debug"]);
        let token = server.token();
        let stderr = server.stderr.take().filter(|_| !closed);
        let mut client = Client::connect(server.address);
        let request = Request::get(format!("/{}", "filler/".repeat(150)));
        // More than a pipe takes.
        slowest(&mut client, &request);
        if closed {
            until("lost lines are counted", || (server.lost(&token) > 500).then_some(()));
        }
        assert_eq!(server.stop(), Some(0));
        drop(stderr);
    }
}
