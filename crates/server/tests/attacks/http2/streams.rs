//! Streams that are opened to be thrown away.

use serde_json::Value;

use super::{
    ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR,
    frames::{
        DATA, END_HEADERS, END_STREAM, HEADERS, PRIORITY, RST_STREAM, WINDOW_UPDATE, flood, frame,
        get, request, streams,
    },
    under, withstand,
};
use crate::{process::alone, server::Home};

const MANY: u32 = 10_000;

#[test]
fn ten_thousand_requests_that_are_reset_at_once_are_ended() {
    // CVE-2023-44487.
    withstand("rapid reset", &[ENHANCE_YOUR_CALM], |address| {
        let pairs = streams(MANY).map(|stream| {
            [get(stream, "/livez"), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        });
        flood(address, pairs)
    });
}

/// The frame for a stream that makes the server reset it.
type Bad<'a> = &'a dyn Fn(u32) -> Vec<u8>;

/// A request whose answer waits for its body.
fn waiting(stream: u32) -> Vec<u8> {
    let fields = [("content-type", "application/json")];
    frame(HEADERS, END_HEADERS, stream, &request("POST", "/api/auth/login", &fields))
}

#[test]
fn ten_thousand_streams_that_the_server_is_made_to_reset_are_ended() {
    // CVE-2025-8671. Room for no byte, for more than there can be, and told by a frame of wrong size.
    let zero = |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
    let most = |stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
    let wrong = |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 5]);
    let own = |stream: u32| frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[0]].concat());
    let attacks: [(&str, Bad<'_>); 4] = [
        ("room for nothing", &zero),
        ("room for too much", &most),
        ("room in five bytes", &wrong),
        ("a stream that depends on itself", &own),
    ];
    let codes = [ENHANCE_YOUR_CALM, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR];
    for (what, bad) in attacks {
        withstand(what, &codes, |address| {
            flood(address, streams(MANY).map(|stream| [waiting(stream), bad(stream)].concat()))
        });
    }
}

#[test]
fn data_after_the_end_of_ten_thousand_streams_is_ended() {
    withstand("DATA after the end", &[ENHANCE_YOUR_CALM, PROTOCOL_ERROR], |address| {
        flood(
            address,
            streams(MANY).map(|stream| {
                [get(stream, "/livez"), frame(DATA, END_STREAM, stream, b"x")].concat()
            }),
        )
    });
}

#[test]
fn streams_beyond_the_bound_are_refused_and_at_last_ended() {
    let _alone = alone();
    let home = Home::new();
    let server = home.start(&["demo.enabled=true"]);
    let admin = server.admin();
    let bearer = format!("Bearer {admin}");
    let block = request("GET", "/api/demo/work?io_ms=60000", &[("authorization", &bearer)]);
    let partings = under(&server, "streams", |address| {
        let opened =
            streams(MANY).map(|stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &block));
        let parting = flood(address, opened);
        let in_flight = &server.status(&admin)["admission"]["in_flight"];
        (parting, in_flight.as_u64())
    });
    for (parting, in_flight) in partings {
        // REFUSED_STREAM (RFC 9113 §5.1.2).
        assert_eq!(parting.reset, Some(7), "{parting:?}");
        assert_eq!(parting.goaway.map(|goaway| goaway.code), Some(ENHANCE_YOUR_CALM));
        // What is just given up, and the one that asks; not one for each stream that was opened.
        assert!(in_flight.is_some_and(|count| count <= 64 + 1), "{in_flight:?}");
    }
    assert_eq!(server.status(&admin)["admission"]["in_flight"], Value::from(1));
}
