//! Expensive work in places of its own, and callers with little time.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    client::{Client, PATIENCE, Request},
    server::{Home, PASSWORD, Server, Stopwatch, Tokens, until},
};

/// A hash that takes a tenth of a second, and longer on a busy machine.
const SLOW: [&str; 2] = ["auth.password.memory=16MiB", "auth.password.passes=16"];

fn login() -> Request {
    let body = json!({"username": "admin", "password": PASSWORD});
    Request::post("/api/auth/login").json(&body)
}

/// What the status document tells of a bulkhead.
fn bulkhead(server: &Server, admin: &str, name: &str) -> Value {
    let status = server.status(admin);
    let all = status["limits"]["bulkheads"].as_array().expect("bulkheads").clone();
    all.into_iter().find(|bulkhead| bulkhead["name"] == name).expect("the bulkhead")
}

fn decisions(server: &Server, admin: &str, decision: &str) -> f64 {
    let series =
        format!("gabion_bulkhead_decisions_total{{bulkhead=\"login\",decision=\"{decision}\"}} ");
    let metrics = server.metrics(admin);
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{series} {metrics}"))
}

/// Errors of the last seconds, once everything that was answered so far is counted.
fn error_ratio(server: &Server, admin: &str) -> f64 {
    let rate = |status: &Value| status["traffic"]["requests_per_second"].as_f64();
    let before = rate(&server.status(admin));
    let status = until("what was answered is counted", || {
        Some(server.status(admin)).filter(|status| rate(status) > before)
    });
    status["traffic"]["error_ratio"].as_f64().expect("a ratio")
}

#[test]
fn a_flood_of_logins_takes_its_own_places_and_no_others() {
    // One more than fit, which is refused again and again.
    const CLIENTS: usize = 5;
    let home = Home::new();
    let [memory, passes] = SLOW;
    let places = ["limits.bulkhead.login.places=2", "limits.bulkhead.login.wait=1m"];
    let server = home.start(&[memory, passes, places[0], places[1]]);
    let Tokens { access: admin, refresh } = server.login("admin", PASSWORD);
    let (address, done) = (server.address(), AtomicBool::new(false));
    let answers: Vec<_> = thread::scope(|scope| {
        let log_in_again_and_again = || {
            let (mut client, mut answers) = (Client::connect(address), Vec::new());
            while !done.load(Ordering::Relaxed) {
                answers.push(client.send(&login()));
            }
            answers
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(log_in_again_and_again)).collect();
        until("two are inside and two wait", || {
            let logins = bulkhead(&server, &admin, "login");
            (logins["used"] == 2 && logins["waiting"] == 2).then_some(())
        });
        // Who is known goes on, also with the refresh token.
        server.get("/api/auth/verify", &admin).expect(200);
        server.refresh(&refresh).expect(200);
        until("somebody is refused and somebody has waited", || {
            let some = |decision| decisions(&server, &admin, decision) > 0.0;
            (some("full") && some("waited")).then_some(())
        });
        done.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("it ends")).collect()
    });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    for answer in &refused {
        answer.problem("overloaded");
    }
    assert_eq!(decisions(&server, &admin, "full"), refused.len() as f64);
    // One more than the flood: that of the beginning.
    let inside = decisions(&server, &admin, "admit") + decisions(&server, &admin, "waited");
    assert_eq!(inside, (answers.len() - refused.len() + 1) as f64);
    let logins = bulkhead(&server, &admin, "login");
    assert_eq!((&logins["used"], &logins["waiting"]), (&json!(0), &json!(0)));
}

#[test]
fn who_waits_too_long_for_a_place_is_refused() {
    let home = Home::new();
    let [memory, passes] = SLOW;
    let places = ["limits.bulkhead.login.places=1", "limits.bulkhead.login.wait=1ms"];
    let server = home.start(&[memory, passes, places[0], places[1]]);
    let admin = server.admin();
    let refused = until("two come at the same time", || {
        let [mut one, mut other] = [server.client(), server.client()];
        one.raw(&login().bytes());
        other.raw(&login().bytes());
        let answers = [one, other].map(|mut client| client.read(false).expect("an answer"));
        answers.into_iter().find(|answer| answer.status != 200)
    });
    refused.problem("overloaded");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(decisions(&server, &admin, "timeout"), 1.0);
    // A refusal is no failure of the server.
    assert_eq!(error_ratio(&server, &admin), 0.0);
}

#[test]
fn a_client_that_leaves_has_left_the_queue() {
    let home = Home::new();
    let [memory, passes] = SLOW;
    let places = ["limits.bulkhead.login.places=1", "limits.bulkhead.login.wait=1m"];
    let server = home.start(&[memory, passes, places[0], places[1]]);
    let admin = server.admin();
    until("somebody leaves who waits", || {
        let mut one = server.client();
        one.raw(&login().bytes());
        server.client().raw(&login().bytes());
        one.read(false).expect("an answer").expect(200);
        (decisions(&server, &admin, "left") > 0.0).then_some(())
    });
    server.send(&login()).expect(200);
    until("nobody is there", || {
        let logins = bulkhead(&server, &admin, "login");
        (logins["used"] == 0 && logins["waiting"] == 0).then_some(())
    });
}

