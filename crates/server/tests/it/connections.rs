//! Connections as such: their number, their age, and what they leave behind.

use std::{
    fs,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use rustix::{
    net::sockopt::set_socket_linger,
    process::{Pid, Resource, Rlimit, getrlimit, prlimit},
};
use rustls::version::TLS13;

use crate::{
    client::{Client, PATIENCE, Request},
    server::{Home, PASSWORD, Server, Stopwatch, Tokens, until},
    tls::Authority,
};

fn descriptors(server: &Server) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", server.pid()));
    open.expect("the process is there").count()
}

fn pid(server: &Server) -> Pid {
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    pid.expect("a process has a number")
}

/// The value of the counter of connections that met the limit `reason`.
fn closed(metrics: &str, reason: &str) -> Option<u64> {
    let begin = format!("gabion_connections_closed_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&begin))?.parse().ok()
}

/// Whether the answer of a probe is there.
fn answered(client: &mut Client) -> Option<()> {
    if client.rest(Duration::from_millis(1)).is_some() {
        panic!("the connection was closed");
    }
    client.read(false).ok().map(|response| drop(response.expect(200)))
}

#[test]
fn a_server_without_descriptors_serves_whom_it_has_and_recovers_within_a_second() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let livez = Request::get("/livez");
    let mut first = server.client();
    first.send(&livez).expect(200);
    let all = getrlimit(Resource::Nofile);
    let few = Rlimit { current: Some(descriptors(&server) as u64 + 8), ..all };
    prlimit(Some(pid(&server)), Resource::Nofile, few).expect("a limit can be lowered");
    let mut clients: Vec<Client> = (0..40).map(|_| server.client()).collect();
    for client in &mut clients {
        client.raw(&livez.bytes());
    }
    let mut served = Vec::new();
    // Those that are accepted are answered; the others wait in the kernel.
    until("there are no descriptors", || {
        let mut left = Vec::new();
        for mut client in clients.drain(..) {
            match answered(&mut client) {
                Some(()) => served.push(client),
                None => left.push(client),
            }
        }
        clients = left;
        first.send(&livez).expect(200);
        let metrics = first.send(&Request::get("/api/metrics").bearer(&admin)).expect(200).text();
        let exhausted = "gabion_accept_errors_total{cause=\"exhausted\"} ";
        let count = metrics.lines().find_map(|line| line.strip_prefix(exhausted))?;
        (count.parse::<u64>().ok()? > 3 && !served.is_empty()).then_some(())
    });
    assert!(clients.len() >= 30, "{} wait", clients.len());
    let waited = Stopwatch::start();
    served.clear();
    for client in clients.iter_mut().take(4) {
        until("it is served", || answered(client));
    }
    assert!(waited.elapsed() < Duration::from_secs(1), "{:?}", waited.elapsed());
    prlimit(Some(pid(&server)), Resource::Nofile, all).expect("a limit can be raised again");
    let waited = Stopwatch::start();
    for client in clients.iter_mut().skip(4) {
        until("it is served", || answered(client));
    }
    assert!(waited.elapsed() < Duration::from_secs(1), "{:?}", waited.elapsed());
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let home = Home::new();
    let server = home.start(&[]);
    server.send(&Request::get("/livez")).expect(200);
    let churn = |each: usize| {
        thread::scope(|scope| {
            for part in 0..4 {
                let address = server.address();
                scope.spawn(move || {
                    for number in 0..each {
                        let stream = TcpStream::connect(address).expect("a connection");
                        // Half of them are reset. They leave the client no port in TIME_WAIT either.
                        if (number + part) % 2 == 0 {
                            set_socket_linger(&stream, Some(Duration::ZERO)).expect("an option");
                        }
                    }
                });
            }
        });
    };
    let idle = descriptors(&server);
    churn(250);
    let all_gone = |most: usize| {
        until("they are gone", || {
            let open = descriptors(&server);
            (open <= most).then_some(open)
        })
    };
    all_gone(idle);
    let before = server.resident();
    churn(2500);
    all_gone(idle);
    let grown = server.resident().saturating_sub(before);
    println!("10 000 connections: {} KiB more", grown / 1024);
    assert!(grown < 4 << 20, "{grown} bytes more");
    server.send(&Request::get("/livez")).expect(200);
}

#[test]
fn idle_connections_cost_little_and_give_it_back() {
    const COUNT: usize = 800;
    let home = Home::new();
    let server = home.start(&[]);
    let livez = Request::get("/livez");
    for _ in 0..50 {
        server.send(&livez).expect(200);
    }
    let before = server.resident();
    let each = |resident: u64| resident.saturating_sub(before) / COUNT as u64;
    let mut clients: Vec<Client> = (0..COUNT).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(&livez).expect(200);
    }
    println!("{} bytes per connection at work", each(server.resident()));
    let resting = until("they rest", || Some(each(server.resident())).filter(|each| *each < 5000));
    println!("{resting} bytes per connection at rest");
    for client in &mut clients {
        client.send(&livez).expect(200);
    }
    drop(clients);
    let left = until("they are gone", || Some(each(server.resident())).filter(|each| *each < 2500));
    println!("{left} bytes per connection left");
}

