//! What operators see and do while the server runs.

mod backups;
mod commands;
mod config;
mod trials;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
};

use rustix::process::Signal;
use serde_json::json;

use crate::{
    client::{Client, Request},
    server::{Home, PASSWORD, Server, until},
};

/// Does a bit of everything, so that every metric has something to count.
fn exercise(server: &Server, admin: &str) {
    server.try_login("admin", "wrong").problem("invalid-credentials");
    for target in ["/raw-unmatched-path", "/api/problems/raw-code", "/api/demo/cached/raw-key"] {
        server.get(target, admin);
    }
    server.get("/api/demo/cached/raw-key", admin).expect(200);
    let user = json!({"username": "raw-name", "password": PASSWORD, "roles": ["user"]});
    server.post("/api/admin/users", admin, &user).expect(201);
    server.send(&Request::new("PATCH", "/api/admin/users/raw-name").bearer(admin).json(&json!({})));
    server.send(&Request::post("/api/admin/backups").bearer(admin)).expect(201);
    server.send(&Request::new("BREW", "/livez")).problem("not-implemented");
}

/// Series as they are written: the name with its labels.
fn series(metrics: &str) -> BTreeSet<&str> {
    let lines = metrics.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect()
}

fn label<'a>(series: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = series.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}

#[test]
fn the_metrics_have_the_contracts_names_and_labels() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    exercise(&server, &admin);
    let metrics = server.metrics(&admin);
    let series = series(&metrics);
    for (name, labels) in [
        (
            "http_server_request_duration_seconds_bucket",
            ["http_request_method", "http_route", "http_response_status_code"].as_slice(),
        ),
        ("http_server_active_requests", &[]),
        ("gabion_limit_decisions_total", &["limit", "decision"]),
        ("gabion_admission_decisions_total", &["class", "decision", "reason"]),
        ("gabion_auth_outcomes_total", &["outcome"]),
        ("gabion_cache_events_total", &["cache", "event"]),
        ("gabion_budget_used_ratio", &["budget"]),
        ("gabion_budget_actions_total", &["action"]),
        ("gabion_alert_active", &["alert"]),
        ("gabion_backup_verified_age_seconds", &[]),
        ("gabion_restarts_total", &["outcome"]),
        ("process_cpu_seconds_total", &[]),
        ("process_resident_memory_bytes", &[]),
        ("process_open_fds", &[]),
        ("process_start_time_seconds", &[]),
    ] {
        let own = |series: &&&str| series.split('{').next() == Some(name);
        let found = series.iter().find(own);
        let found = found.unwrap_or_else(|| panic!("{name} is not in\n{metrics}"));
        for wanted in labels {
            assert!(label(found, wanted).is_some(), "{found} has no {wanted}");
        }
    }
    assert!(series.iter().any(|series| label(series, "le") == Some("0.1")), "{metrics}");
    let events: BTreeSet<&str> = series
        .iter()
        .filter(|series| series.starts_with("gabion_cache_events_total"))
        .filter_map(|series| label(series, "event"))
        .collect();
    for event in events {
        let known = [
            "hit",
            "stale",
            "miss",
            "load",
            "load_failed",
            "joined",
            "negative",
            "evicted",
            "expired",
            "invalidated",
        ];
        assert!(known.contains(&event), "{event}");
    }
}

#[test]
fn the_metrics_have_closed_labels_and_never_what_a_client_sent() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    exercise(&server, &admin);
    let metrics = server.metrics(&admin);
    assert!(!metrics.contains("raw-"), "{metrics}");
    let document = server.send(&Request::get("/api/openapi.json")).expect(200).json();
    let paths = document["paths"].as_object().expect("paths");
    for series in series(&metrics) {
        if let Some(route) = label(series, "http_route") {
            assert!(paths.contains_key(route) || route == "unmatched", "{series}");
        }
        if let Some(method) = label(series, "http_request_method") {
            assert!(["GET", "POST", "PATCH", "DELETE", "_OTHER"].contains(&method), "{series}");
        }
    }
    let named: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let described =
        metrics.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
    let described: BTreeSet<&str> = described.collect();
    let undescribed: Vec<&str> = named.difference(&described).copied().collect();
    assert!(undescribed.is_empty(), "{undescribed:?}");
}

