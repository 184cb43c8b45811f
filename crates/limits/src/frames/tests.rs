use proptest::prelude::*;

use super::*;

const PING: u8 = 6;

fn frame(kind: u8, stream: u32, length: u32) -> Vec<u8> {
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, 0]);
    frame.extend(stream.to_be_bytes());
    frame.extend(vec![0; length as usize]);
    frame
}

fn begun() -> FrameMeter {
    let mut meter = FrameMeter::new();
    meter.read(PREFACE, 0).unwrap();
    meter
}

/// How many of such frames are let through, one after the other, the tick standing still.
fn passed(meter: &mut FrameMeter, frame: &[u8], now_ms: u64, most: u32) -> u32 {
    (0..most).find(|_| meter.read(frame, now_ms).is_err()).unwrap_or(most)
}

#[test]
fn the_burst_passes_and_no_frame_more() {
    for (kind, length) in
        [(PING, 8), (4, 0), (2, 5), (8, 4), (3, 4), (9, 1), (0xfa, 100), (DATA, 0)]
    {
        let frame = frame(kind, 1, length);
        let count = passed(&mut begun(), &frame, 0, 10_000);
        assert_eq!(count, FrameMeter::BURST, "kind {kind}");
    }
}

#[test]
fn requests_and_their_bodies_are_free() {
    let mut meter = begun();
    for stream in (1..100_000).step_by(2) {
        meter.read(&frame(HEADERS, stream, 20), 0).unwrap();
        meter.read(&frame(DATA, stream, 1), 0).unwrap();
    }
    assert_eq!(passed(&mut meter, &frame(PING, 0, 8), 0, 10_000), FrameMeter::BURST);
}

#[test]
fn headers_that_open_no_stream_are_paid_for() {
    for again in [1, 4, 5] {
        let mut meter = begun();
        meter.read(&frame(HEADERS, 5, 20), 0).unwrap();
        let count = passed(&mut meter, &frame(HEADERS, again, 20), 0, 10_000);
        assert_eq!(count, FrameMeter::BURST, "stream {again}");
    }
}

#[test]
fn time_and_what_is_sent_pay_and_never_for_more_than_the_burst() {
    let mut meter = begun();
    let ping = frame(PING, 0, 8);
    passed(&mut meter, &ping, 0, 10_000);
    assert_eq!(passed(&mut meter, &ping, 7, 10_000), 7);
    meter.sent(3 * COST as usize);
    assert_eq!(passed(&mut meter, &ping, 7, 10_000), 3);
    meter.sent(usize::MAX);
    assert_eq!(passed(&mut meter, &ping, u64::MAX, 10_000), FrameMeter::BURST);
}

#[test]
fn what_answers_a_frame_does_not_pay_for_it() {
    let mut meter = begun();
    let ping = frame(PING, 0, 8);
    let answered = (0..100_000).find(|_| {
        let refused = meter.read(&ping, 0).is_err();
        meter.sent(ping.len());
        refused
    });
    assert!(answered.is_some());
}

#[test]
fn a_client_that_makes_room_for_each_answer_is_never_refused() {
    let mut meter = begun();
    for stream in (1..200_000).step_by(2) {
        meter.read(&frame(HEADERS, stream, 20), 0).unwrap();
        // A head and a body of a few bytes.
        meter.sent(9 + 40 + 9 + 10);
        // For the stream and for the connection.
        meter.read(&frame(8, stream, 4), 0).unwrap();
        meter.read(&frame(8, 0, 4), 0).unwrap();
    }
}

#[test]
fn what_is_not_http_2_is_not_counted() {
    for begin in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", b"\0"] {
        let mut meter = FrameMeter::new();
        meter.read(begin, 0).unwrap();
        assert_eq!(passed(&mut meter, &frame(PING, 0, 8), 0, 10_000), 10_000);
    }
}

#[test]
fn the_parting_frame_names_the_last_stream_and_asks_for_calm() {
    let mut meter = begun();
    meter.read(&frame(HEADERS, 5, 1), 0).unwrap();
    meter.read(&frame(HEADERS, 0x8000_0007, 1), 0).unwrap();
    let pings = frame(PING, 9, 8).repeat(FrameMeter::BURST as usize + 1);
    let refused = meter.read(&pings, 0).unwrap_err();
    // Length, kind, flags, stream; last stream, code.
    let wanted = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 11];
    assert_eq!(refused.goaway(), wanted);
}

