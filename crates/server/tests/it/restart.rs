//! A restart that nobody notices, and a stop that finishes what it began.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::ExitStatusExt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::json;

use crate::{
    client::{Client, PATIENCE, Request},
    server::{Home, PASSWORD, Server, Stopwatch, until},
};

fn restart(server: &Server, admin: &str) -> u64 {
    let answer = server.send(&Request::post("/api/restart").bearer(admin)).expect(202).json();
    answer["generation"].as_u64().expect("a generation")
}

/// Waits until new connections are served by `generation`.
fn until_generation(server: &Server, admin: &str, generation: u64) {
    until(&format!("generation {generation} serves"), || {
        (server.status(admin)["generation"] == generation).then_some(())
    });
}

/// One client's load: how many requests were served, and what went wrong.
fn load(
    address: SocketAddr,
    request: &Request,
    keep: bool,
    done: &AtomicBool,
    served: &AtomicU64,
) -> Vec<String> {
    let mut failures = Vec::new();
    let mut open: Option<Client> = None;
    while !done.load(Ordering::Relaxed) {
        let sent =
            open.take().map_or_else(|| Client::try_connect(address), Ok).and_then(|mut client| {
                let response = client.try_send(request)?;
                Ok((client, response))
            });
        match sent {
            Ok((client, response)) => {
                if response.status == 200 {
                    served.fetch_add(1, Ordering::Relaxed);
                } else {
                    failures.push(format!("{} {}", response.status, response.text()));
                }
                open = (keep && !response.closes()).then_some(client);
            }
            Err(error) => failures.push(format!("kept {keep}: {error}")),
        }
    }
    failures
}

#[test]
fn a_restart_under_load_fails_no_request() {
    let home = Home::new();
    let mut server = home.start(&["log.level=warn"]);
    let admin = server.admin();
    let request = Request::get("/api/auth/verify").bearer(&admin);
    let (done, served) = (AtomicBool::new(false), AtomicU64::new(0));
    let address = server.address();
    let failures: Vec<String> = thread::scope(|scope| {
        let clients = [true, true, false, false].map(|keep| {
            let (request, done, served) = (&request, &done, &served);
            scope.spawn(move || load(address, request, keep, done, served))
        });
        let after = |count: u64| {
            let begun = served.load(Ordering::Relaxed);
            until("requests are served", || {
                (served.load(Ordering::Relaxed) >= begun + count).then_some(())
            });
        };
        after(200);
        assert_eq!(restart(&server, &admin), 2);
        until_generation(&server, &admin, 2);
        let status = server.ended();
        assert_eq!(status.code(), Some(0), "{}", server.log());
        after(200);
        // The line goes on.
        until("the predecessor is known to be gone", || {
            let again = server.send(&Request::post("/api/restart").bearer(&admin));
            (again.status == 202).then_some(())
        });
        until_generation(&server, &admin, 3);
        after(200);
        done.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("a client ends")).collect()
    });
    println!("{} requests over two restarts", served.load(Ordering::Relaxed));
    assert!(
        failures.is_empty(),
        "{} failed: {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
    until("the restart is told as completed", || {
        (server.status(&admin)["last_restart"]["outcome"] == "completed").then_some(())
    });
}

#[test]
fn while_two_processes_run_each_knows_what_the_other_ended() {
    let home = Home::new();
    let server = home.start(&["lifecycle.drain=60s"]);
    let admin = server.admin();
    let [by_old, by_new] = [(); 2].map(|()| server.login("admin", PASSWORD).access);
    let ann = server.add(&admin, "ann", &["monitor"]).access;
    let mut old = [(); 6].map(|()| server.client());
    for client in &mut old {
        client.send(&Request::get("/livez")).expect(200);
    }
    restart(&server, &admin);
    until_generation(&server, &admin, 2);
    // Both have seen the tokens, so that both could remember them.
    for token in [&by_old, &by_new, &ann] {
        assert!(server.accepts(token));
    }
    let [logout, refused, verify, patch, metrics, again] = &mut old;
    let request = |method: &str, path: &str, token: &str| Request::new(method, path).bearer(token);

    let answer = logout.send(&request("POST", "/api/auth/logout", &by_old)).expect(204);
    assert!(answer.closes(), "the old process does not drain");
    assert!(!server.accepts(&by_old), "the new process does not know of the logout");

    server.send(&request("POST", "/api/auth/logout", &by_new)).expect(204);
    let answer = verify.send(&request("GET", "/api/auth/verify", &by_new));
    answer.problem("unauthenticated");

    let roles = request("PATCH", "/api/admin/users/ann", &admin).json(&json!({"roles": ["user"]}));
    patch.send(&roles).expect(200);
    server.get("/api/metrics", &ann).problem("forbidden");
    let roles =
        request("PATCH", "/api/admin/users/ann", &admin).json(&json!({"roles": ["monitor"]}));
    server.send(&roles).expect(200);
    metrics.send(&request("GET", "/api/metrics", &ann)).expect(200);

    // Neither begins another restart meanwhile.
    refused.send(&request("POST", "/api/restart", &admin)).problem("conflict");
    server.send(&request("POST", "/api/restart", &admin)).problem("conflict");
    again.send(&Request::get("/livez")).expect(200);
}