#[test]
fn requests_are_counted_once_each() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    for _ in 0..7 {
        server.get("/api/auth/sessions", &admin).expect(200);
    }
    server.get("/none", &admin).problem("not-found");
    let metrics = server.metrics(&admin);
    for (route, status, count) in [("/api/auth/sessions", 200, 7), ("unmatched", 404, 1)] {
        let line = format!(
            "http_server_request_duration_seconds_count{{http_request_method=\"GET\",\
             http_route=\"{route}\",http_response_status_code=\"{status}\"}} {count}"
        );
        assert!(metrics.lines().any(|own| own == line), "{line} is not in\n{metrics}");
    }
}

#[test]
fn the_status_tells_budgets_limits_caches_and_resources() {
    let home = Home::new();
    let server = home.start(&["limits.connections.total=77"]);
    let admin = server.admin();
    let status = until("resources were read", || {
        let status = server.status(&admin);
        status["resources"]["rss_bytes"].as_u64().is_some_and(|rss| rss > 0).then_some(status)
    });
    let budgets = status["budgets"].as_array().expect("budgets").iter();
    let budgets: Vec<&str> = budgets.filter_map(|budget| budget["budget"].as_str()).collect();
    assert_eq!(budgets.len(), 4, "{status}");
    assert_eq!(status["state"], "ready");
    assert_eq!(status["generation"], 1);
    assert_eq!(status["limits"]["connections_limit"], 77);
    assert_eq!(status["admission"]["mode"], "shadow");
    assert_eq!(status["last_restart"], serde_json::Value::Null);
    let caches = status["cache"].as_array().expect("caches");
    assert!(caches.iter().any(|cache| cache["name"] == "accounts"), "{status}");
}

#[test]
fn health_tells_details_to_operators_only() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let monitor = server.add(&admin, "watcher", &["monitor"]).access;
    let user = server.add(&admin, "ann", &["user"]).access;
    let ask = |token: &str| server.get("/api/health", token).expect(200).json();
    let open = server.send(&Request::get("/api/health")).expect(200).json();
    assert_eq!(open, json!({"status": "healthy"}));
    assert_eq!(ask(&user), open);
    for token in [&admin, &monitor] {
        let told = ask(token);
        assert_eq!(told["status"], "healthy");
        assert!(told["checks"].as_array().is_some_and(|checks| !checks.is_empty()), "{told}");
        assert!(told["uptime_seconds"].is_u64(), "{told}");
    }
}

#[test]
fn events_end_when_the_role_does_not_allow_them_and_never_before() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let user = server.add(&admin, "ann", &["user"]).access;
    server.get("/api/admin/events", &user).problem("forbidden");
    let monitor = server.add(&admin, "watcher", &["monitor"]).access;
    let mut client = server.client();
    client.raw(&Request::get("/api/admin/events").bearer(&monitor).bytes());
    client.read_head().expect("a head").expect(200);
    for _ in 0..2 {
        assert!(client.read_chunk().expect("an event").starts_with(b"data: {"));
    }
}

