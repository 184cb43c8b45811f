//! Signing keys: every algorithm, rotation, and the end of a key.

use std::{
    fs,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gabion_auth::{Algorithm, KeyResolver, Verifier, VerifyingKey};
use gabion_clock::{Clock, SystemClock};
use serde_json::Value;

use crate::{
    client::{Client, Request},
    server::{Home, PASSWORD, Server, until},
};

const ALGORITHMS: [&str; 4] = ["HS256", "EdDSA", "ES256", "RS256"];

fn signed_by(algorithm: &str) -> String {
    format!("auth.algorithm={algorithm}")
}

/// What a token's header says of its key.
fn kid(token: &str) -> String {
    header(token)["kid"].as_str().expect("a name").to_owned()
}

fn header(token: &str) -> Value {
    let header = token.split('.').next().expect("a header");
    let text = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    serde_json::from_slice(&text).expect("JSON")
}

fn published(server: &Server) -> Vec<Value> {
    let set = server.send(&Request::get("/.well-known/jwks.json")).expect(200);
    assert_eq!(set.header("content-type"), Some("application/jwk-set+json"));
    assert_eq!(set.header("cache-control"), Some("public, max-age=300"));
    set.json()["keys"].as_array().expect("keys").clone()
}

/// The names of the keys, the one that signs first.
fn listed(server: &Server, admin: &str) -> Vec<String> {
    let list = server.get("/api/admin/keys", admin).expect(200).json();
    let keys = list["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a name").to_owned()).collect()
}

#[track_caller]
fn rotate(server: &Server, admin: &str) -> String {
    let made = server.send(&Request::post("/api/admin/keys/rotate").bearer(admin)).expect(201);
    assert_eq!(made.json()["signs"], true);
    made.json()["kid"].as_str().expect("a name").to_owned()
}

fn retire(admin: &str, kid: &str) -> Request {
    Request::new("DELETE", format!("/api/admin/keys/{kid}")).bearer(admin)
}

/// Somebody else who knows what is published and nothing more.
struct Stranger(Vec<Arc<VerifyingKey>>);

impl Stranger {
    fn of(server: &Server) -> Verifier {
        let keys = published(server);
        let keys = keys.iter().map(|key| Arc::new(VerifyingKey::from_jwk(key).expect("a key")));
        Verifier::new(Self(keys.collect()), "gabion", "gabion", Duration::from_secs(30))
    }
}

impl KeyResolver for Stranger {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        self.0.iter().find(|key| Some(key.id().as_str()) == kid).cloned()
    }
}

fn verifies(verifier: &Verifier, token: &str) -> bool {
    verifier.verify(token, SystemClock::new().unix()).is_ok()
}

#[test]
fn each_algorithm_signs_and_its_public_key_verifies() {
    for algorithm in ALGORITHMS {
        let home = Home::new();
        let server = home.start(&[&signed_by(algorithm)]);
        let tokens = server.login("admin", PASSWORD);
        assert_eq!(header(&tokens.access)["alg"], algorithm);
        assert!(server.accepts(&tokens.access));
        let refreshed = server.refresh(&tokens.refresh).expect(200).json();
        assert!(server.accepts(refreshed["access_token"].as_str().expect("a token")));
        let keys = published(&server);
        if algorithm == Algorithm::Hs256.as_str() {
            assert!(keys.is_empty(), "{keys:?}");
            continue;
        }
        assert_eq!(keys[0]["alg"], algorithm);
        let secret = ["d", "k", "p", "q", "dp", "dq", "qi", "pkcs8"];
        assert!(secret.iter().all(|name| keys[0][*name].is_null()), "{}", keys[0]);
        let stranger = Stranger::of(&server);
        assert!(verifies(&stranger, &tokens.access));
        assert!(!verifies(&stranger, &format!("{}A", tokens.access)));
    }
}