#[test]
fn a_logout_at_the_old_process_holds_after_it_has_gone() {
    let home = Home::new();
    let mut server = home.start(&[]);
    let admin = server.admin();
    let leaving = server.login("admin", PASSWORD);
    let mut old = server.client();
    old.send(&Request::get("/livez")).expect(200);
    restart(&server, &admin);
    until_generation(&server, &admin, 2);
    assert!(server.accepts(&leaving.access));
    old.send(&Request::post("/api/auth/logout").bearer(&leaving.access)).expect(204);
    drop(old);
    assert_eq!(server.ended().code(), Some(0));
    until("the new process is alone", || {
        (server.status(&admin)["last_restart"]["outcome"] == "completed").then_some(())
    });
    assert!(!server.accepts(&leaving.access));
    server.refresh(&leaving.refresh).problem("unauthenticated");
}

#[test]
fn a_second_restart_waits_for_the_first() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    restart(&server, &admin);
    let again = server.send(&Request::post("/api/restart").bearer(&admin));
    // By now either process may answer; for both there is one under way.
    again.problem("conflict");
}

#[test]
fn a_restart_with_a_mistake_in_the_configuration_is_refused() {
    let home = Home::new();
    let file = home.write("gabion.toml", "");
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &[]);
    let admin = server.admin();
    home.write("gabion.toml", "[limits.size]\nhead = \"x\"\nbodi = 1\n");
    let refused = server.send(&Request::post("/api/restart").bearer(&admin));
    assert_eq!(refused.faults(), ["/limits/size/bodi config", "/limits/size/head config"]);
    assert_eq!(server.status(&admin)["generation"], 1);
    assert_eq!(server.processes(), [server.pid()]);
    home.write("gabion.toml", "[cache]\nentries = 5\n");
    assert_eq!(restart(&server, &admin), 2);
    until_generation(&server, &admin, 2);
}

#[test]
fn a_new_process_that_cannot_start_is_undone_and_the_old_one_goes_on() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (address, taken)).expect("its address");
    let home = Home::new();
    let file = home.write("gabion.toml", "");
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &[]);
    let admin = server.admin();
    home.write("gabion.toml", format!("[server]\nadmin_listen = \"{}\"\n", taken.0));
    assert_eq!(restart(&server, &admin), 2);
    let last = until("it is undone", || {
        let last = server.status(&admin)["last_restart"].clone();
        (last["outcome"] == "undone").then_some(last)
    });
    let detail = last["detail"].as_str().expect("a reason");
    assert!(detail.contains(&taken.0.to_string()), "{detail}");
    assert_eq!(server.status(&admin)["generation"], 1);
    assert_eq!(server.processes(), [server.pid()]);
    let metrics = server.metrics(&admin);
    assert!(metrics.contains("gabion_restarts_total{outcome=\"undone\"} 1"), "{metrics}");
    // Once the reason is gone it works.
    drop(taken);
    assert_eq!(restart(&server, &admin), 2);
    until("the second generation serves", || {
        // It has moved its administration away.
        (server.get("/api/admin/status", &admin).status == 404).then_some(())
    });
}

/// A connection with a request under way that takes `millis`.
fn under_way(server: &Server, admin: &str, millis: u64) -> Client {
    let mut client = server.client();
    let target = format!("/api/demo/work?io_ms={millis}");
    client.raw(&Request::get(target).bearer(admin).bytes());
    until("the request is under way", || {
        let in_flight = server.status(admin)["admission"]["in_flight"].as_u64()?;
        (in_flight >= 2).then_some(())
    });
    client
}