#[test]
fn events_end_with_what_allowed_them() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    type End = fn(&Server, &str, &str);
    let ends: [(&str, End); 3] = [
        ("logged-out", |server, _, token| {
            server.send(&Request::post("/api/auth/logout").bearer(token)).expect(204);
        }),
        ("disabled", |server, admin, _| {
            let change = Request::new("PATCH", "/api/admin/users/disabled").bearer(admin);
            server.send(&change.json(&json!({"enabled": false}))).expect(200);
        }),
        ("demoted", |server, admin, _| {
            let change = Request::new("PATCH", "/api/admin/users/demoted").bearer(admin);
            server.send(&change.json(&json!({"roles": ["user"]}))).expect(200);
        }),
    ];
    for (name, end) in ends {
        let token = server.add(&admin, name, &["monitor"]).access;
        let mut client = server.client();
        client.raw(&Request::get("/api/admin/events").bearer(&token).bytes());
        client.read_head().expect("a head").expect(200);
        client.read_chunk().expect("an event");
        end(&server, &admin, &token);
        until(&format!("the events of {name} end"), || {
            client.read_chunk().map_or(true, |chunk| chunk.is_empty()).then_some(())
        });
    }
}

#[test]
fn no_more_than_a_few_follow_the_events() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let request = Request::get("/api/admin/events").bearer(&admin);
    let followers: Vec<_> = (0..64)
        .map(|_| {
            let mut client = server.client();
            client.raw(&request.bytes());
            client.read_head().expect("a head").expect(200);
            client
        })
        .collect();
    server.send(&request).problem("overloaded");
    drop(followers);
    until("there is room again", || {
        let mut client = server.client();
        client.raw(&request.bytes());
        (client.read_head().expect("a head").status == 200).then_some(())
    });
}

#[test]
fn pages_work_without_anything_from_elsewhere() {
    let home = Home::new();
    let server = home.start(&[]);
    for path in ["/", "/api/docs"] {
        let page = server.send(&Request::get(path)).expect(200);
        page.has_usual_headers();
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        let text = page.text().to_lowercase();
        for outside in ["src=\"http", "href=\"http", "//cdn", "@import", "url(http"] {
            assert!(!text.contains(outside), "{path} has {outside}");
        }
        let policy = page.header("content-security-policy").expect("a policy");
        // What its own script and style are called, or they would not run.
        assert_eq!(text.contains("<script>"), policy.contains("script-src 'sha256-"), "{policy}");
        assert_eq!(text.contains("<style>"), policy.contains("style-src 'sha256-"), "{policy}");
    }
}

#[test]
fn administration_moves_to_its_own_address() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let home = Home::new();
    let server = home.start(&[&format!("server.admin_listen={free}")]);
    let admin = server.admin();
    let moved = ["/", "/api/metrics", "/api/admin/status", "/api/admin/users", "/api/admin/config"];
    for path in moved {
        server.get(path, &admin).problem("not-found");
        let there = Client::connect(free).send(&Request::get(path).bearer(&admin));
        there.has_usual_headers();
        there.expect(200);
    }
    server.send(&Request::post("/api/restart").bearer(&admin)).problem("not-found");
    assert!(server.accepts(&admin));
    // The guards are the same there.
    Client::connect(free).send(&Request::get("/api/metrics")).problem("unauthenticated");
}

#[test]
fn the_items_of_a_batch_go_where_the_batch_came_to() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let home = Home::new();
    let server = home.start(&[&format!("server.admin_listen={free}")]);
    let admin = server.admin();
    let item = json!({"id": "1", "method": "GET", "path": "/api/admin/status"});
    let batch = Request::post("/api/batch").bearer(&admin).json(&json!({"requests": [item]}));
    let status = |answer: serde_json::Value| answer["responses"][0]["status"].clone();
    let there = Client::connect(free).send(&batch).expect(200).json();
    assert_eq!(status(there), 200);
    assert_eq!(status(server.send(&batch).expect(200).json()), 404);

    // Who may open the control socket needs no token there, nor do the items.
    let mut local = UnixStream::connect(home.data("control.sock")).expect("the socket");
    let batch = Request::post("/api/batch").header("Connection", "close");
    local.write_all(&batch.json(&json!({"requests": [item]})).bytes()).expect("it is taken");
    let mut answer = String::new();
    local.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert_eq!(status(serde_json::from_str(body).expect("JSON")), 200, "{answer}");
}