#[test]
fn a_rotation_ends_no_token_and_signs_with_another_key() {
    for algorithm in ALGORITHMS {
        let home = Home::new();
        let server = home.start(&[&signed_by(algorithm)]);
        let old = server.login("admin", PASSWORD);
        let before = listed(&server, &old.access);
        assert_eq!(before, [kid(&old.access)]);
        let signs = rotate(&server, &old.access);
        let new = server.admin();
        assert_eq!(
            (kid(&new), listed(&server, &new)),
            (signs.clone(), vec![signs, kid(&old.access)])
        );
        for token in [&old.access, &new] {
            assert!(server.accepts(token), "{algorithm}");
        }
        if algorithm != "HS256" {
            assert_eq!(published(&server).len(), 2);
            let stranger = Stranger::of(&server);
            assert!(verifies(&stranger, &old.access) && verifies(&stranger, &new));
        }
        // As a power cut would leave it.
        server.kill();
        let server = home.start(&[&signed_by(algorithm)]);
        for token in [&old.access, &new] {
            assert!(server.accepts(token), "{algorithm}");
        }
        assert_eq!(kid(&server.admin()), kid(&new));
    }
}

#[test]
fn a_retired_key_is_refused_from_the_answer_on_and_its_sessions_go_on() {
    for algorithm in ALGORITHMS {
        let home = Home::new();
        let server = home.start(&[&signed_by(algorithm)]);
        let (old, kept) = (server.login("admin", PASSWORD), server.login("admin", PASSWORD));
        // It is remembered by now.
        assert!(server.accepts(&old.access) && server.accepts(&old.access));
        server.send(&retire(&old.access, &kid(&old.access))).expect(204);
        assert!(!server.accepts(&old.access), "{algorithm}");
        let refreshed = server.refresh(&kept.refresh).expect(200).json();
        let new = refreshed["access_token"].as_str().expect("a token").to_owned();
        assert!(server.accepts(&new));
        assert_ne!(kid(&new), kid(&old.access));
        assert!(published(&server).iter().all(|key| key["kid"] == kid(&new).as_str()));
        server.kill();
        let server = home.start(&[&signed_by(algorithm)]);
        assert!(!server.accepts(&old.access) && server.accepts(&new), "{algorithm}");
    }
}

#[test]
fn a_superseded_key_is_retired_alone() {
    let home = Home::new();
    let server = home.start(&[]);
    let old = server.admin();
    rotate(&server, &old);
    let new = server.admin();
    server.send(&retire(&new, &kid(&old))).expect(204);
    assert!(!server.accepts(&old) && server.accepts(&new));
    assert_eq!(listed(&server, &new), [kid(&new)]);
}

#[test]
fn a_key_that_is_not_there_cannot_be_retired() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    for kid in ["unknown", "..", "%2e%2e%2fring.jwks", "a%00b", &"k".repeat(2000)] {
        server.send(&retire(&admin, kid)).problem("not-found");
    }
    assert!(server.accepts(&admin));
}

#[test]
fn a_full_ring_takes_another_key_when_one_has_gone() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let rotation = Request::post("/api/admin/keys/rotate").bearer(&admin);
    for _ in 1..64 {
        server.send(&rotation).expect(201);
    }
    let refused = server.send(&rotation);
    assert!(refused.text().contains("full"), "{}", refused.text());
    refused.problem("conflict");
    let keys = listed(&server, &admin);
    assert_eq!((keys.len(), keys.last()), (64, Some(&kid(&admin))));
    server.send(&retire(&admin, &keys[1])).expect(204);
    server.send(&rotation).expect(201);
    assert!(server.accepts(&admin));
}

#[test]
fn only_administrators_touch_keys() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let monitor = server.add(&admin, "mo", &["monitor", "user"]).access;
    let key = kid(&admin);
    let refused = [
        Request::get("/api/admin/keys").bearer(&monitor),
        Request::post("/api/admin/keys/rotate").bearer(&monitor),
        retire(&monitor, &key),
    ];
    for request in &refused {
        server.send(request).problem("forbidden");
    }
    server.send(&Request::post("/api/admin/keys/rotate")).problem("unauthenticated");
    assert_eq!(listed(&server, &admin), [key]);
}

#[test]
fn another_algorithm_keeps_the_tokens_of_the_one_before() {
    let home = Home::new();
    let mut tokens = Vec::new();
    for algorithm in ["HS256", "EdDSA", "ES256", "RS256", "HS256"] {
        let server = home.start(&[&signed_by(algorithm)]);
        tokens.push(server.admin());
        let last = tokens.last().expect("a token");
        assert_eq!(header(last)["alg"], algorithm);
        for token in &tokens {
            assert!(server.accepts(token), "{algorithm}");
        }
        assert_eq!(listed(&server, last).len(), tokens.len());
        server.stop();
    }
}