#[test]
fn sixteen_places_are_for_probes() {
    let home = Home::new();
    let server = home.start(&["limits.connections.total=40"]);
    let (livez, health) = (Request::get("/livez"), Request::get("/api/health"));
    let mut clients: Vec<Client> = (0..24).map(|_| server.client()).collect();
    for client in &mut clients {
        assert!(!client.send(&livez).expect(200).closes());
        assert!(!client.send(&health).expect(200).closes());
    }
    // Nobody keeps one of the rest for more than an answer.
    for _ in 0..20 {
        let mut probe = server.client();
        assert!(probe.send(&livez).expect(200).closes());
        assert_eq!(probe.rest(PATIENCE), Some(Vec::new()));
        let refused = server.client().send(&health);
        refused.problem("overloaded");
        assert!(refused.closes());
    }
}

/// Whether somebody new is answered.
fn lives(client: io::Result<Client>) -> Option<()> {
    let answer = client.ok()?.try_send(&Request::get("/livez")).ok()?;
    (answer.status == 200).then_some(())
}

#[test]
fn silent_connections_keep_no_probe_out() {
    let (home, other, ca) = (Home::new(), Home::new(), Authority::new());
    let sets = ca.settings(&other, "localhost");
    let total = "limits.connections.total=40";
    let (plain, secure) = (home.start(&[total]), other.start(&[&sets[..], &[total]].concat()));
    let config = ca.config(&[&TLS13], &["http/1.1"]);
    let mut silent = Vec::new();
    // Those that are closed come again.
    for turn in 0..3 {
        for server in [&plain, &secure] {
            silent.extend((0..60).map(|_| server.client()));
        }
        let waited = Stopwatch::start();
        until("a probe gets through", || lives(Client::try_connect(plain.address())));
        until("a probe gets through TLS", || {
            lives(ca.dial(secure.address(), &config).map(Client::over))
        });
        assert!(waited.elapsed() < Duration::from_secs(3), "{turn}: {:?}", waited.elapsed());
    }
}

#[test]
fn the_admin_address_has_places_of_its_own() {
    let home = Home::new();
    let sets = ["limits.connections.total=40", "server.admin_listen=127.0.0.1:0"];
    let server = home.start(&sets);
    let page = server.wait_for_log(&["status page"]);
    let admin = page.trim().rsplit("http://").next().and_then(|rest| rest.strip_suffix('/'));
    let admin: SocketAddr = admin.and_then(|admin| admin.parse().ok()).expect("an address");
    let login = serde_json::json!({"username": "admin", "password": PASSWORD});
    let login = Client::connect(admin).send(&Request::post("/api/auth/login").json(&login));
    let token = Tokens::of(&login.expect(200)).access;
    let silent: Vec<Client> = (0..60).map(|_| server.client()).collect();
    until("all places are taken", || {
        // Those beyond the total are closed at once.
        let mut beyond = server.client();
        beyond.rest(Duration::from_millis(50)).map(drop)
    });
    for target in ["/livez", "/api/admin/status"] {
        let mut operator = Client::connect(admin);
        let status = operator.send(&Request::get(target).bearer(&token)).expect(200);
        assert!(!status.closes(), "{target}");
    }
    drop(silent);
    // Its own have the same bound.
    let mut there = Vec::new();
    let full = (0..40).any(|_| {
        let mut client = Client::connect(admin);
        let closes = client.send(&Request::get("/livez")).expect(200).closes();
        there.push(client);
        closes
    });
    assert!(full && there.len() <= 25, "{full} {}", there.len());
}

#[test]
fn a_connection_ends_with_the_last_answer_that_it_may_carry() {
    let home = Home::new();
    let server = home.start(&["limits.connections.requests=3"]);
    let admin = server.admin();
    let mut client = server.client();
    let livez = Request::get("/livez");
    for _ in 0..2 {
        assert!(!client.send(&livez).expect(200).closes());
    }
    assert!(client.send(&livez).expect(200).closes());
    assert_eq!(client.rest(PATIENCE), Some(Vec::new()));
    // Requests that were sent before the answer are left to another connection.
    let mut client = server.client();
    client.raw(&livez.bytes().repeat(5));
    let answers = client.rest(PATIENCE).expect("the connection is closed");
    let answers = String::from_utf8(answers).expect("text");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(closed(&server.metrics(&admin), "requests"), Some(2));
}

