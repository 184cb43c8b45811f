//! Requests over HTTP/1 that are answered before their body was read: the connection goes on, or the
//! answer says that it does not.

use std::time::Duration;

use crate::{
    client::{Client, Request, Response},
    server::{Home, Server, Stopwatch, until},
};

/// Refused from the head alone.
fn without_a_token() -> Request {
    Request::post("/api/auth/password").header("Content-Type", "application/json")
}

/// Whether one more request is answered on the connection.
fn goes_on(client: &mut Client) -> bool {
    client.try_send(&Request::get("/livez")).is_ok_and(|answer| answer.status == 200)
}

/// What becomes of `request` when its body comes a while after its head, and whether the connection then
/// goes on.
fn late(server: &Server, request: &Request) -> (Response, bool) {
    let (bytes, body) = (request.bytes(), request.content().map_or(0, <[u8]>::len));
    let head = bytes.len() - body;
    let mut client = server.client();
    client.raw(&bytes[..head]);
    let waited = Stopwatch::start();
    until("the body is late", || (waited.elapsed() > Duration::from_millis(50)).then_some(()));
    // The connection may have ended by now, and that is what the answer has to say.
    let _ = client.try_raw(&bytes[head..]);
    let answer = client.read(false).expect("an answer");
    let on = goes_on(&mut client);
    (answer, on)
}

#[test]
fn what_came_with_its_head_is_taken_away_and_the_connection_goes_on() {
    let home = Home::new();
    let server = home.start(&[]);
    let mut client = server.client();
    for length in [1, 2000, 50_000] {
        let answer = client.send(&without_a_token().body(vec![b'x'; length]));
        answer.problem("unauthenticated");
        assert!(!answer.closes(), "{length}");
    }
    assert!(goes_on(&mut client));
}

#[test]
fn an_answer_says_whether_the_connection_goes_on() {
    let home = Home::new();
    let server = home.start(&[]);
    let admin = server.admin();
    let body = vec![b'x'; 2000];
    for (code, request) in [
        ("unauthenticated", without_a_token().body(body.as_slice())),
        ("not-found", Request::post("/nowhere").body(body.as_slice())),
        ("method-not-allowed", Request::post("/livez").body(body.as_slice())),
        (
            "unsupported-media-type",
            Request::post("/api/batch").bearer(&admin).body(body.as_slice()),
        ),
        ("body-too-large", without_a_token().body(vec![b'x'; 100_000])),
    ] {
        let (answer, on) = late(&server, &request);
        answer.problem(code);
        assert!(answer.closes() && !on, "{code}: said {}, goes on {on}", answer.closes());
    }
    // What is read is read to its end, however late it comes.
    let good = Request::post("/api/auth/refresh")
        .header("Content-Type", "application/json")
        .body(r#"{"refresh_token":"x"}"#);
    let (answer, on) = late(&server, &good);
    answer.problem("unauthenticated");
    assert!(!answer.closes() && on);
}

#[test]
fn who_waits_to_be_asked_for_a_body_is_answered_and_not_asked() {
    let home = Home::new();
    let server = home.start(&[]);
    let request = without_a_token().header("Expect", "100-continue").body(vec![b'x'; 2000]).bytes();
    let mut client = server.client();
    client.raw(&request[..request.len() - 2000]);
    let answer = client.read(false).expect("an answer");
    answer.problem("unauthenticated");
    assert!(answer.closes());
}
