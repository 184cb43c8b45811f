//! What a client cannot do: too much, too big, too slow, too many, nonsense.

use std::{thread, time::Duration};

use serde_json::json;

use crate::{
    client::{Client, PATIENCE, Request},
    server::{Home, PASSWORD, Server, Stopwatch, until},
};

#[test]
fn a_burst_beyond_the_quota_is_refused_with_the_time_to_wait() {
    let home = Home::new();
    let server = home.start(&["limits.rate.address.quota=1/s", "limits.rate.address.burst=5"]);
    let mut client = server.client();
    let request = Request::get("/api/health");
    for left in (0..5).rev() {
        let response = client.send(&request).expect(200);
        assert_eq!(response.header("ratelimit-policy"), Some("\"address\";q=5;w=5"));
        let standing = response.header("ratelimit").expect("a standing");
        assert!(standing.starts_with(&format!("\"address\";r={left};t=")), "{standing}");
    }
    let refused = client.send(&request);
    let told = refused.problem("rate-limited");
    assert_eq!(told["detail"], "this address has used up its quota of requests");
    refused.has_usual_headers();
    assert_eq!(refused.limits(), ["address"]);
    assert_eq!(refused.header("retry-after"), Some("1"));
    // Tokens are not tried either, and probes are outside all limits.
    server.get("/api/auth/verify", "a.b.c").problem("rate-limited");
    for probe in ["/livez", "/readyz"] {
        let response = client.send(&Request::get(probe)).expect(200);
        assert!(response.limits().is_empty());
    }
    until("the wait is over", || (client.send(&request).status == 200).then_some(()));
}

#[test]
fn logins_and_refreshes_have_a_limit_of_their_own() {
    let home = Home::new();
    let server = home.start(&["limits.rate.login.quota=1/h", "limits.rate.login.burst=3"]);
    let token = server.admin();
    server.try_login("admin", "wrong").problem("invalid-credentials");
    server.refresh("none").problem("unauthenticated");
    let refused = server.try_login("admin", PASSWORD);
    let told = refused.problem("rate-limited");
    assert_eq!(told["detail"], "this address has used up its quota of logins and refreshes");
    assert_eq!(refused.limits(), ["address", "login"]);
    server.refresh("none").problem("rate-limited");
    assert!(server.accepts(&token));
}

#[test]
fn a_caller_has_a_quota_of_its_own() {
    let home = Home::new();
    let server = home.start(&["limits.rate.caller.quota=1/h", "limits.rate.caller.burst=4"]);
    let admin = server.admin();
    let ann = server.add(&admin, "ann", &["user"]).access;
    for _ in 0..4 {
        let response = server.get("/api/auth/verify", &ann).expect(200);
        assert_eq!(response.limits(), ["address", "caller"]);
    }
    let told = server.get("/api/auth/verify", &ann).problem("rate-limited");
    assert_eq!(told["detail"], "this account has used up its quota of requests");
    // Another session is the same caller; another caller is not.
    let again = server.login("ann", PASSWORD).access;
    server.get("/api/auth/verify", &again).problem("rate-limited");
    assert!(server.accepts(&admin));
}

fn spread(server: &Server, thread: u8, per_thread: u16) {
    let mut client = server.client();
    for i in 0..per_thread {
        let [high, low] = i.to_be_bytes();
        let request = Request::get("/api/health");
        let from = format!("203.{thread}.{high}.{low}");
        client.send(&request.header("X-Forwarded-For", from)).expect(200);
    }
}

#[test]
fn ten_thousand_addresses_do_not_grow_memory() {
    let home = Home::new();
    let server = home.start(&[
        "server.trusted_proxies=127.0.0.1/32",
        "limits.rate.address.quota=1/h",
        "limits.rate.address.burst=1",
        "limits.rate.login.burst=10",
        "log.level=warn",
    ]);
    let walk = |base: u8, per_thread: u16| {
        thread::scope(|scope| {
            for thread in 0..4 {
                let server = &server;
                scope.spawn(move || spread(server, base + thread, per_thread));
            }
        });
    };
    // Buffers, threads and the table's own pages come first.
    walk(0, 500);
    let before = server.resident();
    walk(100, 2500);
    let after = server.resident();
    let grown = after.saturating_sub(before);
    println!(
        "10 000 addresses: {} KiB before, {} KiB after, {} KiB more",
        before / 1024,
        after / 1024,
        grown / 1024
    );
    // The table has a fixed size of 4 MiB, whose pages come as they are first used.
    assert!(grown < 8 << 20, "{grown} bytes more");
    // It did count each of them.
    let request = Request::get("/api/health").header("X-Forwarded-For", "203.100.0.0");
    server.send(&request).problem("rate-limited");
}

