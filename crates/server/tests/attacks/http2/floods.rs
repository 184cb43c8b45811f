//! Frames that are cheap to send.

use super::{
    ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, PROTOCOL_ERROR,
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM,
        SETTINGS, WINDOW_UPDATE, field, flood, frame, get, integer, request, setting, streams,
    },
    withstand,
};
use crate::server::Home;

const MANY: usize = 100_000;

fn calmed(what: &str, first: &[u8], again: &[u8]) {
    let again = again.repeat(100);
    withstand(what, &[ENHANCE_YOUR_CALM], |address| {
        let more = (0..MANY / 100).map(|_| again.clone());
        flood(address, [first.to_vec()].into_iter().chain(more))
    });
}

#[test]
fn a_ping_flood_is_ended() {
    calmed("PING", &[], &frame(PING, 0, 0, &[1; 8]));
}

#[test]
fn a_flood_of_answers_that_nobody_asked_for_is_ended() {
    calmed("PING ACK", &[], &frame(PING, ACK, 0, &[1; 8]));
}

#[test]
fn a_settings_flood_is_ended() {
    calmed("SETTINGS", &[], &frame(SETTINGS, 0, 0, &[]));
}

#[test]
fn settings_that_move_every_window_are_ended() {
    let first: Vec<u8> = streams(60).flat_map(|stream| get(stream, "/api/openapi.json")).collect();
    let up = frame(SETTINGS, 0, 0, &setting(4, 2));
    let down = frame(SETTINGS, 0, 0, &setting(4, 1));
    calmed("SETTINGS of windows", &first, &[up, down].concat());
}

#[test]
fn a_priority_flood_is_ended() {
    calmed("PRIORITY", &[], &frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 0]));
}

#[test]
fn a_flood_of_frames_that_nobody_knows_is_ended() {
    calmed("unknown frames", &[], &frame(0xfa, 0, 0, &[]));
}

#[test]
fn a_flood_of_single_bytes_of_room_is_ended() {
    calmed("WINDOW_UPDATE", &[], &frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
}

#[test]
fn an_empty_data_flood_is_ended() {
    let begun = frame(
        HEADERS,
        END_HEADERS,
        1,
        &request("POST", "/api/auth/login", &[("content-type", "application/json")]),
    );
    calmed("empty DATA", &begun, &frame(DATA, 0, 1, &[]));
}

#[test]
fn a_flood_of_resets_of_what_is_over_is_ended() {
    let begun = [get(1, "/livez"), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])].concat();
    calmed("RST_STREAM", &begun, &frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]));
}

#[test]
fn a_flood_of_headers_on_streams_that_are_there_is_ended() {
    let login = request("POST", "/api/auth/login", &[("content-type", "application/json")]);
    let again = frame(HEADERS, END_HEADERS, 1, &request("GET", "/livez", &[]));
    // More room than there can be: the server resets the stream.
    let room = frame(WINDOW_UPDATE, 0, 1, &(u32::MAX >> 1).to_be_bytes());
    let reset = [get(1, "/api/openapi.json"), room].concat();
    calmed("HEADERS of what is reset", &reset, &again);
    calmed("HEADERS of what is open", &frame(HEADERS, END_HEADERS, 1, &login), &again);
}

#[test]
fn a_continuation_flood_is_ended() {
    let begun = frame(HEADERS, END_STREAM, 1, &request("GET", "/livez", &[]));
    for load in [vec![], field("x", b"y"), field("x", &[b'y'; 16_000])] {
        let again = frame(CONTINUATION, 0, 1, &load);
        withstand("CONTINUATION", &[ENHANCE_YOUR_CALM], |address| {
            let more = (0..10_000).map(|_| again.clone());
            flood(address, [begun.clone()].into_iter().chain(more))
        });
    }
}

#[test]
fn a_header_bomb_is_ended() {
    // A field of 4000 bytes is put into the table (RFC 7541 §6.2.1) and named again by a byte each.
    let mut block = request("GET", "/livez", &[]);
    block.push(0x40);
    block.extend(integer(6, 7, 0));
    block.extend(b"x-bomb");
    block.extend(integer(4000, 7, 0));
    block.extend([b'y'; 4000]);
    block.extend([0x80 | 62; 10_000]);
    let first = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
    let next: Vec<u8> = [request("GET", "/livez", &[]), vec![0x80 | 62; 16_000]].concat();
    withstand("header bomb", &[ENHANCE_YOUR_CALM], |address| {
        let more =
            streams(10_000).skip(1).map(|id| frame(HEADERS, END_STREAM | END_HEADERS, id, &next));
        flood(address, [first.clone()].into_iter().chain(more))
    });
}

#[test]
fn a_huge_header_list_is_ended() {
    let value = [b'y'; 16_000];
    withstand("header list", &[ENHANCE_YOUR_CALM], |address| {
        let begun = frame(HEADERS, END_STREAM, 1, &request("GET", "/livez", &[]));
        let more = (0..1000)
            .map(|number| frame(CONTINUATION, 0, 1, &field(&format!("x-{number}"), &value)));
        flood(address, [begun].into_iter().chain(more))
    });
}

#[test]
fn frames_of_no_size_that_they_can_have_are_ended() {
    let home = Home::new();
    let server = home.start(&[]);
    for (what, wrong) in [
        ("PING of 7 bytes", frame(PING, 0, 0, &[1; 7])),
        ("SETTINGS of 5 bytes", frame(SETTINGS, 0, 0, &[1; 5])),
        ("a frame of 17 KiB", frame(DATA, 0, 1, &[1; 17 * 1024])),
        ("a PRIORITY of 4 bytes", frame(PRIORITY, 0, 1, &[1; 4])),
        ("PING on a stream", frame(PING, 0, 1, &[1; 8])),
        ("DATA on no stream", frame(DATA, 0, 0, &[1; 8])),
    ] {
        let parting = flood(server.address(), [wrong]);
        let code = parting.goaway.as_ref().map(|goaway| goaway.code);
        assert!(matches!(code, Some(FRAME_SIZE_ERROR | PROTOCOL_ERROR)), "{what}: {parting:?}");
        assert!(parting.closed, "{what}: {parting:?}");
    }
}