#[test]
fn who_sends_a_login_slowly_holds_no_place() {
    let home = Home::new();
    let places = ["limits.bulkhead.login.places=1", "limits.bulkhead.login.wait=1ms"];
    let server = home.start(&places);
    let admin = server.admin();
    let mut slow: Vec<Client> = (0..10).map(|_| server.client()).collect();
    let whole = login().bytes();
    let (most, rest) = whole.split_at(whole.len() - 1);
    for client in &mut slow {
        client.raw(most);
    }
    until("all of them are there", || {
        (server.status(&admin)["admission"]["in_flight"].as_u64() > Some(10)).then_some(())
    });
    assert_eq!(bulkhead(&server, &admin, "login")["used"], 0);
    server.send(&login()).expect(200);
    for mut client in slow {
        client.raw(rest);
        client.read(false).expect("an answer").expect(200);
    }
}

#[test]
fn more_places_are_there_as_soon_as_they_are_configured() {
    let home = Home::new();
    let places = |places: u32| format!("[limits.bulkhead.export]\nplaces = {places}\n");
    let file = home.write("gabion.toml", places(3));
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &[]);
    let admin = server.admin();
    assert_eq!(bulkhead(&server, &admin, "export")["places"], 3);
    home.write("gabion.toml", places(5));
    until("there are five", || (bulkhead(&server, &admin, "export")["places"] == 5).then_some(()));
}

#[test]
fn the_api_document_tells_which_work_is_expensive() {
    let home = Home::new();
    let server = home.start(&[]);
    let document = server.send(&Request::get("/api/openapi.json")).json();
    let paths = document["paths"].as_object().expect("paths");
    let mut found: Vec<String> = Vec::new();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            if let Some(name) = operation["x-bulkhead"].as_str() {
                found.push(format!("{name}: {method} {path}"));
            }
        }
    }
    found.sort();
    let wanted = [
        "export: get /api/admin/audit",
        "export: post /api/admin/backups",
        "export: post /api/admin/backups/{id}/verify",
        "login: post /api/auth/login",
        "login: post /api/auth/password",
    ];
    assert_eq!(found, wanted);
}

const TRUSTED: [&str; 2] = ["demo.enabled=true", "server.trusted_proxies=127.0.0.1/32"];

#[test]
fn a_trusted_caller_says_how_long_an_answer_is_of_use() {
    let home = Home::new();
    let server = home.start(&TRUSTED);
    let admin = server.admin();
    let work = Request::get("/api/demo/work?io_ms=30000").bearer(&admin);
    for (name, value) in [("X-Deadline-Ms", "200"), ("grpc-timeout", "200m")] {
        let waited = Stopwatch::start();
        server.send(&work.clone().header(name, value)).problem("deadline-exceeded");
        assert!(waited.elapsed() < Duration::from_secs(5), "{:?}", waited.elapsed());
    }
    // What a caller has no time for is no failure of the server.
    assert_eq!(error_ratio(&server, &admin), 0.0);
    let brief = Request::get("/api/demo/work?io_ms=1").bearer(&admin);
    for (name, value) in [("X-Deadline-Ms", "soon"), ("X-Deadline-Ms", "20000")] {
        server.send(&brief.clone().header(name, value)).expect(200);
    }
}

#[test]
fn what_comes_too_late_is_not_begun() {
    let home = Home::new();
    let server = home.start(&TRUSTED);
    let admin = server.admin();
    let logout = Request::post("/api/auth/logout").bearer(&admin).header("X-Deadline-Ms", "0");
    server.send(&logout).problem("deadline-exceeded");
    assert!(server.accepts(&admin));
    // It is asked who comes before it is told that it is late.
    let nobody = Request::post("/api/auth/logout").header("X-Deadline-Ms", "0");
    server.send(&nobody).problem("unauthenticated");
}

#[test]
fn a_strangers_deadline_does_not_count() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    let work = Request::get("/api/demo/work?io_ms=50").bearer(&admin);
    for (name, value) in [("X-Deadline-Ms", "0"), ("X-Deadline-Ms", "1"), ("grpc-timeout", "1n")] {
        server.send(&work.clone().header(name, value)).expect(200);
    }
}

#[test]
fn a_local_command_may_be_in_a_hurry() {
    let home = Home::new();
    let _server = home.start(&["demo.enabled=true"]);
    let mut local = UnixStream::connect(home.data("control.sock")).expect("the socket");
    local.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let work = Request::get("/api/demo/work?io_ms=30000");
    let work = work.header("X-Deadline-Ms", "200").header("Connection", "close");
    local.write_all(&work.bytes()).expect("it takes a request");
    let mut answer = String::new();
    local.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
}
