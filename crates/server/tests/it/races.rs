//! Requests that race the end of what they rest on: what begins after the answer has lost.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use gabion_clock::{Clock, Instant, SystemClock};
use serde_json::json;

use crate::{
    client::{Client, Request},
    server::{Home, PASSWORD, Server, Tokens, until},
};

const CLIENTS: usize = 64;
const ROUNDS: usize = 200;
/// Clients that look while an account changes.
const READERS: usize = 8;

/// A session whose token is asked for until after its end.
struct Round {
    access: String,
    /// When the logout was answered.
    ended: Arc<OnceLock<Instant>>,
}

/// What became of the requests of a round, or of many.
#[derive(Default, Debug)]
struct Tally {
    accepted: usize,
    refused: usize,
    /// Begun after the answer.
    late: usize,
    /// Begun after the answer and accepted.
    wrong: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.late += other.late;
        self.wrong += other.wrong;
    }
}

#[test]
fn no_verify_that_began_after_the_answer_to_a_logout_succeeds() {
    let home = Home::new();
    let server = home.start(&["log.level=warn"]);
    let admin = server.admin();
    // One for all threads: instants of different clocks do not compare.
    let clock = SystemClock::new();
    let begun = clock.now();
    let total = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let name = format!("client{number}");
                let body = json!({"username": name, "password": PASSWORD, "roles": ["user"]});
                server.post("/api/admin/users", &admin, &body).expect(201);
                let (rounds, to_do) = channel();
                let (done, tallies) = channel();
                let client = server.client();
                scope.spawn(move || verify_until_late(clock, client, &to_do, &done));
                let server = &server;
                scope
                    .spawn(move || log_out_again_and_again(clock, server, &name, &rounds, &tallies))
            })
            .collect();
        let mut total = Tally::default();
        for client in clients {
            total.add(&client.join().expect("a client ends well"));
        }
        total
    });
    let took = clock.now().saturating_since(begun).as_secs_f64();
    println!("{CLIENTS} clients, {ROUNDS} rounds each, in {took:.1} s: {total:?}");
    assert_eq!(total.wrong, 0, "{total:?}");
    assert!(total.late >= 2 * CLIENTS * ROUNDS && total.accepted > 0, "{total:?}");
}

fn log_out_again_and_again(
    clock: SystemClock,
    server: &Server,
    name: &str,
    rounds: &Sender<Round>,
    tallies: &Receiver<Tally>,
) -> Tally {
    let mut client = server.client();
    let credentials = json!({"username": name, "password": PASSWORD});
    let login = Request::post("/api/auth/login").json(&credentials);
    let mut total = Tally::default();
    for _ in 0..ROUNDS {
        let Tokens { access, .. } = Tokens::of(&client.send(&login).expect(200));
        let ended = Arc::new(OnceLock::new());
        let round = Round { access: access.clone(), ended: Arc::clone(&ended) };
        rounds.send(round).expect("somebody verifies");
        client.send(&Request::post("/api/auth/logout").bearer(&access)).expect(204);
        ended.set(clock.now()).expect("it ends once");
        // The first moment after the answer; the other thread has those around it.
        let at_once = client.send(&Request::get("/api/auth/verify").bearer(&access)).status;
        total.late += 1;
        total.wrong += usize::from(at_once != 401);
        total.add(&tallies.recv().expect("somebody verifies"));
    }
    total
}

/// What ends a session, or a key, beside a logout.
#[derive(Debug, Clone, Copy)]
enum End {
    LogoutEverywhere,
    OneSession,
    NewPassword,
    PasswordByAdmin,
    Disable,
    Reuse,
    RevokeKey,
}

const ENDS: [End; 7] = [
    End::LogoutEverywhere,
    End::OneSession,
    End::NewPassword,
    End::PasswordByAdmin,
    End::Disable,
    End::Reuse,
    End::RevokeKey,
];