fn flagged(kind: u8, flags: u8, stream: u32, length: u32) -> Vec<u8> {
    let mut frame = frame(kind, stream, length);
    frame[4] = flags;
    frame
}

#[test]
fn a_header_block_lasts_from_the_kind_of_its_first_frame_to_the_end_of_its_last() {
    let blocks = [
        vec![flagged(HEADERS, END_HEADERS, 1, 20)],
        vec![flagged(HEADERS, END_HEADERS, 3, 0)],
        vec![
            flagged(HEADERS, 0, 5, 0),
            flagged(CONTINUATION, 0, 5, 7),
            flagged(CONTINUATION, END_HEADERS, 5, 3),
        ],
    ];
    let mut meter = begun();
    for (number, block) in (1..).zip(blocks) {
        // END_HEADERS is another flag elsewhere.
        meter.read(&flagged(DATA, END_HEADERS, 1, 9), 0).unwrap();
        let bytes = block.concat();
        for (at, byte) in bytes.iter().enumerate() {
            let wanted = (at > 3).then_some(number);
            assert_eq!(meter.header_block(), wanted, "{block:?} at {at}");
            meter.read(&[*byte], 0).unwrap();
        }
        assert_eq!(meter.header_block(), None, "{block:?}");
    }
}

#[test]
fn a_block_behind_another_is_another() {
    let mut meter = begun();
    let all = [flagged(HEADERS, END_HEADERS, 1, 20), flagged(HEADERS, END_HEADERS, 3, 20)].concat();
    meter.read(&all[..10], 0).unwrap();
    assert_eq!(meter.header_block(), Some(1));
    meter.read(&all[10..40], 0).unwrap();
    assert_eq!(meter.header_block(), Some(2));
}

#[test]
fn it_is_small() {
    assert!(size_of::<FrameMeter>() <= 28, "{}", size_of::<FrameMeter>());
}

fn frames() -> impl Strategy<Value = Vec<(u8, u32, u32)>> {
    let kind = prop_oneof![Just(DATA), Just(HEADERS), Just(PING), 0..=255u8];
    let length = prop_oneof![Just(0u32), 0..40u32, Just(300)];
    proptest::collection::vec((kind, 0..100u32, length), 0..400)
}

proptest! {
    #[test]
    fn pieces_of_any_size_are_counted_alike(
        frames in frames(),
        already in 1700..2000u32,
        sizes in proptest::collection::vec(1..50usize, 1..50),
    ) {
        let mut whole = begun();
        for _ in 0..already {
            whole.read(&frame(PING, 0, 8), 0).unwrap();
        }
        let mut bytes = PREFACE.to_vec();
        bytes.extend((0..already).flat_map(|_| frame(PING, 0, 8)));
        let tail: Vec<u8> = frames.iter().flat_map(|(k, s, l)| frame(*k, *s, *l)).collect();
        bytes.extend(&tail);
        let wanted = whole.read(&tail, 0);

        let mut last = 0;
        let loads = frames.iter().filter(|(kind, stream, length)| {
            let opens = *kind == HEADERS && *stream > last;
            if opens {
                last = *stream;
            }
            opens || (*kind == DATA && *length > 0)
        });
        let empty = already as usize + frames.len() - loads.count();
        prop_assert_eq!(wanted.is_err(), empty > FrameMeter::BURST as usize);

        let mut pieces = FrameMeter::new();
        let mut rest = &bytes[..];
        let mut told = Ok(());
        for size in sizes.iter().cycle() {
            if rest.is_empty() || told.is_err() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            told = pieces.read(piece, 0);
            rest = after;
        }
        prop_assert_eq!(told, wanted);
        prop_assert!(wanted.is_err() || pieces.header_block() == whole.header_block());
    }

    #[test]
    fn no_bytes_break_it(pieces in proptest::collection::vec((any::<Vec<u8>>(), any::<u64>()), 0..20)) {
        let mut meter = begun();
        for (bytes, now_ms) in pieces {
            let _ = meter.read(&bytes, now_ms);
            meter.sent(bytes.len());
            prop_assert!(meter.balance <= MOST);
        }
    }
}
