//! Secrets are looked for in everything that a server says, at the most talkative level.

mod settings;

use std::{fmt::Write, fs, time::Duration};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    client::{Client, Request},
    server::{Home, PASSWORD, Server, Tokens, finish, until},
};

const WRONG: &str = "Wrong canary 5c1e-47 walks";
const CHANGED: &str = "Changed canary 9b3f-22 walks";
const BY_ADMIN: &str = "Given canary 7d20-91 walks";
const TYPED: &str = "Typed canary 3a66-08 walks";
const MISPLACED: &str = "Misplaced canary 1f84-13 walks";
const NAMED: &str = "Named canary 6e05-37 walks";

/// What must never be seen, by the name under which a fault tells of it.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn new() -> Self {
        let passwords = [PASSWORD, WRONG, CHANGED, BY_ADMIN, TYPED, MISPLACED, NAMED];
        Self(passwords.map(|password| ("a password", password.to_owned())).into())
    }

    fn add(&mut self, name: &'static str, secret: impl Into<String>) {
        self.0.push((name, secret.into()));
    }

    /// The tokens, and what of them is enough to make them again.
    fn tokens(&mut self, tokens: &Tokens) {
        let last = |token: &str| token.rsplit_once('.').expect("a signature").1.to_owned();
        self.add("an access token's signature", last(&tokens.access));
        self.add("a refresh token's MAC", last(&tokens.refresh));
        self.add("an access token", &*tokens.access);
        self.add("a refresh token", &*tokens.refresh);
    }

    /// The keys of the folder, in every spelling that a log might use.
    fn keys(&mut self, home: &Home) {
        let mut found = 0;
        for file in fs::read_dir(home.data("keys")).expect("keys").map(|file| file.expect("one")) {
            let json = fs::read(file.path()).unwrap_or_default();
            let Ok(json) = serde_json::from_slice::<Value>(&json) else { continue };
            let many = json["keys"].as_array().cloned().unwrap_or_else(|| vec![json]);
            for secret in many.iter().flat_map(|key| [&key["k"], &key["d"], &key["pkcs8"]]) {
                let Some(secret) = secret.as_str() else { continue };
                let bytes = URL_SAFE_NO_PAD.decode(secret).expect("base64url");
                let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                    write!(hex, "{byte:02x}").expect("text takes text");
                    hex
                });
                self.add("a key", secret);
                self.add("a key in base64", STANDARD.encode(&bytes));
                self.add("a key in hexadecimal", hex.to_uppercase());
                self.add("a key in hexadecimal", hex);
                // As the debugging form of a list begins.
                self.add("a key as numbers", format!("{:?}", &bytes[..6]).replace(']', ""));
                found += 1;
            }
        }
        assert!(found >= 2, "{found} keys");
    }

    #[track_caller]
    fn are_not_in(&self, what: &str, text: &str) {
        for (name, secret) in &self.0 {
            let Some(at) = text.find(secret.as_str()) else { continue };
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let rest = &text[line..];
            panic!("{name} is in {what}: {}", rest.lines().next().unwrap_or_default());
        }
        // A stored hash is no secret to speak of, but it is nobody's business either.
        assert!(!text.contains("$argon2"), "a hash is in {what}");
    }
}