#[test]
fn an_old_connection_ends_with_its_next_answer() {
    let home = Home::new();
    let server = home.start(&["limits.time.connection=400ms"]);
    let admin = server.admin();
    let mut client = server.client();
    let livez = Request::get("/livez");
    until("it is old", || client.send(&livez).expect(200).closes().then_some(()));
    assert_eq!(client.rest(PATIENCE), Some(Vec::new()));
    assert!(closed(&server.metrics(&admin), "age") >= Some(1));
}

#[test]
fn every_limit_of_time_has_a_counter_and_is_counted_once() {
    let home = Home::new();
    let server = home.start(&[
        "demo.enabled=true",
        "limits.time.head=300ms",
        "limits.time.idle=300ms",
        "limits.time.body_grace=300ms",
        "limits.time.write_stall=300ms",
        "limits.time.request=300ms",
    ]);
    let admin = server.admin();
    for reason in ["handshake", "head", "body", "write", "idle", "age", "requests"] {
        assert!(closed(&server.metrics(&admin), reason).is_some(), "{reason}");
    }
    let mut head = server.client();
    head.raw(b"GET /livez HTT");
    let mut body = server.client();
    body.raw(
        &Request::post("/api/demo/upload").bearer(&admin).header("Content-Length", "9").head(),
    );
    let mut idle = server.client();
    idle.send(&Request::get("/livez")).expect(200);
    for (mut client, reason) in [(head, "head"), (body, "body"), (idle, "idle")] {
        assert!(client.rest(PATIENCE).is_some(), "{reason}");
        assert_eq!(closed(&server.metrics(&admin), reason), Some(1), "{reason}");
    }
    // More than any buffer on the way holds, and nobody takes it.
    let mut write = server.client();
    write.raw(&Request::get("/api/openapi.json").bytes().repeat(500));
    until("nothing is taken for too long", || {
        (closed(&server.metrics(&admin), "write")? > 0).then_some(())
    });
    server.get("/api/demo/work?io_ms=30000", &admin).problem("deadline-exceeded");
    let metrics = server.metrics(&admin);
    for (reason, count) in [("head", 1), ("body", 1), ("write", 1), ("idle", 1), ("age", 0)] {
        assert_eq!(closed(&metrics, reason), Some(count), "{reason}");
    }
    let late = metrics.lines().filter(|line| line.contains("status_code=\"504\""));
    let late: Vec<&str> = late.filter(|line| line.contains("_count")).collect();
    assert!(matches!(late[..], [line] if line.ends_with(" 1")), "{late:?}");
}

/// Sends `head`, then `body` again and again for 10 MiB, then a request that nobody may see.
fn answers_to_unread(server: &Server, head: &str, body: &[u8]) -> String {
    let mut client = server.client();
    let mut sent = client.try_raw(head.as_bytes());
    for _ in 0..10 * 1024 * 1024 / body.len() {
        sent = sent.and_then(|()| client.try_raw(body));
    }
    let sent = sent.and_then(|()| client.try_raw(&Request::get("/livez").bytes()));
    if let Err(error) = sent {
        assert!(
            matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
            "{error}"
        );
    }
    let rest = client.rest(PATIENCE).expect("the connection is closed");
    String::from_utf8(rest).expect("text")
}

// RFC 9112 s9.3
#[test]
fn a_body_that_nobody_reads_is_never_taken_for_a_request() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let length = 10 * 1024 * 1024;
    // It looks like requests, whole and in pieces of 16 KiB.
    let mut body = Request::get("/livez").bytes().repeat(16 * 1024);
    body.truncate(16 * 1024);
    let mut chunk = b"4000\r\n".to_vec();
    chunk.extend(&body);
    chunk.extend(b"\r\n");
    // What has no length is refused for something else, if it is refused before it is read.
    for (target, status, unknown) in
        [("/none", 413, 404), ("/api/demo/upload", 401, 401), ("/api/auth/login", 413, 413)]
    {
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n");
        let whole = format!("{head}Content-Length: {length}\r\n\r\n");
        let pieces = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        let answers = answers_to_unread(&server, &whole, &body);
        assert!(answers.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{target}: {answers}");
        let answers = answers_to_unread(&server, &pieces, &chunk);
        assert!(answers.starts_with(&format!("HTTP/1.1 {unknown} ")), "{target}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{target}: {answers}");
    }
    // One that is there already is passed over.
    let mut client = server.client();
    let small = Request::post("/none").body(&body[..200]).bytes();
    client.raw(&[small, Request::get("/livez").bytes()].concat());
    assert_eq!(client.read(false).expect("an answer").status, 404);
    assert_eq!(client.read(false).expect("an answer").status, 200);
}