// Once acknowledged, a key is on disk; killed at any moment, the ring is the one before or the one after.
#[test]
fn a_kill_amid_rotations_leaves_every_key_that_was_acknowledged() {
    for round in 0..6 {
        let home = Home::new();
        let server = home.start(&[]);
        let admin = server.admin();
        let (rotation, address) =
            (Request::post("/api/admin/keys/rotate").bearer(&admin), server.address());
        let made = thread::scope(|scope| {
            let (told, heard) = mpsc::channel();
            let rotation = &rotation;
            let rotating = scope.spawn(move || {
                let mut made = Vec::new();
                while made.len() < 50 {
                    let answer = Client::try_connect(address)
                        .and_then(|mut client| client.try_send(rotation));
                    let Ok(answer) = answer else { break };
                    let made_now = answer.expect(201).json();
                    made.push(made_now["kid"].as_str().expect("a name").to_owned());
                    // Whoever counts has killed the server by then.
                    let _ = told.send(());
                }
                made
            });
            // The next rotation is under way.
            for _ in 0..=round {
                heard.recv().expect("another rotation");
            }
            server.kill();
            rotating.join().expect("the client ends")
        });
        let server = home.start(&[]);
        let keys = listed(&server, &admin);
        assert!(made.iter().all(|kid| keys.contains(kid)), "{made:?} {keys:?}");
        assert_eq!(kid(&server.admin()), keys[0]);
    }
}

#[test]
fn a_folder_of_the_former_form_keeps_its_key() {
    let home = Home::new();
    let server = home.start(&[]);
    let token = server.admin();
    server.stop();
    // As it was before there were several keys.
    let ring: Value =
        serde_json::from_slice(&fs::read(home.data("keys/ring.jwks")).expect("the ring"))
            .expect("JSON");
    let key = &ring["keys"][0];
    let single = serde_json::json!({
        "kty": "oct", "alg": "HS256", "kid": key["kid"], "iat": key["iat"], "k": key["k"],
    });
    fs::remove_file(home.data("keys/ring.jwks")).expect("the ring goes");
    home.write("data/keys/signing.jwk", single.to_string());
    let server = home.start(&[]);
    assert!(server.accepts(&token));
    assert!(!home.data("keys/signing.jwk").exists());
}

#[test]
fn keys_that_have_verified_for_long_enough_are_forgotten() {
    let home = Home::new();
    let short = ["auth.access_ttl=1s", "auth.leeway=0s"];
    let server = home.start(&short);
    home.run(&["key", "rotate"]).good();
    server.stop();
    until("the last token of the key has expired", || {
        let server = home.start(&short);
        let keys = home.run(&["key", "list", "--json"]).json();
        server.stop();
        (keys.as_array().map(Vec::len) == Some(1)).then_some(())
    });
}

#[test]
fn what_is_done_to_keys_is_recorded() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let (first, second) = (kid(&admin), rotate(&server, &admin));
    let admin = server.admin();
    server.send(&retire(&admin, &first)).expect(204);
    server.send(&retire(&admin, "unknown")).problem("not-found");
    for (action, outcome, subject) in [
        ("key.rotate", "success", second.as_str()),
        ("key.retire", "success", &first),
        ("key.retire", "not-found", "unknown"),
    ] {
        server.wait_for_log(&[
            &format!("\"action\":\"{action}\""),
            &format!("\"outcome\":\"{outcome}\""),
            &format!("\"subject\":\"{subject}\""),
            "\"actor\":\"admin\"",
        ]);
    }
    let ring: Value =
        serde_json::from_slice(&fs::read(home.data("keys/ring.jwks")).expect("the ring"))
            .expect("JSON");
    let secret = ring["keys"][0]["k"].as_str().expect("a secret");
    assert!(!server.log().contains(secret));
}

#[test]
fn the_commands_reach_the_running_server() {
    let home = Home::new();
    let server = home.start(&[]);
    let tokens = server.login("admin", PASSWORD);
    let first = kid(&tokens.access);
    let made = home.run(&["key", "rotate", "--json"]).json();
    let second = made["kid"].as_str().expect("a name").to_owned();
    assert_eq!(kid(&server.admin()), second);
    let list = home.run(&["key", "list", "--json"]).json();
    assert_eq!((&list[0]["kid"], &list[0]["signs"]), (&second.as_str().into(), &true.into()));
    assert_eq!((&list[1]["kid"], &list[1]["signs"]), (&first.as_str().into(), &false.into()));
    assert!(list[1]["verifies_until"].is_string());
    let told = home.run(&["key", "list"]).good();
    assert!(told.contains("signs") && told.contains("verifies until"), "{told}");
    assert!(server.accepts(&tokens.access));
    home.run(&["key", "retire", &first]).good();
    assert!(!server.accepts(&tokens.access));
    server.refresh(&tokens.refresh).expect(200);
    let again = home.run(&["key", "retire", &first]);
    assert_eq!((again.code, again.stderr.trim()), (Some(1), "gabion: there is no such key"));
}