/// Every way that a secret takes into the server, well used and badly.
fn use_everything(home: &Home, server: &Server, secrets: &mut Secrets) {
    let mut admin = server.login("admin", PASSWORD);
    secrets.tokens(&admin);
    let ann = server.add(&admin.access, "ann", &["user"]);
    secrets.tokens(&ann);
    server.try_login("ann", WRONG).problem("invalid-credentials");
    server.try_login("nobody", WRONG).problem("invalid-credentials");
    server.try_login(MISPLACED, MISPLACED).problem("invalid-credentials");
    let body = json!({"current": PASSWORD, "new": CHANGED});
    server.post("/api/auth/password", &ann.access, &body).expect(204);
    let body = json!({"current": WRONG, "new": "short"});
    server.post("/api/auth/password", &ann.access, &body).problem("invalid-credentials");
    let change = |body: Value| {
        let request = Request::new("PATCH", "/api/admin/users/ann").bearer(&admin.access);
        server.send(&request.json(&body))
    };
    change(json!({"password": BY_ADMIN})).expect(200);
    change(json!({"password": [MISPLACED]})).problem("invalid-body");
    // The name of an unknown member is told to whoever sent it, and to nobody else.
    change(json!({NAMED: true})).problem("invalid-body");

    let second = Tokens::of(&server.refresh(&admin.refresh).expect(200));
    secrets.tokens(&second);
    for token in [&admin.refresh, &second.refresh, &second.access] {
        server.refresh(token).problem("unauthenticated");
    }
    admin = server.login("admin", PASSWORD);
    secrets.tokens(&admin);

    // Bodies that are not what they must be, so that somebody might want to say what they are.
    for body in [
        format!("\"{MISPLACED}\""),
        format!("{{\"username\":\"ann\",\"password\":[\"{MISPLACED}\"]}}"),
        format!("{{\"username\":\"ann\",\"password\":\"{MISPLACED}"),
        format!("{{\"username\":\"ann\",\"password\":\"{MISPLACED}\\x\"}}"),
        format!("username=ann&password={MISPLACED}"),
    ] {
        for media in ["application/json", "application/x-www-form-urlencoded"] {
            let request = Request::post("/api/auth/login").header("Content-Type", media);
            let answer = server.send(&request.body(body.as_str()));
            assert!((400..500).contains(&answer.status), "{}", answer.status);
            secrets.are_not_in("an answer", &answer.text());
        }
    }
    // Tokens where they do not belong.
    let token = &admin.access;
    for request in [
        Request::get(format!("/api/auth/verify?access_token={token}")),
        Request::get(format!("/{token}")),
        Request::get(format!("/api/problems/{token}")),
        Request::new("DELETE", format!("/api/auth/sessions/{token}")).bearer(token),
        Request::new(token, "/livez"),
        Request::get("/api/auth/verify").bearer(token).bearer(token),
        Request::get("/api/auth/verify").bearer(&format!("{token}.x")),
        Request::get("/api/auth/verify").bearer(&format!("{token}\u{e9}")),
        Request::get("/api/auth/verify").header("Authorization", format!("Basic {token}")),
        Request::get("/api/auth/verify").header("Cookie", format!("token={token}")),
        Request::get("/api/auth/verify").header("Referer", format!("http://x/?token={token}")),
        Request::get("/livez").header("X-Request-Id", format!("{token}!")),
        Request::get("/livez").header("traceparent", token),
        Request::get("/livez").header("X-Forwarded-For", token),
    ] {
        let answer = server.send(&request);
        assert_ne!(answer.status, 500, "{}", request.target);
        secrets.are_not_in("an answer", &answer.text());
    }
    let body = json!({"name": "a machine", "username": "admin", "scopes": ["status"]});
    let key = server.post("/api/admin/api-keys", token, &body).expect(201).json();
    let key = key["secret"].as_str().expect("a secret").to_owned();
    secrets.add("an API key", key.splitn(3, '_').nth(2).expect("three parts"));
    server.get("/api/admin/status", &key).expect(200);
    server.get("/api/auth/verify", &format!("{key}x")).problem("unauthenticated");
    for target in [format!("/{key}"), format!("/api/auth/verify?api_key={key}")] {
        let answer = server.send(&Request::get(target));
        secrets.are_not_in("an answer", &answer.text());
    }
    let items = json!({"requests": [
        {"id": "a", "method": "GET", "path": format!("/api/auth/verify?token={token}")},
        {"id": "b", "method": "POST", "path": "/api/auth/login",
            "body": {"username": "ann", "password": WRONG}},
        {"id": "c", "method": "POST", "path": "/api/auth/refresh",
            "body": {"refresh_token": ann.refresh}},
        {"id": "d", "method": "POST", "path": "/api/auth/refresh", "body": ann.refresh},
    ]});
    server.post("/api/batch", token, &items).expect(200);
    for target in [
        "/api/auth/sessions",
        "/api/admin/users",
        "/api/admin/status",
        "/api/metrics",
        "/api/admin/config",
        "/api/admin/audit",
        "/api/admin/backups",
        "/api/openapi.json",
        "/.well-known/jwks.json",
    ] {
        let answer = server.get(target, token);
        assert!([200, 404].contains(&answer.status), "{target} {}", answer.status);
        secrets.are_not_in(target, &answer.text());
    }
    server.send(&Request::post("/api/admin/backups").bearer(token)).expect(201);
    let mut events = server.client();
    events.raw(&Request::get("/api/admin/events").bearer(token).bytes());
    events.read_head().expect("a head");
    let event = events.read_chunk().expect("an event");
    secrets.are_not_in("an event", &String::from_utf8_lossy(&event));
    for target in ["/api/auth/verify", "/api/admin/users", "/none", "/api/auth/sessions/x"] {
        crate::http2::ask(server.address(), target, token);
    }
    over_http2(server, token, secrets);

    for (arguments, input) in [
        (&["user", "add", "ben"][..], TYPED),
        (&["user", "passwd", "ben"], CHANGED),
        (&["user", "passwd", "ben"], "short"),
        (&["user", "list", "--json"], ""),
        (&["key", "list", "--json"], ""),
    ] {
        let told = finish(home.command(arguments, &[]), input);
        secrets.are_not_in("a command's words", &format!("{}{}", told.stdout, told.stderr));
    }
    server.post("/api/auth/logout", token, &json!({"everywhere": true})).expect(204);
    assert!(!server.accepts(token));
}