#[test]
fn what_limits_refuse_writes_few_lines() {
    let home = Home::new();
    let server = home.start(&["limits.rate.address.quota=1/h", "limits.rate.address.burst=3"]);
    let mut client = server.client();
    for _ in 0..3 {
        client.send(&Request::get("/api/health")).expect(200);
    }
    let watch = Stopwatch::start();
    for _ in 0..500 {
        client.send(&Request::get("/api/health")).problem("rate-limited");
    }
    let seconds = watch.elapsed().as_secs() + 2;
    drop(client);
    server.stop_and(|log| {
        let lines = |status| log.matches(&format!("\"status\":{status}")).count() as u64;
        assert_eq!(lines(200), 3, "{log}");
        assert!((1..=10 * seconds).contains(&lines(429)), "{} in {seconds} s", lines(429));
        assert!(log.contains("\"limit\":\"address\""), "{log}");
    });
}

#[test]
fn a_forwarding_header_of_an_untrusted_peer_does_not_help() {
    let home = Home::new();
    let server = home.start(&["limits.rate.address.quota=1/h", "limits.rate.address.burst=10"]);
    let mut client = server.client();
    for i in 0..20 {
        let request = Request::get("/api/health");
        let response = client.send(
            &request
                .header("X-Forwarded-For", format!("198.51.100.{i}"))
                .header("Forwarded", format!("for=198.51.100.{i}"))
                .header("X-Real-IP", format!("198.51.100.{i}")),
        );
        if i < 10 {
            response.expect(200);
        } else {
            response.problem("rate-limited");
        }
    }
}

