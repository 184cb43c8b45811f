//! How often: what the rate limits let through, to the request, and what they tell about it.

mod told;

use std::{
    sync::{Barrier, atomic::AtomicU64, atomic::Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    client::{Client, Request, Response},
    server::{Home, Server, Stopwatch, until},
};

const HEALTH: &str = "/api/health";

fn health() -> Request {
    Request::get(HEALTH)
}

/// Behind the proxy that the server trusts.
fn health_of(client: &str) -> Request {
    health().header("X-Forwarded-For", client)
}

/// What a quota lets through within `elapsed`, at most.
fn most(per_second: u64, burst: u64, elapsed: Duration) -> u64 {
    let refilled = elapsed.as_nanos() * u128::from(per_second) / 1_000_000_000;
    burst + u64::try_from(refilled).expect("a test ends")
}

/// Whether it was let through; anything but that and the limit's own refusal is a failure.
#[track_caller]
fn accepted(response: &Response) -> bool {
    assert!([200, 429].contains(&response.status), "{} {}", response.status, response.text());
    response.status == 200
}

#[test]
fn whatever_a_client_says_about_its_address_it_has_one_quota() {
    let home = Home::new();
    let server = home.start(&["limits.rate.address.quota=20/s", "limits.rate.address.burst=10"]);
    let mut client = server.client();
    let begun = Stopwatch::start();
    let mut through = 0;
    for _ in 0..200 {
        let [a, b, c, d]: [u8; 4] = rand::random();
        let claim = format!("{a}.{b}.{c}.{d}");
        let request = health_of(&claim).header("Forwarded", format!("for={claim}"));
        through += u64::from(accepted(&client.send(&request)));
    }
    let most = most(20, 10, begun.elapsed());
    assert!((10..=most).contains(&through), "{through} of at most {most}");
}

/// Sends 200 requests, each of another address inside `2001:db8:1:2::/64`, and counts those let through.
fn sweep(server: &Server) -> (u64, Duration) {
    let mut client = server.client();
    let begun = Stopwatch::start();
    let through = (0..200).filter(|_| {
        let [a, b, c, d]: [u16; 4] = rand::random();
        let address = format!("2001:db8:1:2:{a:x}:{b:x}:{c:x}:{d:x}");
        accepted(&client.send(&health_of(&address)))
    });
    (through.count() as u64, begun.elapsed())
}

#[test]
fn an_ipv6_network_has_one_quota_and_the_next_its_own() {
    let home = Home::new();
    let server = home.start(&[
        "server.trusted_proxies=127.0.0.1/32",
        "limits.rate.address.quota=20/s",
        "limits.rate.address.burst=10",
    ]);
    let (through, elapsed) = sweep(&server);
    let most = most(20, 10, elapsed);
    assert!((10..=most).contains(&through), "{through} of at most {most}");
    let response = server.send(&health_of("2001:db8:1:3::1")).expect(200);
    assert_eq!(response.limits(), ["address"]);
}

#[test]
fn how_much_of_an_ipv6_address_counts_can_be_set() {
    let home = Home::new();
    let server = home.start(&[
        "server.trusted_proxies=127.0.0.1/32",
        "limits.ipv6_prefix=48",
        "limits.rate.address.quota=1/h",
        "limits.rate.address.burst=10",
    ]);
    assert_eq!(sweep(&server).0, 10);
    server.send(&health_of("2001:db8:1:3::1")).problem("rate-limited");
    server.send(&health_of("2001:db8:2:2::1")).expect(200);
}

#[test]
fn a_reload_changes_how_much_of_an_ipv6_address_counts() {
    let home = Home::new();
    let file = home.write("gabion.toml", "");
    let sets = [
        "server.trusted_proxies=127.0.0.1/32",
        "limits.rate.address.quota=1/h",
        "limits.rate.address.burst=1",
    ];
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &sets);
    let mut last = 0;
    // Each in a network of its own, all in one /48.
    let mut next = || {
        last += 1;
        accepted(&server.send(&health_of(&format!("2001:db8:1:{last:x}::1"))))
    };
    assert!(next() && next() && next());
    home.write("gabion.toml", "[limits]\nipv6_prefix = 48\n");
    until("they are one client", || (!next()).then_some(()));
    assert!(!next() && !next());
}