#[test]
fn a_budget_is_told_by_the_numbers_that_its_ratio_is_of() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    // Work that comes in bursts, so that a moment and the last second differ.
    for _ in 0..20 {
        server.get("/api/demo/work?cpu_us=30000&io_ms=70", &admin).expect(200);
        let status = server.status(&admin);
        let cpu = &status["budgets"][1];
        let number = |name: &str| -> f64 {
            let text = cpu[name].as_str().and_then(|text| text.split(' ').next());
            text.and_then(|text| text.parse().ok()).expect("a number")
        };
        let told = cpu["used_ratio"].as_f64().expect("a ratio");
        assert!((number("used") / number("limit") - told).abs() < 0.002, "{cpu}");
    }
}

#[test]
fn the_status_tells_what_is_admitted_of_each_class() {
    let home = Home::new();
    let server = home.start(&[]);
    let status = server.status(&server.admin());
    let all = json!({"critical": 1.0, "user": 1.0, "degraded": 1.0, "batch": 1.0});
    assert_eq!(status["admission"]["fractions"], all);
}

#[test]
fn the_audit_tells_who_did_what_to_the_server() {
    let home = Home::new();
    let file = home.write("gabion.toml", "# the first version\n");
    let server = home.start_as(&["serve", "--print-ready", "--config", &file], &[]);
    let admin = server.admin();
    let post = |path: &str| server.send(&Request::post(path).bearer(&admin));
    let told = |action: &str, outcome: &str, by: &str| {
        let quoted = |text: &str| format!("\"{text}\"");
        let parts = [quoted(action), quoted(outcome), quoted(by), "gabion::audit".to_owned()];
        server.wait_for_log(&parts.each_ref().map(String::as_str));
    };
    post("/api/admin/config/reload").expect(200);
    told("config.reload", "success", "admin");
    post("/api/admin/config/rollback").expect(404);
    told("config.rollback", "not-found", "admin");
    post("/api/admin/backups").expect(201);
    told("backup.create", "success", "admin");
    home.run(&["backup", "create"]).good();
    told("backup.create", "success", "local");
    server.signal(Signal::HUP);
    told("config.reload", "success", "signal");
    home.write("gabion.toml", "[limits.size]\njson_body = \"x\"\n");
    told("config.reload", "invalid-body", "file");
    post("/api/restart").problem("invalid-body");
    told("restart", "invalid-body", "admin");
    home.write("gabion.toml", "# the second version\n");
    told("config.reload", "success", "file");
    home.run(&["restart"]).good();
    told("restart", "success", "local");
}

#[test]
fn a_wrong_method_is_counted_under_the_path_it_met() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    server.send(&Request::new("DELETE", "/api/admin/users/raw-name")).problem("method-not-allowed");
    let metrics = server.metrics(&admin);
    let line = "http_server_request_duration_seconds_count{http_request_method=\"_OTHER\",\
                http_route=\"/api/admin/users/{username}\",http_response_status_code=\"405\"} 1";
    assert!(metrics.lines().any(|own| own == line), "{metrics}");
}

#[test]
fn the_log_tells_each_request_under_its_id_and_trace() {
    let home = Home::new();
    let server = home.start(&[]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = Request::get("/api/problems/forbidden?secret=hidden")
        .header("X-Request-Id", "the-only-one")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    // The route knows no such parameter, and says so by its name alone.
    let refused = server.send(&request).problem("invalid-request");
    assert!(!refused.to_string().contains("hidden"), "{refused}");
    let line = server.wait_for_log(&["\"request_id\":\"the-only-one\""]);
    let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    assert_eq!(line["trace_id"], trace);
    assert_eq!(line["route"], "/api/problems/{code}");
    assert_eq!(line["status"], 400);
    let log = server.log();
    assert_eq!(log.matches("the-only-one").count(), 1, "{log}");
    assert!(!log.contains("secret") && !log.contains("hidden"), "{log}");
}

#[test]
fn refusals_are_not_logged_as_failures() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    server.get("/none", &admin).problem("not-found");
    server.try_login("admin", "wrong").problem("invalid-credentials");
    server.stop_and(|log| {
        let failures = log.lines().filter(|line| line.contains("\"level\":\"ERROR\""));
        assert_eq!(failures.count(), 0, "{log}");
        for secret in [PASSWORD, "wrong", admin.as_str()] {
            assert!(!log.contains(secret), "{log}");
        }
    });
}