#[test]
fn behind_a_trusted_proxy_the_nearest_untrusted_address_counts() {
    let home = Home::new();
    let server = home.start(&[
        "server.trusted_proxies=127.0.0.1/32",
        "limits.rate.address.quota=1/h",
        "limits.rate.address.burst=2",
    ]);
    // What the client itself has put before its own address says nothing.
    for i in 0..3 {
        let request = Request::get("/api/health");
        let from = format!("10.0.0.{i}, 198.51.100.7");
        let response = server.send(&request.header("X-Forwarded-For", from));
        if i < 2 {
            response.expect(200);
        } else {
            response.problem("rate-limited");
        }
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let home = Home::new();
    let server =
        home.start(&["limits.size.head=2KiB", "limits.size.target=1KiB", "limits.size.headers=20"]);
    let send = |request: &Request| {
        let response = server.send(request);
        response.has_usual_headers();
        response
    };
    send(&Request::get("/livez").header("X-Big", "x".repeat(2048))).problem("header-too-large");
    send(&Request::get(format!("/livez?{}", "x".repeat(1024)))).problem("uri-too-long");
    let many = (0..21).fold(Request::get("/livez"), |it, i| it.header(&format!("X-{i}"), "1"));
    send(&many).problem("header-too-large");
    send(&Request::get("/livez").header("X-Big", "x".repeat(1024))).expect(200);
}

#[test]
fn a_head_that_is_not_even_read_is_refused_alike() {
    let home = Home::new();
    let server = home.start(&[]);
    let ended = |bytes: Vec<u8>| {
        let mut client = server.client();
        // The rest need not be taken any more.
        let _ = client.try_raw(&bytes);
        let response = client.read(false).expect("an answer");
        assert_ne!(client.rest(PATIENCE), None, "the connection stays open");
        response
    };
    let refused = |bytes| {
        let response = ended(bytes);
        response.has_usual_headers();
        response.problem("header-too-large");
    };
    refused(Request::get("/livez").header("X-Big", "x".repeat(200 * 1024)).bytes());
    let fields = |count| {
        let fields = 0..count;
        fields.fold(Request::get("/livez"), |it, i| it.header(&format!("X-{i}"), "1")).bytes()
    };
    // One more than are allowed, and far more than are read.
    refused(fields(101));
    refused(fields(1000));
    let long = Request::get(format!("/{}", "x".repeat(200 * 1024))).bytes();
    assert!([414, 431].contains(&ended(long).status));
    let garbage = ended(b"\x16\x03\x01 not HTTP\r\n\r\n".to_vec());
    garbage.has_usual_headers();
    garbage.problem("invalid-request");
}

#[test]
fn exactly_one_valid_host_is_needed() {
    let home = Home::new();
    let server = home.start(&[]);
    for head in [
        "GET /livez HTTP/1.1\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET http://a/livez HTTP/1.1\r\n\r\n",
    ] {
        let mut client = server.client();
        client.raw(head.as_bytes());
        let response = client.read(false).expect("an answer");
        response.problem("invalid-request");
        response.has_usual_headers();
    }
}

#[test]
fn only_the_allowed_hosts_are_served() {
    let home = Home::new();
    let server = home.start(&["server.allowed_hosts=gabion.example"]);
    let send = |host: &str| {
        let mut client = server.client();
        client.raw(format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        client.read(false).expect("an answer")
    };
    send("gabion.example").expect(200);
    send("GABION.example:8080").expect(200);
    send("localhost").problem("misdirected");
    send("gabion.example.evil").problem("misdirected");
}

#[test]
fn a_slow_head_is_ended() {
    let home = Home::new();
    let server = home.start(&["limits.time.head=300ms"]);
    for head in ["", "GET /livez HTTP/1.1\r\nHost: lo"] {
        let mut client = server.client();
        let waited = Stopwatch::start();
        client.raw(head.as_bytes());
        if !head.is_empty() {
            let refused = client.read(false).expect("an answer");
            refused.problem("request-timeout");
            refused.has_usual_headers();
            assert!(refused.closes());
        }
        let rest = client.rest(PATIENCE);
        assert_eq!(rest, Some(Vec::new()), "{head:?}");
        let waited = waited.elapsed();
        assert!(waited < Duration::from_millis(2300), "{head:?} {waited:?}");
        assert!(waited > Duration::from_millis(150), "{head:?} {waited:?}");
    }
}

#[test]
fn a_head_that_trickles_is_ended() {
    let home = Home::new();
    let server = home.start(&["limits.time.head=500ms"]);
    let mut client = server.client();
    let waited = Stopwatch::start();
    // A byte now and then is not progress enough: the limit is for the whole head.
    let head =
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".iter().chain([b'x'; 1000].iter());
    for byte in head {
        if client.try_raw(&[*byte]).is_err() || waited.elapsed() > PATIENCE {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(waited.elapsed() < Duration::from_millis(2500), "{:?}", waited.elapsed());
}

#[test]
fn a_slow_body_is_answered_with_408() {
    let home = Home::new();
    let server = home.start(&["limits.time.body_grace=300ms", "limits.time.body_min_rate=1KiB/s"]);
    let mut client = server.client();
    let head = "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"username\":";
    let waited = Stopwatch::start();
    client.raw(head.as_bytes());
    let response = client.read(false).expect("an answer");
    response.problem("request-timeout");
    response.has_usual_headers();
    assert!(waited.elapsed() < Duration::from_millis(2300), "{:?}", waited.elapsed());
    assert!(client.rest(PATIENCE).is_some(), "the connection stays open");
}

#[test]
fn a_body_as_fast_as_needed_is_read() {
    let home = Home::new();
    let server = home.start(&[
        "demo.enabled=true",
        "limits.time.body_grace=300ms",
        "limits.time.body_min_rate=1KiB/s",
    ]);
    let token = server.admin();
    let mut client = server.client();
    let request = Request::post("/api/demo/upload").bearer(&token);
    client.raw(&request.header("Content-Length", "20480").head());
    for _ in 0..20 {
        client.raw(&[b'x'; 1024]);
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(client.read(false).expect("an answer").expect(200).json()["bytes"], 20480);
}

#[test]
fn an_idle_connection_is_closed() {
    let home = Home::new();
    let server = home.start(&["limits.time.idle=300ms"]);
    let mut client = server.client();
    client.send(&Request::get("/livez")).expect(200);
    let waited = Stopwatch::start();
    assert_eq!(client.rest(PATIENCE), Some(Vec::new()));
    assert!(waited.elapsed() < Duration::from_millis(2300), "{:?}", waited.elapsed());
}

#[test]
fn a_request_that_takes_us_too_long_is_given_up() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true", "limits.time.request=300ms"]);
    let token = server.admin();
    let waited = Stopwatch::start();
    server.get("/api/demo/work?io_ms=30000", &token).problem("deadline-exceeded");
    assert!(waited.elapsed() < Duration::from_millis(2300), "{:?}", waited.elapsed());
}

#[test]
fn the_last_connections_answer_probes_only() {
    let home = Home::new();
    let server = home.start(&["limits.connections.total=8"]);
    let livez = Request::get("/livez");
    let health = Request::get("/api/health");
    let mut usual: Vec<Client> = (0..4).map(|_| server.client()).collect();
    for client in &mut usual {
        client.send(&health).expect(200);
    }
    // One answer each, and a place for as long as that takes.
    for _ in 0..6 {
        let probe = server.send(&livez).expect(200);
        assert!(probe.closes());
        let refused = server.send(&health);
        refused.problem("overloaded");
        assert!(refused.closes());
    }
    let last: Vec<Client> = (0..4).map(|_| server.client()).collect();
    // One more is closed without a word.
    let mut beyond = server.client();
    let _ = beyond.try_raw(&livez.bytes());
    assert_eq!(beyond.rest(PATIENCE), Some(Vec::new()));
    drop((usual, last));
    until("there are places again", || {
        let mut client = Client::try_connect(server.address()).ok()?;
        (client.try_send(&health).ok()?.status == 200).then_some(())
    });
}

#[test]
fn one_address_has_no_more_than_its_connections() {
    let home = Home::new();
    let server = home.start(&["limits.connections.per_address=3"]);
    let livez = Request::get("/livez");
    let mut clients: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(&livez).expect(200);
    }
    let mut beyond = server.client();
    let _ = beyond.try_raw(&livez.bytes());
    assert_eq!(beyond.rest(PATIENCE), Some(Vec::new()));
    for client in &mut clients {
        client.send(&livez).expect(200);
    }
}

/// Xorshift (Marsaglia 2003): the same bytes in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let length = self.next() % most;
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

#[test]
fn random_bytes_do_no_harm() {
    let home = Home::new();
    let server = home.start(&["limits.time.head=300ms", "limits.time.idle=300ms"]);
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let beginnings: [&[u8]; 8] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"GET /api/auth/verify HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ",
        b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /api/problems/",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ",
    ];
    for round in 0..200 {
        let beginning = beginnings[round % beginnings.len()];
        let blob = [beginning, &noise.bytes(2000)].concat();
        let mut client = server.client();
        let _ = client.try_raw(&blob);
        let _ = client.finish();
        assert!(client.rest(PATIENCE).is_some(), "round {round} does not end");
    }
    server.send(&Request::get("/livez")).expect(200);
    let admin = server.admin();
    assert!(!server.log().contains("panicked"), "{}", server.log());
    let metrics = server.metrics(&admin);
    let failed = metrics.lines().filter(|line| line.contains("status_code=\"500\""));
    assert_eq!(failed.count(), 0, "{metrics}");
}

#[test]
fn contradicting_lengths_are_refused() {
    let home = Home::new();
    let server = home.start(&[]);
    for fields in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 3\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: -1\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length : 2\r\n",
        "X-Folded: a\r\n b\r\n",
    ] {
        let mut client = server.client();
        let head = format!("POST /api/auth/login HTTP/1.1\r\nHost: a\r\n{fields}\r\n{{}}");
        let _ = client.try_raw(head.as_bytes());
        let response = client.read(false).expect("an answer");
        assert_eq!(response.status, 400, "{fields:?}");
        assert!(client.rest(PATIENCE).is_some(), "{fields:?}: the connection stays open");
    }
}

#[test]
fn a_client_that_leaves_is_counted_and_costs_nothing_more() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    let mut client = server.client();
    client.raw(&Request::get("/api/demo/work?io_ms=60000").bearer(&admin).bytes());
    let in_flight = |server: &Server| server.status(&admin)["admission"]["in_flight"].as_u64();
    until("the request is under way", || (in_flight(&server)? >= 2).then_some(()));
    drop(client);
    until("its place is free", || (in_flight(&server)? == 1).then_some(()));
    let metrics = server.metrics(&admin);
    let counted = "http_route=\"/api/demo/work\",http_response_status_code=\"499\"";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn http_2_is_not_spoken_where_it_is_switched_off() {
    let home = Home::new();
    let server = home.start(&["server.http2=false"]);
    let mut client = server.client();
    // The preface and empty SETTINGS (RFC 9113 §3.4, §6.5).
    client.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let answer = client.rest(PATIENCE).expect("the connection is closed");
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "), "{answer:?}");
}

#[test]
fn more_than_one_request_may_be_sent_before_the_first_answer() {
    let home = Home::new();
    let server = home.start(&[]);
    let mut client = server.client();
    let requests = [Request::get("/livez"), Request::get("/none"), Request::get("/api/health")];
    client.raw(&requests.iter().flat_map(Request::bytes).collect::<Vec<u8>>());
    let statuses = [(); 3].map(|()| client.read(false).expect("an answer").status);
    assert_eq!(statuses, [200, 404, 200]);
    let body = json!({"username": "admin", "password": PASSWORD});
    client.send(&Request::post("/api/auth/login").json(&body)).expect(200);
}