#[test]
fn sixty_four_connections_at_once_get_no_more_than_the_quota() {
    const RATE: u64 = 50;
    const BURST: u64 = 20;
    let home = Home::new();
    let server = home.start(&[
        "server.trusted_proxies=127.0.0.1/32",
        "limits.rate.address.quota=50/s",
        "limits.rate.address.burst=20",
        "log.level=warn",
    ]);
    let mut clients: Vec<Client> = (0..64).map(|_| server.client()).collect();
    for run in 0..20 {
        // Each run is another client's, whose quota is whole.
        let request = health_of(&format!("198.51.100.{run}"));
        let (start, through) = (Barrier::new(clients.len() + 1), AtomicU64::new(0));
        let elapsed = thread::scope(|scope| {
            let threads = clients.iter_mut().map(|client| {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..3 {
                        let one = accepted(&client.send(&request));
                        through.fetch_add(u64::from(one), Ordering::Relaxed);
                    }
                })
            });
            let threads: Vec<_> = threads.collect();
            let begun = Stopwatch::start();
            start.wait();
            threads
                .into_iter()
                .for_each(|thread| thread.join().expect("every request is answered"));
            begun.elapsed()
        });
        let (through, most) = (through.into_inner(), most(RATE, BURST, elapsed));
        assert!((BURST..=most).contains(&through), "run {run}: {through} of at most {most}");
    }
}

#[test]
fn nobody_at_half_of_the_quota_is_refused() {
    const CONNECTIONS: u32 = 4;
    const EACH: u32 = 5000;
    let home = Home::new();
    // A fifth of a second: a thread that waits for a processor decides by the time it read before.
    let server = home.start(&[
        "limits.rate.address.quota=10000/s",
        "limits.rate.address.burst=2000",
        "log.level=warn",
    ]);
    let pause = Duration::from_secs(1) / (5000 / CONNECTIONS);
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            let mut client = server.client();
            scope.spawn(move || {
                let clock = Stopwatch::start();
                let mut due = Duration::ZERO;
                for _ in 0..EACH {
                    // Half of the quota in time, and what is late is not made up for.
                    let now = clock.elapsed();
                    thread::sleep(due.saturating_sub(now));
                    due = due.max(now) + pause;
                    client.send(&health()).expect(200);
                }
            });
        }
    });
}

#[test]
fn a_refused_login_takes_nothing_from_the_address() {
    let home = Home::new();
    let server = home.start(&[
        "limits.rate.address.quota=1/h",
        "limits.rate.address.burst=10",
        "limits.rate.login.quota=1/h",
        "limits.rate.login.burst=2",
    ]);
    for _ in 0..2 {
        let tried = server.refresh("none");
        tried.problem("unauthenticated");
        assert_eq!(tried.limits(), ["address", "login"]);
    }
    for _ in 0..6 {
        server.refresh("none").problem("rate-limited");
    }
    let through = (0..12).filter(|_| accepted(&server.send(&health()))).count();
    assert_eq!(through, 8);
}