#[test]
fn health_is_degraded_while_a_budget_is_exceeded() {
    let home = Home::new();
    let server = home.start(&["budgets.memory=16MiB", "monitor.alert_hold=1ms"]);
    let admin = server.admin();
    let told = until("a budget is exceeded", || {
        let told = server.get("/api/health", &admin).expect(200).json();
        (told["status"] == "degraded").then_some(told)
    });
    let mut checks = told["checks"].as_array().expect("checks").iter();
    let check = checks.find(|check| check["name"] == "budgets").expect("the budgets");
    assert!(check["detail"].as_str().is_some_and(|own| own.contains("memory")), "{told}");
    assert_eq!(server.send(&Request::get("/api/health")).expect(200).json()["status"], "degraded");
}

#[test]
fn each_address_describes_what_it_serves() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let home = Home::new();
    let server = home.start(&[&format!("server.admin_listen={free}")]);
    let request = Request::get("/api/openapi.json");
    let paths = |document: serde_json::Value| -> BTreeSet<String> {
        document["paths"].as_object().expect("paths").keys().cloned().collect()
    };
    // Twice: the second comes from the cache.
    for _ in 0..2 {
        let public = paths(server.send(&request).expect(200).json());
        let all = paths(Client::connect(free).send(&request).expect(200).json());
        for path in ["/", "/api/metrics", "/api/admin/status", "/api/restart"] {
            assert!(!public.contains(path) && all.contains(path), "{path}");
        }
        assert!(public.contains("/api/auth/login") && public.is_subset(&all));
    }
}

#[test]
fn demo_work_takes_its_parameters_once_and_in_range() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    for class in ["critical", "user", "degraded", "batch"] {
        let told = server.get(&format!("/api/demo/work?class={class}"), &admin).expect(200);
        assert_eq!(told.body.len(), 64);
    }
    for query in ["class=vip", "class=", "class=user&class=batch", "cpu_us=x", "io_ms=60001"] {
        let told = server.get(&format!("/api/demo/work?{query}"), &admin);
        let faults = &told.problem("invalid-request")["errors"];
        assert_eq!(faults.as_array().map(Vec::len), Some(1), "{query}: {faults}");
    }
    let document = server.send(&Request::get("/api/openapi.json")).expect(200).json();
    let answers = &document["paths"]["/api/demo/work"]["get"]["responses"];
    assert!(answers["400"].is_object() && answers["422"].is_null(), "{answers}");
}

#[test]
fn the_greeting_names_the_address_of_the_status_page() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let home = Home::new();
    let server = home.start(&[&format!("server.admin_listen={free}")]);
    let line = server.wait_for_log(&["status page"]);
    assert!(line.contains(&format!("http://{free}/")), "{line}");
}

#[test]
fn demo_work_is_admitted_in_the_class_it_asks_for() {
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    server.get("/api/demo/work?class=batch", &admin).expect(200);
    let metrics = server.metrics(&admin);
    let admitted = metrics.lines().find(|line| {
        line.starts_with("gabion_admission_decisions_total")
            && line.contains("class=\"batch\"")
            && line.contains("decision=\"allow\"")
    });
    assert!(admitted.is_some_and(|line| line.ends_with(" 1")), "{metrics}");
}