#[test]
fn a_stop_finishes_what_is_under_way_and_is_not_ready_any_more() {
    let home = Home::new();
    let mut server = home.start(&["demo.enabled=true", "lifecycle.drain=60s"]);
    let admin = server.admin();
    let mut idle = server.client();
    idle.send(&Request::get("/readyz")).expect(200);
    let mut client = under_way(&server, &admin, 1500);
    server.signal(Signal::TERM);
    server.wait_for_log(&["\"message\":\"draining\""]);
    let answer = idle.send(&Request::get("/readyz"));
    answer.problem("draining");
    assert!(answer.closes());
    let answer = client.read(false).expect("the request is finished").expect(200);
    assert!(answer.closes());
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
    assert!(Client::try_connect(server.address()).is_err());
}

#[test]
fn while_draining_a_request_on_an_open_connection_is_served() {
    let home = Home::new();
    let mut server = home.start(&["lifecycle.drain=60s"]);
    let admin = server.admin();
    let mut clients = [(); 2].map(|()| server.client());
    for client in &mut clients {
        client.send(&Request::get("/livez")).expect(200);
    }
    server.signal(Signal::TERM);
    server.wait_for_log(&["\"message\":\"draining\""]);
    for client in &mut clients {
        let answer = client.send(&Request::get("/api/auth/verify").bearer(&admin)).expect(200);
        assert!(answer.closes());
        assert_eq!(client.rest(PATIENCE), Some(Vec::new()));
    }
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn whoever_connects_right_after_a_stop_is_served_and_sees_it() {
    let home = Home::new();
    let mut server = home.start(&["lifecycle.drain=60s"]);
    // Nothing is open, and still a balancer gets a moment to look away.
    server.signal(Signal::TERM);
    server.wait_for_log(&["\"message\":\"draining\""]);
    let answer = server.send(&Request::get("/readyz"));
    answer.problem("draining");
    server.send(&Request::get("/api/health")).expect(200);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn nobody_waits_for_a_server_that_accepts_no_more() {
    let home = Home::new();
    let mut server =
        home.start(&["demo.enabled=true", "lifecycle.drain=60s", "limits.time.request=60s"]);
    let admin = server.admin();
    let client = under_way(&server, &admin, 60_000);
    server.signal(Signal::TERM);
    // The system refuses; a connection in its queue would be one that nobody serves.
    until("connections are refused", || TcpStream::connect(server.address()).err());
    server.signal(Signal::TERM);
    server.ended();
    drop(client);
}

#[test]
fn a_drain_ends_at_its_deadline() {
    let home = Home::new();
    let mut server =
        home.start(&["demo.enabled=true", "lifecycle.drain=1s", "limits.time.request=60s"]);
    let admin = server.admin();
    let client = under_way(&server, &admin, 60_000);
    let waited = Stopwatch::start();
    server.signal(Signal::TERM);
    server.ended();
    assert!(waited.elapsed() < Duration::from_secs(4), "{:?}", waited.elapsed());
    drop(client);
}

#[test]
fn a_second_signal_stops_at_once() {
    let home = Home::new();
    let mut server =
        home.start(&["demo.enabled=true", "lifecycle.drain=60s", "limits.time.request=60s"]);
    let admin = server.admin();
    let client = under_way(&server, &admin, 60_000);
    server.signal(Signal::TERM);
    server.wait_for_log(&["\"message\":\"draining\""]);
    let waited = Stopwatch::start();
    server.signal(Signal::TERM);
    let status = server.ended();
    assert!(waited.elapsed() < Duration::from_secs(3), "{:?}", waited.elapsed());
    assert_eq!(status.signal(), None);
    drop(client);
}

#[test]
fn an_interrupt_stops_as_well() {
    let home = Home::new();
    let mut server = home.start(&[]);
    server.signal(Signal::INT);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn events_end_when_the_server_drains() {
    let home = Home::new();
    let mut server = home.start(&["lifecycle.drain=60s"]);
    let admin = server.admin();
    let mut client = server.client();
    client.raw(&Request::get("/api/admin/events").bearer(&admin).bytes());
    client.read_head().expect("a head").expect(200);
    server.signal(Signal::TERM);
    until("the events end", || {
        client.read_chunk().expect("an event, or the end").is_empty().then_some(())
    });
    // It is idle now, and would be kept until the drain's end.
    drop(client);
    assert_eq!(server.ended().code(), Some(0));
}