#[test]
fn whatever_ends_a_token_ends_it_for_every_request_that_begins_later() {
    let home = Home::new();
    let server = home.start(&["log.level=warn"]);
    let admin = server.admin();
    let clock = SystemClock::new();
    thread::scope(|scope| {
        for (number, end) in ENDS.into_iter().enumerate() {
            let (rounds, to_do) = channel();
            let (done, tallies) = channel();
            let client = server.client();
            scope.spawn(move || verify_until_late(clock, client, &to_do, &done));
            let (server, admin) = (&server, &admin);
            scope.spawn(move || {
                let name = format!("client{number}");
                let body = json!({"username": name, "password": PASSWORD, "roles": ["user"]});
                server.post("/api/admin/users", admin, &body).expect(201);
                for _ in 0..20 {
                    let ended = Arc::new(OnceLock::new());
                    let (access, finish) = prepare(server, admin, &name, end);
                    let round = Round { access, ended: Arc::clone(&ended) };
                    rounds.send(round).expect("somebody verifies");
                    finish();
                    ended.set(clock.now()).expect("it ends once");
                    let tally: Tally = tallies.recv().expect("somebody verifies");
                    assert_eq!(tally.wrong, 0, "{end:?} {tally:?}");
                    let body = json!({"enabled": true, "password": PASSWORD});
                    let path = format!("/api/admin/users/{name}");
                    let again = Request::new("PATCH", path).bearer(admin);
                    server.send(&again.json(&body)).expect(200);
                }
            });
        }
    });
}

/// A token of `name`, and what ends it.
fn prepare<'a>(
    server: &'a Server,
    admin: &'a str,
    name: &'a str,
    end: End,
) -> (String, Box<dyn FnOnce() + 'a>) {
    let Tokens { access, refresh } = server.login(name, PASSWORD);
    let other = server.login(name, PASSWORD).access;
    let patch = move |body| {
        let request = Request::new("PATCH", format!("/api/admin/users/{name}")).bearer(admin);
        server.send(&request.json(&body)).expect(200);
    };
    let new = "another granite otter 78";
    let token = access.clone();
    let finish: Box<dyn FnOnce()> = match end {
        End::LogoutEverywhere => Box::new(move || {
            server.post("/api/auth/logout", &other, &json!({"everywhere": true})).expect(204);
        }),
        End::OneSession => {
            let told = server.get("/api/auth/verify", &access).expect(200).json();
            let path = format!("/api/auth/sessions/{}", told["session"].as_str().expect("a name"));
            Box::new(move || {
                server.send(&Request::new("DELETE", path).bearer(&other)).expect(204);
            })
        }
        End::NewPassword => Box::new(move || {
            let body = json!({"current": PASSWORD, "new": new});
            server.post("/api/auth/password", &other, &body).expect(204);
        }),
        End::PasswordByAdmin => Box::new(move || patch(json!({"password": new}))),
        End::Disable => Box::new(move || patch(json!({"enabled": false}))),
        End::Reuse => {
            server.refresh(&refresh).expect(200);
            Box::new(move || {
                server.refresh(&refresh).problem("unauthenticated");
            })
        }
        End::RevokeKey => {
            let body = json!({"name": "a machine", "username": name, "scopes": []});
            let key = server.post("/api/admin/api-keys", admin, &body).expect(201).json();
            let text = |name: &str| key[name].as_str().expect("text").to_owned();
            let path = format!("/api/admin/api-keys/{}", text("id"));
            let finish = move || {
                server.send(&Request::new("DELETE", path).bearer(admin)).expect(204);
            };
            return (text("secret"), Box::new(finish));
        }
    };
    (token, finish)
}

#[test]
fn a_retired_key_signs_for_no_request_that_begins_later() {
    let home = Home::new();
    let server = home.start(&["log.level=warn"]);
    let clock = SystemClock::new();
    thread::scope(|scope| {
        let (rounds, to_do) = channel();
        let (done, tallies) = channel();
        let client = server.client();
        scope.spawn(move || verify_until_late(clock, client, &to_do, &done));
        for _ in 0..20 {
            let Tokens { access, refresh } = server.login("admin", PASSWORD);
            let list = server.get("/api/admin/keys", &access).expect(200).json();
            let path = format!("/api/admin/keys/{}", list["keys"][0]["kid"].as_str().expect("it"));
            let ended = Arc::new(OnceLock::new());
            let round = Round { access: access.clone(), ended: Arc::clone(&ended) };
            rounds.send(round).expect("somebody verifies");
            server.send(&Request::new("DELETE", path).bearer(&access)).expect(204);
            ended.set(clock.now()).expect("it ends once");
            let tally: Tally = tallies.recv().expect("somebody verifies");
            assert_eq!(tally.wrong, 0, "{tally:?}");
            // Its session goes on.
            let Tokens { access, .. } = Tokens::of(&server.refresh(&refresh).expect(200));
            assert!(server.accepts(&access));
        }
        drop(rounds);
    });
}