/// A field as it is, outside of all tables (RFC 7541 §6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = Vec::new();
        let mut length = text.len();
        if length < 127 {
            bytes.push(length as u8);
        } else {
            bytes.push(127);
            length -= 127;
            while length >= 128 {
                bytes.push(length as u8 | 128);
                length >>= 7;
            }
            bytes.push(length as u8);
        }
        bytes.extend(text.bytes());
        bytes
    };
    [vec![0], text(name), text(value)].concat()
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Tokens where HTTP/2 does not expect them: what is told of a request that is none.
fn over_http2(server: &Server, token: &str, secrets: &Secrets) {
    let bearer = format!("Bearer {token}");
    let usual =
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")];
    let broken = format!("/{token} \u{7f}");
    for (name, value) in [
        ("te", token),
        ("te", &bearer),
        ("connection", &bearer),
        ("content-length", token),
        ("Authorization", &bearer),
        ("authorization", &format!("{bearer}\n")),
        (":authorization", &bearer),
        (":path", &broken),
        (":path", &format!("{token}/")),
        (":scheme", &broken),
        (":scheme", token),
        (":authority", &broken),
        (":authority", &format!("user:{token}@localhost")),
        (":method", &broken),
        (":method", token),
        (":protocol", token),
        (":status", token),
        ("cookie", token),
        ("host", token),
        ("expect", token),
    ] {
        let mut fields = usual.to_vec();
        match fields.iter_mut().find(|(own, _)| *own == name) {
            Some(own) => own.1 = value,
            None => fields.push((name, value)),
        }
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
        let mut client: Client = server.client();
        let goaway = [&[0; 8], token.as_bytes()].concat();
        // With the headers' and the stream's end; then why the client leaves, in its own words.
        let frames =
            [frame(4, 0, 0, &[]), frame(1, 5, 1, &block), frame(7, 0, 0, &goaway)].concat();
        client.raw(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*frames].concat());
        let _ = client.finish();
        let answer = client.rest(Duration::from_secs(2)).unwrap_or_default();
        secrets.are_not_in("an answer", &String::from_utf8_lossy(&answer));
    }
}

#[test]
fn secrets_are_in_no_log_and_no_answer() {
    for sets in [
        ["log.level=trace", "log.format=json", "auth.algorithm=HS256"],
        ["log.level=trace", "log.format=pretty", "auth.algorithm=EdDSA"],
    ] {
        let home = Home::new();
        let mut server = home.start(&sets);
        let mut secrets = Secrets::new();
        secrets.keys(&home);
        use_everything(&home, &server, &mut secrets);
        let admin = server.admin();
        let metrics = server.metrics(&admin);
        let lost = metrics.lines().find(|line| line.starts_with("gabion_log_lines_lost_total"));
        assert_eq!(lost, Some("gabion_log_lines_lost_total 0"));
        server.signal(Signal::TERM);
        server.ended();
        let log =
            until("the log ends", || Some(server.log()).filter(|log| log.contains("drained")));
        // It was talkative indeed.
        assert!(log.contains("sqlx::query") && log.len() > 20_000, "{} bytes", log.len());
        secrets.are_not_in("the log", &log);
    }
}

#[test]
fn secrets_are_stored_by_nobody_but_the_keys() {
    let home = Home::new();
    let server = home.start(&[]);
    let mut secrets = Secrets::new();
    use_everything(&home, &server, &mut secrets);
    server.stop();
    for file in fs::read_dir(home.data("")).expect("a folder").map(|file| file.expect("one")) {
        if !file.path().is_file() {
            continue;
        }
        let bytes = fs::read(file.path()).expect("a file");
        for (name, secret) in &secrets.0 {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{name} is in {}", file.path().display());
        }
    }
}
