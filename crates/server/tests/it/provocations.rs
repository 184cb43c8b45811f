//! Everything that can be refused, provoked: whatever the layer and the protocol, the answer is a
//! problem document that fits, tells nothing of what is inside, and leaves the server as it was.

mod batch;
mod disk;
mod log;
mod mutations;
mod table;
mod wire;
mod world;

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use self::{
    log::Log,
    table::{ROWS, Row, Sent},
    wire::{Over, To, Way},
    world::{Place, World},
};
use crate::{
    client::{Request, Response},
    problem::{CODES, tells_nothing_internal},
    server::Home,
};

/// Put wherever a client can put something; nobody may repeat it.
const CANARY: &str = "canary5e1f70a9";

/// What was answered with an id of its own.
struct Answered {
    row: &'static Row,
    request_id: String,
}

/// The request with the canary in everything that does not matter.
fn laced(request: Request) -> Request {
    request
        .header("X-Secret", CANARY)
        .header(&format!("X-{CANARY}"), "1")
        .header("Cookie", format!("session={CANARY}"))
        .header("Referer", format!("http://localhost/?token={CANARY}"))
        .header("User-Agent", CANARY)
        .header("X-Request-Id", format!("{CANARY}!"))
        .header("traceparent", CANARY)
        .header("Accept", format!("text/{CANARY}"))
}

/// Checks everything that is promised of a refusal, but what its body tells.
#[track_caller]
fn check_head(row: &Row, over: Over, world: &World, answer: &Response) {
    answer.has_usual_headers();
    let told = || format!("{} {:?}", answer.status, answer.headers);
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", told());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", told());
    let tls = answer.header("strict-transport-security").is_some();
    // Without TLS it would be ignored, and is not said (RFC 6797 §7.2).
    assert_eq!(tls, world.authority.is_some() && row.layer != "tls", "{}", told());
    if over == Over::Http2 {
        assert_eq!(answer.header("connection"), None, "{}", told());
    }
    for (name, value) in &answer.headers {
        if name != "allow" {
            tells_nothing_internal(value);
        }
        assert!(!value.to_lowercase().contains(CANARY), "{}", told());
    }
}

/// Provokes once, and returns under which id that was answered.
#[track_caller]
fn provoke(row: &Row, over: Over, world: &World) -> Vec<String> {
    let to = world.to();
    let mut ids = Vec::new();
    let answer = match row.sent {
        Sent::Bytes(bytes) if row.layer == "tls" => {
            To { authority: None, ..to }.send_bytes(&bytes(world))
        }
        Sent::Bytes(bytes) => to.send_bytes(&bytes(world)),
        Sent::Request(way, request) => {
            let request = laced(request(world));
            if way == Way::Whole && request.method == "GET" {
                let head = to.send(over, way, &request.clone().by("HEAD")).expect("an answer");
                check_head(row, over, world, &head);
                let status = CODES.iter().find(|(code, _)| *code == row.code);
                assert_eq!(status.map(|it| it.1), Some(head.status), "HEAD");
                assert!(head.body.is_empty(), "HEAD: {}", head.text());
                ids.push(head.header("x-request-id").expect("an id").to_owned());
            }
            to.send(over, way, &request)
        }
    };
    let answer = answer.expect("an answer");
    let body = answer.problem(row.code);
    check_head(row, over, world, &answer);
    if row.code == "invalid-body" {
        assert!(!answer.faults().is_empty(), "{body}");
    }
    if !row.named {
        assert!(!answer.text().to_lowercase().contains(CANARY), "{}", answer.text());
    }
    ids.push(answer.header("x-request-id").expect("an id").to_owned());
    if world.place.stays() {
        let livez = to.send(over, Way::Whole, &Request::get("/livez")).expect("an answer");
        livez.expect(200);
    }
    ids
}

/// Provokes a server of this place in every way there is, and looks into its log.
fn provoke_all(place: Place) {
    // Who drains takes connections for a second, which may be too short on a busy machine.
    let tries = if place.stays() { 1 } else { 3 };
    let failed = (0..tries).map_while(|_| try_all(place).err()).collect::<Vec<_>>();
    assert!(failed.len() < tries, "{}", failed.join("\n"));
}

fn try_all(place: Place) -> Result<(), String> {
    let world = World::new(place);
    let rows = ROWS.iter().filter(|row| row.place == place || row.is_for_tls(place));
    let (mut answered, mut failed) = (Vec::new(), Vec::new());
    for row in rows {
        for over in row.overs() {
            match catch_unwind(AssertUnwindSafe(|| provoke(row, *over, &world))) {
                Ok(ids) => {
                    let ids = ids.into_iter();
                    answered.extend(ids.map(|request_id| Answered { row, request_id }));
                }
                Err(panic) => {
                    let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                    failed.push(format!("{} ({}) over {over:?}: {text}", row.name, row.layer));
                }
            }
        }
    }
    if !failed.is_empty() {
        return Err(format!("{} failed:\n{}", failed.len(), failed.join("\n")));
    }
    Log::new(&world.log()).check(&answered);
    Ok(())
}

macro_rules! places {
    ($($name:ident: $place:ident;)*) => {$(
        #[test]
        fn $name() {
            provoke_all(Place::$place);
        }
    )*};
}

places! {
    a_server_with_which_nothing_is_the_matter: Usual;
    a_server_over_tls: Tls;
    a_server_in_a_hurry: Hurried;
    an_address_that_has_used_up_its_quota: SpentAddress;
    an_account_that_has_used_up_its_quota: SpentCaller;
    an_address_that_has_used_up_its_logins: SpentLogin;
    an_account_that_is_locked: Locked;
    a_server_that_does_not_wait: Impatient;
    a_server_without_a_disk: FullDisk;
    a_server_with_too_many_followers: Followed;
    a_server_on_its_last_connections: LastConnections;
    a_server_that_hands_over: HandingOver;
    a_server_that_drains: Draining;
    a_server_whose_file_is_bad: BadFile;
}

#[test]
fn every_code_and_every_place_has_its_rows() {
    let home = Home::new();
    let server = home.start(&[]);
    let document = server.send(&Request::get("/api/openapi.json")).json();
    let codes = document
        .pointer("/components/schemas/Problem/properties/code/enum")
        .and_then(|codes| codes.as_array().cloned());
    let codes: BTreeSet<String> = codes
        .expect("the codes")
        .iter()
        .map(|code| code.as_str().expect("a text").to_owned())
        .collect();
    let contract: BTreeSet<String> = CODES.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(codes, contract);
    let provoked: BTreeSet<String> = ROWS.iter().map(|row| row.code.to_owned()).collect();
    assert_eq!(provoked, contract);
    for place in Place::ALL {
        assert!(ROWS.iter().any(|row| row.place == place), "{place:?}");
    }
    let both = ROWS.iter().filter(|row| row.overs().len() == 2).count();
    assert!(both >= 60, "{both} rows over both protocols");
    let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ROWS.len(), "two rows have one name");
}
