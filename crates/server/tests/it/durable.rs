//! What was acknowledged holds, whatever happens to the process.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::{
    client::Request,
    server::{Home, PASSWORD, Tokens},
};

#[test]
fn a_logout_survives_a_kill_right_after_its_answer() {
    let home = Home::new();
    let mut before: Option<Tokens> = None;
    for round in 0..=100 {
        let server = home.start(&[]);
        if let Some(Tokens { access, refresh }) = &before {
            assert!(!server.accepts(access), "round {round}");
            server.refresh(refresh).problem("unauthenticated");
        }
        let tokens = server.login("admin", PASSWORD);
        assert!(server.accepts(&tokens.access), "round {round}");
        let mut client = server.client();
        client.send(&Request::post("/api/auth/logout").bearer(&tokens.access)).expect(204);
        server.kill();
        before = Some(tokens);
    }
}

#[test]
fn every_other_acknowledged_change_survives_a_kill() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let ann = server.add(&admin, "ann", &["monitor"]).access;
    let ben = server.add(&admin, "ben", &["user"]);
    let eve = server.add(&admin, "eve", &["user"]);
    let patch = |name: &str, body| {
        let path = format!("/api/admin/users/{name}");
        server.send(&Request::new("PATCH", path).bearer(&admin).json(&body)).expect(200);
    };
    patch("ann", json!({"roles": ["user"]}));
    patch("ben", json!({"enabled": false}));
    let spent = server.refresh(&eve.refresh).expect(200);
    let body = json!({"current": PASSWORD, "new": "another granite otter 78"});
    server.post("/api/auth/password", &admin, &body).expect(204);
    server.kill();

    let server = home.start(&[]);
    server.get("/api/metrics", &ann).problem("forbidden");
    assert!(!server.accepts(&ben.access));
    server.refresh(&eve.refresh).problem("unauthenticated");
    // The reuse has ended the session, so that the new token is not good any more either.
    assert!(!server.accepts(&Tokens::of(&spent).access));
    server.try_login("admin", PASSWORD).problem("invalid-credentials");
    server.login("admin", "another granite otter 78");
}

#[test]
fn whatever_ends_sessions_survives_a_kill_right_after_its_answer() {
    let home = Home::new();
    let mut server = home.start(&[]);
    let names = ["ann", "ben", "eve", "joe", "kim", "lea"];
    for name in names {
        server.add(&server.admin(), name, &["user"]);
    }
    for name in names {
        let admin = server.admin();
        let [own, other, third] = [(); 3].map(|()| server.login(name, PASSWORD));
        let post = |target: &str, body| server.post(target, &own.access, &body);
        let patch = |body| {
            let path = format!("/api/admin/users/{name}");
            server.send(&Request::new("PATCH", path).bearer(&admin).json(&body)).expect(200);
        };
        let new = "another granite otter 78";
        let (ended, kept) = match name {
            "ann" => {
                let list = server.get("/api/auth/sessions", &other.access).expect(200).json();
                let mut list = list["sessions"].as_array().expect("sessions").iter();
                let session = list.find(|session| session["current"] == true).expect("its own");
                let path = format!("/api/auth/sessions/{}", session["id"].as_str().expect("id"));
                server.send(&Request::new("DELETE", path).bearer(&own.access)).expect(204);
                (vec![&other], vec![&own, &third])
            }
            "ben" => {
                post("/api/auth/logout", json!({"everywhere": true})).expect(204);
                (vec![&own, &other, &third], vec![])
            }
            "eve" => {
                post("/api/auth/password", json!({"current": PASSWORD, "new": new})).expect(204);
                (vec![&other, &third], vec![&own])
            }
            "joe" => {
                patch(json!({"password": new}));
                (vec![&own, &other, &third], vec![])
            }
            "kim" => {
                patch(json!({"enabled": false}));
                (vec![&own, &other, &third], vec![])
            }
            _ => {
                // Its reuse ends a session, also where the reuse is refused.
                server.refresh(&other.refresh).expect(200);
                server.refresh(&other.refresh).problem("unauthenticated");
                (vec![&other], vec![&own, &third])
            }
        };
        server.kill();
        server = home.start(&[]);
        for Tokens { access, refresh } in ended {
            assert!(!server.accepts(access), "{name}");
            server.refresh(refresh).problem("unauthenticated");
        }
        for Tokens { access, refresh } in kept {
            assert!(server.accepts(access), "{name}");
            server.refresh(refresh).expect(200);
        }
    }
}

#[test]
fn a_second_start_keeps_the_data_and_tells_no_password() {
    let home = Home::new();
    let made_up = ["auth.bootstrap.password_file="];
    let server = home.start(&made_up);
    let greeting = server.wait_for_log(&["gabion listens on"]);
    assert!(greeting.contains(&server.address().to_string()));
    let line = server.wait_for_log(&["password   "]);
    let password = line.trim().strip_prefix("password").expect("a password").trim().to_owned();
    assert!(password.chars().count() >= 20, "{password}");
    let tokens = server.login("admin", &password);
    server.add(&tokens.access, "ann", &["user"]);
    server.stop();

    let server = home.start(&made_up);
    server.wait_for_log(&["gabion listens on"]);
    let log = server.log();
    assert!(!log.contains("password   ") && !log.contains(&password), "{log}");
    assert!(server.accepts(&tokens.access));
    server.login("ann", PASSWORD);
    server.login("admin", &password);
}

#[test]
fn the_data_is_for_its_owner_alone() {
    let home = Home::new();
    let server = home.start(&[]);
    let mode = |name: &str| {
        let data = std::fs::metadata(home.data(name)).expect("it is there");
        data.permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o700);
    for file in ["gabion.sqlite3", "keys/ring.jwks", "keys/refresh.jwk", "control.sock"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    drop(server);
}