fn decisions(metrics: &str, limit: &str) -> [u64; 3] {
    ["allow", "deny", "shadow_deny"].map(|decision| {
        let start =
            format!("gabion_limit_decisions_total{{limit=\"{limit}\",decision=\"{decision}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok());
        count.unwrap_or_else(|| panic!("{start} is not told"))
    })
}

#[test]
fn a_limit_in_shadow_counts_and_refuses_nobody() {
    let home = Home::new();
    let server = home.start(&[
        "limits.rate.address.mode=shadow",
        "limits.rate.address.quota=1/h",
        "limits.rate.address.burst=3",
    ]);
    server.wait_for_log(&["limits.rate.address.mode"]);
    let admin = server.admin();
    for _ in 0..10 {
        let response = server.send(&health()).expect(200);
        assert!(response.limits().is_empty(), "{:?}", response.headers);
    }
    let response = server.get("/api/auth/verify", &admin).expect(200);
    assert_eq!(response.limits(), ["caller"]);
    // A login, ten, one more, and this one.
    let metrics = server.metrics(&admin);
    assert_eq!(decisions(&metrics, "address"), [3, 0, 10]);
    assert_eq!(decisions(&metrics, "login"), [1, 0, 0]);
}

#[test]
fn a_limit_that_is_off_decides_nothing() {
    let home = Home::new();
    let server = home.start(&[
        "limits.rate.address.mode=off",
        "limits.rate.address.quota=1/h",
        "limits.rate.address.burst=1",
    ]);
    let admin = server.admin();
    for _ in 0..5 {
        assert!(server.send(&health()).expect(200).limits().is_empty());
    }
    assert_eq!(decisions(&server.metrics(&admin), "address"), [0, 0, 0]);
}

#[test]
fn a_reload_changes_quota_and_mode_and_resets_nothing() {
    let home = Home::new();
    let write = |text: &str| {
        home.write("gabion.toml", format!("[limits.rate.address]\nquota = \"1/h\"\n{text}\n"))
    };
    let file = write("burst = 3");
    let mut sets: Vec<String> = vec![
        "server.listen=127.0.0.1:0".into(),
        "auth.password.memory=64KiB".into(),
        "auth.password.passes=1".into(),
        "log.format=json".into(),
    ];
    sets.push(format!("server.data_dir={}", home.path("data").display()));
    sets.push(format!("auth.bootstrap.password_file={}", home.path("password").display()));
    let mut command = home.bare(&["serve", "--print-ready", "--config", &file]);
    command.args(sets.iter().flat_map(|set| ["--set", set.as_str()]));
    let server = Server::start(command, &home.path("")).expect("the server starts");
    let ask = || accepted(&server.send(&health()));
    let through = |most: u32| (0..most).filter(|_| ask()).count();
    assert_eq!(through(5), 3);
    // A larger quota has what it is larger by, and no more.
    write("burst = 5");
    until("the new quota holds", || ask().then_some(()));
    assert_eq!(through(5), 1);
    write("burst = 5\nmode = \"shadow\"");
    until("the limit refuses nobody", || ask().then_some(()));
    assert_eq!(through(5), 5);
    write("burst = 5\nmode = \"enforce\"");
    until("the limit refuses again", || (!ask()).then_some(()));
    assert_eq!(through(5), 0);
    write("burst = 5\nmode = \"off\"");
    until("the limit is off", || ask().then_some(()));
    assert_eq!(through(5), 5);
    write("burst = 6");
    until("the limit is on again", || (!ask()).then_some(()));
    let policy = server.send(&health());
    assert_eq!(policy.header("ratelimit-policy"), Some("\"address\";q=6;w=21600"));
}

#[test]
fn the_status_tells_who_is_refused_most() {
    let home = Home::new();
    let server = home.start(&[
        "server.trusted_proxies=127.0.0.1/32",
        "limits.rate.address.quota=1/h",
        "limits.rate.address.burst=20",
        "limits.rate.caller.quota=1/h",
        "limits.rate.caller.burst=4",
    ]);
    let admin = server.admin();
    assert_eq!(server.status(&admin)["limits"]["heavy_hitters"], json!([]));
    let ann = server.add(&admin, "ann", &["user"]).access;
    let mut client = server.client();
    for i in 0..40 {
        client.send(&health_of(&format!("2001:db8:7::{i:x}")));
    }
    for _ in 0..25 {
        client.send(&health_of("198.51.100.7"));
    }
    for _ in 0..6 {
        server.get("/api/auth/verify", &ann);
    }
    let status = server.status(&admin);
    let hitter = |limit, key, refusals| json!({"limit": limit, "key": key, "refusals": refusals});
    let wanted = [
        hitter("address", "2001:db8:7::/64", 20),
        hitter("address", "198.51.100.7", 5),
        hitter("caller", "ann", 2),
    ];
    assert_eq!(status["limits"]["heavy_hitters"], Value::from(wanted.to_vec()));
    let told = home.run(&["status"]).good();
    assert!(told.contains("refused 20 times of late: 2001:db8:7::/64 (limit address)"), "{told}");
}