#[test]
fn the_commands_work_without_a_server() {
    let home = Home::new();
    for command in [&["key", "list"][..], &["key", "rotate"], &["key", "retire", "unknown"]] {
        let told = home.run(command);
        assert_eq!(told.code, Some(1), "{told:?}");
        assert!(told.stderr.contains("start the server once"), "{told:?}");
    }
    let server = home.start(&[]);
    let (old, other) = (server.admin(), server.login("admin", PASSWORD));
    server.stop();
    let made = home.run(&["key", "rotate", "--json"]).json();
    assert_eq!(home.run(&["key", "list", "--json"]).json().as_array().map(Vec::len), Some(2));
    let server = home.start(&[]);
    assert!(server.accepts(&old));
    assert_eq!(kid(&server.admin()), made["kid"].as_str().expect("a name"));
    server.stop();
    home.run(&["key", "retire", &kid(&old)]).good();
    let unknown = home.run(&["key", "retire", &kid(&old)]);
    assert_eq!((unknown.code, unknown.stderr.trim()), (Some(1), "gabion: there is no such key"));
    let server = home.start(&[]);
    assert!(!server.accepts(&old));
    server.refresh(&other.refresh).expect(200);
    let admin = server.admin();
    let audit = server.get("/api/admin/audit", &admin).expect(200).text();
    assert!(audit.contains("key.rotate") && audit.contains("key.retire"), "{audit}");
}

#[test]
fn a_rotation_without_a_server_follows_the_configured_algorithm_with_one_key() {
    let home = Home::new();
    home.start(&[]).stop();
    let command = home.command(&["key", "rotate", "--json"], &[&signed_by("ES256")]);
    let made = crate::server::finish(command, "").json();
    assert_eq!(made["algorithm"], "ES256");
    assert_eq!(home.run(&["key", "list", "--json"]).json().as_array().map(Vec::len), Some(2));
}

fn restart(server: &Server, admin: &str) {
    server.send(&Request::post("/api/restart").bearer(admin)).expect(202);
    until("the new process serves", || (server.status(admin)["generation"] == 2).then_some(()));
}

#[test]
fn keys_stay_as_they_are_while_two_processes_use_them() {
    let home = Home::new();
    let mut server = home.start(&["lifecycle.drain=60s"]);
    let admin = server.admin();
    let mut old = server.client();
    old.send(&Request::get("/livez")).expect(200);
    restart(&server, &admin);
    let rotation = Request::post("/api/admin/keys/rotate").bearer(&admin);
    for refused in
        [server.send(&rotation), server.send(&retire(&admin, &kid(&admin))), old.send(&rotation)]
    {
        assert!(refused.text().contains("hand-over"), "{}", refused.text());
        refused.problem("conflict");
    }
    drop(old);
    assert_eq!(server.ended().code(), Some(0));
    until("the new process is alone", || {
        let rotated = server.send(&rotation);
        (rotated.status == 201).then_some(())
    });
    assert!(server.accepts(&admin) && server.accepts(&server.admin()));
}

#[test]
fn during_a_hand_over_to_another_algorithm_both_processes_take_both_tokens() {
    let home = Home::new();
    let file = home.write("gabion.toml", "");
    let arguments = ["serve", "--print-ready", "--config", &file];
    let server = home.start_as(&arguments, &["lifecycle.drain=60s"]);
    let admin = server.admin();
    let mut old = server.client();
    old.send(&Request::get("/livez")).expect(200);
    home.write("gabion.toml", "[auth]\nalgorithm = \"EdDSA\"\n");
    restart(&server, &admin);
    let new = server.admin();
    assert_eq!(
        (header(&admin)["alg"].as_str(), header(&new)["alg"].as_str()),
        (Some("HS256"), Some("EdDSA"))
    );
    assert!(server.accepts(&admin) && server.accepts(&new));
    old.send(&Request::get("/api/auth/verify").bearer(&new)).expect(200);
}
