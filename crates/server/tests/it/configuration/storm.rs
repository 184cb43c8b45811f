//! A thousand changes while clients go on.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{KEY, reload, replace, text, value, with_file};
use crate::{
    client::Request,
    server::{Home, Server, until},
};

const CHANGES: usize = 1000;
/// Until then the allocator finds its size.
const WARM: usize = 300;

fn good(turn: usize) -> String {
    let level = ["info", "warn"][turn % 2];
    format!(
        "{}[limits.time]\nhead = \"{}s\"\n[budgets]\nlatency_p99 = \"{}ms\"\n[log]\nlevel = \"{level}\"\n\
         [server]\nallowed_hosts = [\"localhost\", \"127.0.0.1\", \"h{turn}.example\"]\n",
        text(&format!("{}KiB", 8 + turn % 50)),
        10 + turn % 7,
        100 + turn % 9,
    )
}

const BAD: [&str; 4] = [
    "[limits.size]\njson_body = \"a lot\"\n",
    "[limits.size\njson_body = \"8KiB\"\n",
    "[limits.size]\njson_bodi = \"8KiB\"\n[cache]\nentries = -1\n",
    "[server]\nallowed_hosts = [\"a b\"]\n",
];

fn handles(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("its handles").count()
}

#[test]
fn a_thousand_changes_under_load_fail_no_request_and_keep_all_state() {
    let home = Home::new();
    let file = home.write("gabion.toml", good(0));
    let sets = ["limits.rate.login.quota=1/h", "limits.rate.login.burst=2", "demo.enabled=true"];
    let server = with_file(&home, &file, &sets);
    let admin = server.admin();
    let other = server.admin();
    server.try_login("admin", "x").problem("rate-limited");
    let cached = server.get("/api/demo/cached/a", &admin).expect(200).json();
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut before, mut taken, mut refused) = ((0, 0), 0, 0);
    thread::scope(|scope| {
        for target in ["/api/auth/verify", "/api/health", "/api/demo/cached/a"] {
            let (server, done, served, other) = (&server, &done, &served, &other);
            scope.spawn(move || {
                let mut client = server.client();
                let ask = Request::get(target).bearer(other);
                while !done.load(Ordering::Relaxed) {
                    client.send(&ask).expect(200);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut client = server.client();
        let ask = Request::post("/api/admin/config/reload").bearer(&admin);
        for turn in 1..=CHANGES {
            let bad = turn % 2 == 0;
            let content = if bad { BAD[turn / 2 % BAD.len()].to_owned() } else { good(turn) };
            replace(&home, "gabion.toml", content);
            if turn % 10 < 3 {
                server.signal(Signal::HUP);
            } else {
                let answer = client.send(&ask);
                assert_eq!(answer.status, if bad { 422 } else { 200 }, "{}", answer.text());
                if bad { refused += 1 } else { taken += 1 }
            }
            if turn == WARM {
                before = (server.resident(), handles(&server));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let (resident, open) = (server.resident(), handles(&server));
    assert!(resident < before.0 + (2 << 20), "{} bytes more", resident - before.0);
    // The connections of the clients are gone by now, or nearly.
    assert!(open <= before.1 + 2, "{} and then {open}", before.1);
    assert!(taken >= 300 && refused >= 300, "{taken} {refused}");
    assert!(served.into_inner() > 1000);
    // What comes last holds, whoever brings it.
    replace(&home, "gabion.toml", good(1234));
    server.signal(Signal::HUP);
    let wanted = format!("{}KiB", 8 + 1234 % 50);
    until("the last one holds", || (value(&server, &admin, KEY) == wanted.as_str()).then_some(()));
    for (key, wanted) in [
        ("limits.time.head", json!(format!("{}s", 10 + 1234 % 7))),
        ("budgets.latency_p99", json!(format!("{}ms", 100 + 1234 % 9))),
        ("log.level", json!("info")),
        ("server.allowed_hosts", json!(["localhost", "127.0.0.1", "h1234.example"])),
    ] {
        assert_eq!(value(&server, &admin, key), wanted, "{key}");
    }
    assert_eq!(reload(&server, &admin).expect(200).json()["changed"], Value::Array(Vec::new()));
    server.try_login("admin", "x").problem("rate-limited");
    assert!(server.accepts(&other));
    assert_eq!(server.get("/api/demo/cached/a", &admin).expect(200).json(), cached);
    assert!(home.run(&["config", "history"]).good().lines().count() <= 20);
}