/// Verifies the token of each round without a pause, until one request began after its end.
fn verify_until_late(
    clock: SystemClock,
    mut client: Client,
    rounds: &Receiver<Round>,
    tallies: &Sender<Tally>,
) {
    for Round { access, ended } in rounds {
        let verify = Request::get("/api/auth/verify").bearer(&access);
        let mut tally = Tally::default();
        while tally.late == 0 {
            let begun = clock.now();
            let status = client.send(&verify).status;
            match status {
                200 => tally.accepted += 1,
                401 => tally.refused += 1,
                other => panic!("a verify is answered with {other}"),
            }
            if ended.get().is_some_and(|ended| *ended < begun) {
                tally.late += 1;
                tally.wrong += usize::from(status == 200);
            }
        }
        tallies.send(tally).expect("somebody counts");
    }
}

#[test]
fn of_many_uses_of_one_refresh_token_one_succeeds_and_the_session_ends() {
    let home = Home::new();
    let server = home.start(&[]);
    let other = server.login("admin", PASSWORD);
    for _ in 0..10 {
        let first = server.login("admin", PASSWORD);
        let body = json!({"refresh_token": first.refresh});
        let refresh = Request::post("/api/auth/refresh").json(&body);
        let ready = std::sync::Barrier::new(32);
        let answers: Vec<_> = thread::scope(|scope| {
            let (server, refresh, ready) = (&server, &refresh, &ready);
            let use_it = move || {
                let mut client = server.client();
                ready.wait();
                client.send(refresh)
            };
            let uses: Vec<_> = (0..32).map(|_| scope.spawn(use_it)).collect();
            uses.into_iter().map(|used| used.join().expect("an answer")).collect()
        });
        let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        let [second] = good[..] else { panic!("{} succeeded", good.len()) };
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.problem("unauthenticated");
        }
        let second = Tokens::of(second);
        assert!(!server.accepts(&first.access) && !server.accepts(&second.access));
        server.refresh(&second.refresh).problem("unauthenticated");
        server.refresh(&first.refresh).problem("unauthenticated");
    }
    assert!(server.accepts(&other.access));
}

/// A change of the role, or a request that tells of it.
#[derive(Clone, Copy)]
struct Seen {
    begun: Instant,
    ended: Instant,
    monitor: bool,
}

#[test]
fn a_changed_role_holds_for_every_request_that_begins_after_its_answer() {
    let home = Home::new();
    // Accounts are read anew all the time, so that reading one races its change.
    let server = home.start(&["log.level=warn", "cache.ttl=1ms"]);
    let admin = server.admin();
    let ann = server.add(&admin, "ann", &["user"]).access;
    let clock = SystemClock::new();
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (changes, seen) = thread::scope(|scope| {
        let (server, done, asked) = (&server, &done, &asked);
        let verify = Request::get("/api/auth/verify").bearer(&ann);
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                let (mut client, verify) = (server.client(), verify.clone());
                scope.spawn(move || {
                    let mut seen = Vec::new();
                    while !done.load(Ordering::SeqCst) {
                        let begun = clock.now();
                        let roles = client.send(&verify).expect(200).json()["roles"].clone();
                        let monitor = roles == json!(["monitor", "user"]);
                        seen.push(Seen { begun, ended: clock.now(), monitor });
                        asked.fetch_add(1, Ordering::SeqCst);
                    }
                    seen
                })
            })
            .collect();
        let mut client = server.client();
        let mut changes = Vec::new();
        for round in 0..300 {
            let monitor = round % 2 == 0;
            let roles = if monitor { json!(["monitor", "user"]) } else { json!(["user"]) };
            let change = Request::new("PATCH", "/api/admin/users/ann").bearer(&admin);
            let begun = clock.now();
            client.send(&change.json(&json!({"roles": roles}))).expect(200);
            changes.push(Seen { begun, ended: clock.now(), monitor });
            // Some requests stand between this change and the next.
            let enough = asked.load(Ordering::SeqCst) + 3 * READERS;
            until("readers look", || (asked.load(Ordering::SeqCst) >= enough).then_some(()));
        }
        done.store(true, Ordering::SeqCst);
        let seen = readers.into_iter().flat_map(|reader| reader.join().expect("a reader"));
        (changes, seen.collect::<Vec<_>>())
    });
    let mut decided = 0;
    for Seen { begun, ended, monitor } in seen {
        let next = changes.partition_point(|change| change.ended < begun);
        let Some(last) = next.checked_sub(1) else { continue };
        // While another change is under way either is right.
        if changes.get(next).is_none_or(|change| ended < change.begun) {
            assert_eq!(monitor, changes[last].monitor, "after change {last}");
            decided += 1;
        }
    }
    println!("{decided} requests between {} changes", changes.len());
    assert!(decided > changes.len());
}
